"""Whether each store holds what the ledger expects of it."""
