"""The conformance suite of the store: the same for SQLite and PostgreSQL."""
