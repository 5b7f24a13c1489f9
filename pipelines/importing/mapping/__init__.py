"""The mapping: what a person declares about a file."""
