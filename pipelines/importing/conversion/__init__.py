"""Values of a file become values of a feed."""
