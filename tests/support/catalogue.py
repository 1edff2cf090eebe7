"""The catalogue that is shipped, read once in a process; who changes files reads it with the product's own function."""

from __future__ import annotations

from functools import cache

from services.diagnoser.engines.offline import catalogue

load_catalogue = cache(catalogue.load_catalogue)
