"""Accounts: what the ledger keeps, one frozen type for each stage.

What passes between rooms is one of these.
"""
