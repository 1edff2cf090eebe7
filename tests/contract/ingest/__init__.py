"""Ingest on a real store and bus."""
