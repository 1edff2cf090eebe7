"""Measurements with limits: each prints a table and fails when a median is above its limit."""
