"""The journal of the scorer: every event and report since the last night, in files or in a Redis
stream.
"""
