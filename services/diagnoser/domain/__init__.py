"""Nouns and rules of the diagnoser. Pure."""
