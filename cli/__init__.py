"""The `signoff` command: starts programs on this machine and talks to the running notifier."""
