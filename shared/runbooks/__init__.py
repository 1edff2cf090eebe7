"""Runbooks, plans and signed decisions: parsing, conditions, the bytes people approve. Pure but for reading files."""
