"""What follows from scores: the alert list and its reasons."""
