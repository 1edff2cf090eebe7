"""What survives: processes killed at every place, and a broker that stops, freezes or dies."""
