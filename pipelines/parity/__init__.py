"""The same features twice: batch against replay, batch against what was served."""
