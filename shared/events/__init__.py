"""The wire contract: every event type, who may emit it, and the envelope around it. Pure."""
