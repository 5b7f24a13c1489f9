"""What happened on each day and what needs a person, read from the ledger."""
