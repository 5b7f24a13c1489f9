"""A mapping proposed from a file, and a preview of what a mapping makes of it."""
