"""Folds over the events of one incident: its stage and its timeline. Pure."""
