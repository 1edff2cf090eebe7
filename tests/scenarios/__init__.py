"""Whole incidents, through the installed command and real processes."""
