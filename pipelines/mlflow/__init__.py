"""MLflow: runs, registered models, its server behind a password."""
