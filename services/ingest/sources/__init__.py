"""Payload to alert, one module a source. Pure."""
