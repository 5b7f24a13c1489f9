"""Training: data, candidate, search, evidence, verdict, publication, backtest."""
