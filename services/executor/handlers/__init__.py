"""Transitions of an incident and of the governor, and the read-only activities."""
