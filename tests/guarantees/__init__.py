"""What must hold when things go wrong: the list, the tests that inject the faults, and the table of
what was seen.
"""
