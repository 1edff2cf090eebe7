"""The world over HTTP."""
