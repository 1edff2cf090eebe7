"""Durable aggregates: an ordered inbox, pure transitions, activities, timers and an outbox, on two databases."""
