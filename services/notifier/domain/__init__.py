"""What the notifier shows: folds over the events of an incident. Pure."""
