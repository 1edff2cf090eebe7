"""Runbooks: what authors write, what becomes of it, and the bytes people approve."""
