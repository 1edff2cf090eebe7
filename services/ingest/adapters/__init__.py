"""The bus and the spool behind the port."""
