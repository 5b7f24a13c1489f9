"""Use cases: what each declares, and the policies that it chooses."""
