"""What the ports are in this process."""
