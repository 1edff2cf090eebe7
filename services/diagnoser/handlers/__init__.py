"""What the diagnoser does: transitions of scopes and incidents, and the investigation activity."""
