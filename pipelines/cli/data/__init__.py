"""Commands about data that comes in or goes."""
