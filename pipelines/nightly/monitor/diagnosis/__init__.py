"""The cause of what was noticed, and what is done about it."""
