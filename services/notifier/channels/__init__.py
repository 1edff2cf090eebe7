"""Where people are told: one channel a module."""
