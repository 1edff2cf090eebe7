"""What reaches the notifier: events, the API, and the guard in front of everything."""
