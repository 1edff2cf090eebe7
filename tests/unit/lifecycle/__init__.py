"""Stage and timeline."""
