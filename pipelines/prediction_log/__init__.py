"""The log of predictions that the scorer served: files by the hour."""
