"""The ledger in SQL: append-only rows, releases, one pointer moved by compare-and-swap, incidents,
leases.
"""
