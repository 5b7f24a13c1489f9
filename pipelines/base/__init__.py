"""What every room needs and what knows no vendor: errors, days, settings, masking, files written
whole.
"""
