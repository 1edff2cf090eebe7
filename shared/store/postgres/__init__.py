"""The store on PostgreSQL: replicas share one database, each aggregate is claimed for a few seconds at a time."""
