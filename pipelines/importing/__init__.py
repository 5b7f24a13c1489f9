"""Files of other people become landed days, by a mapping."""
