"""What a use case lets happen by itself: what evidence shows, how releases roll out, how days are
watched, and when.
"""
