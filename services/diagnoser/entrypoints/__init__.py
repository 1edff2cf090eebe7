"""How work comes in: records from the bus, and reads by the other services."""
