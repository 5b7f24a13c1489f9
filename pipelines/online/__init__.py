"""The online store: Feast on SQLite or Redis."""
