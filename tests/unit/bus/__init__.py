"""The bus, pure parts."""
