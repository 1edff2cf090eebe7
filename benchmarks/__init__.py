"""Measurements: each bench gives rows, of which some are judged. `python -m benchmarks` runs them."""
