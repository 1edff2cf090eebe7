"""What the notifier does: one transition for an incident, one for requests, activities, and what people ask for."""
