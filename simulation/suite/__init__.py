"""The `dev` suite: made-up incidents with known causes, for measuring and fitting the diagnosis. Not for selling it.

Everything is drawn from a seed, so that the same variant gives the same bytes.
"""
