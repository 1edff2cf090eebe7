"""The simulated world: it reacts to what is done to it and keeps the ledger of every call."""
