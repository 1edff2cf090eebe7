"""The only place that changes production."""
