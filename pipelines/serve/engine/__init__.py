"""States, batches and decisions of the scorer."""
