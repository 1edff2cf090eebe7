"""What two or more services must agree on. A closed, layered list; it knows nothing of services."""
