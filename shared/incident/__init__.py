"""The nouns every service speaks of: alert, incident, evidence, diagnosis, recommendation, verification. Pure."""
