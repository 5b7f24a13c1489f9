"""A night: ingest, features, materialize, score, monitor, rollout; a room for each stage."""
