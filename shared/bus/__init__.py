"""Topics between services: an embedded append-only log, or Kafka, behind one port; and the relay from outbox to bus."""
