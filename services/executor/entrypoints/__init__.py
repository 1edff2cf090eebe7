"""Topics and control routes."""
