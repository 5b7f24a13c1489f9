"""The pages of Model Ops and the report in one file."""
