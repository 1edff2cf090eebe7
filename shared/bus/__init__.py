"""Topics, and the way of events between a store and the bus: intake, relay, embedded log, Kafka."""
