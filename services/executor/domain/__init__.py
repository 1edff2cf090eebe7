"""What is decided, as pure values and functions."""
