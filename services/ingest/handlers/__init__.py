"""What ingest does with a delivery."""
