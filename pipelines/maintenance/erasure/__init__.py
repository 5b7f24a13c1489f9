"""Retain: what may no longer be kept is deleted for good: a unit's rows by its key, whole days by
their age.
"""
