"""Engines: from a case to a conclusion. They run in a child process and are never imported by the service itself.

No database, no network, no clock: the same case gives the same bytes.
"""
