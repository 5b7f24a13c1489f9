"""What kind of prediction: labels, slices and measures."""
