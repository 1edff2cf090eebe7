"""Runbooks, plans and signed decisions: parsing, conditions, and the bytes people approve. Pure but for reading files."""
