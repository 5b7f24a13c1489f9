"""The processes of the scorer and their figures."""
