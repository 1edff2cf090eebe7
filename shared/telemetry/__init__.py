"""Logs, metrics and trace context. The redactor is the last thing every line passes."""
