"""A simulated bank, with incidents on request."""
