"""The `signoff` command: a client of a running server, and the programs that start one."""
