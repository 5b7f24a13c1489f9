"""Commands about days and nights."""
