"""The engine that needs no key: shifts against background, logs, changes, topology and a catalogue of causes."""
