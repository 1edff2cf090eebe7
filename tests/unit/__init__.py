"""Tests of one piece at a time, without network, broker or database server."""
