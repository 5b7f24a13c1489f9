"""Benchmarks: ratios measured in one run, one module each; `python -m benchmarks` runs them all."""
