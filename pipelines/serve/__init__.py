"""The online scorer."""
