"""The engine's process, and what the diagnoser keeps in its store."""
