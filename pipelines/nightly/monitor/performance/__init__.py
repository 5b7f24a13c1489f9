"""What predictions were worth once labels are known, and what to expect before."""
