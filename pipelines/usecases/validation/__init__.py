"""What can be wrong with a use case's declaration, found all at once: values, feeds, features,
checks, policies.
"""
