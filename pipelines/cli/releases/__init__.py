"""Commands about models and releases."""
