"""Is this machine fit, and does all that the settings name respond?"""
