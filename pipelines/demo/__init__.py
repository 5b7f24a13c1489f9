"""The demo: the whole chain on simulated transactions."""
