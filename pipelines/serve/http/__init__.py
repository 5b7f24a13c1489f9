"""Routes, keys, limits and sockets of the scorer."""
