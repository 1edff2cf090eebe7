"""What every process needs to run: clock, settings, secrets, listeners, health. Knows no service."""
