"""A day's columns and counts against earlier days: plain data in, signals out."""
