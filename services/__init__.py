"""Four services that meet on the bus and nowhere else."""
