"""The `dev` suite as cases with what is true of each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from simulation.suite.incidents import incidents
from simulation.suite.system import System
from simulation.suite.transforms import TRANSFORMS


def dev_suite(variants: int = 1, transform: str = "") -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Return (case, what is true) for each incident in each variant of names and noise."""
    change = TRANSFORMS[transform] if transform else dict
    for variant in range(variants):
        system = System(variant)
        for incident in incidents():
            yield change(system.case(incident)), system.expected(incident)
