"""The runner of the benches, and its load generator."""
