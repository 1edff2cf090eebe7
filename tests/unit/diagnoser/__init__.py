"""Diagnoser."""
