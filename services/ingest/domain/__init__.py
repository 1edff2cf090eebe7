"""What a delivery is, before anybody judges it. Pure."""
