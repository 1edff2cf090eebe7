"""A simulated world with consequences: what it shows follows from what happened in it, and from nothing else.

A scenario (`fixtures/<name>/`) is data: topology, signals, pressures that rise and fall, and how they react to calls.
The driver owns one clock and one append-only ledger and posts webhooks as the vendors do. Services reach it over HTTP.
"""
