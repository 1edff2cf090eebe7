"""The whole house in memory: the services' own transitions, a bus that repeats itself, an outside world as oracle."""
