"""The executor over real stores, the real bus and the real simulated world."""
