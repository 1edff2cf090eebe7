"""The `dev` suite as cases with what is true of each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from simulation.suite.incidents import incidents
from simulation.suite.system import System
from simulation.suite.telling import poorly, tell
from simulation.suite.transforms import transformed

FIT_FROM = 1000
"""Variants from here on are there to fit to; none of them is ever measured."""
FIT_VARIANTS = 12

Labelled = tuple[dict[str, Any], dict[str, Any]]


def dev_suite(
    variants: int = 1, transform: str = "", *, start: int = 0, every: int = 1, poor: bool = True
) -> Iterator[Labelled]:
    """Return (case, what is true) for each incident, told plainly and poorly, in each variant of names and noise.

    `every` keeps one incident of so many. A fault that is told poorly may be missed; a quiet day stays one. Only what
    is told plainly is transformed: what already lacks something cannot lose it.
    """
    for variant in range(start, start + variants):
        system = System(variant)
        for incident in incidents()[::every]:
            case, truth = system.case(incident), system.expected(incident) | {"group": incident.name}
            yield transformed(transform, case, truth) if transform else (case, truth)
            if poor and not transform:
                name = f"{truth['case_id']}-poor"
                told = tell(system, incident, poorly(name), name)
                yield told | {"case_id": name}, truth | {"case_id": name, "is_poor": True}


def fit_suite(variants: int = FIT_VARIANTS) -> Iterator[Labelled]:
    """Return the cases to fit to."""
    return dev_suite(variants, start=FIT_FROM)
