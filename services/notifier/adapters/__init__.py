"""The ports of the notifier on its store and on the other services."""
