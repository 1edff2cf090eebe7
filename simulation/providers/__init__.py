"""How services see the simulated world: the same capabilities as a vendor, over HTTP."""
