"""The incidents of the `dev` suite: one row each, over all families, with decoys, gaps and hostile text."""

from __future__ import annotations

from simulation.suite.ground import infrastructure, network
from simulation.suite.honesty import honest
from simulation.suite.software import deployments, resources
from simulation.suite.stores import data, dependencies
from simulation.suite.system import Incident


def incidents() -> list[Incident]:
    """Return all incidents, always in the same order."""
    return [*deployments(), *resources(), *data(), *dependencies(), *network(), *infrastructure(), *honest()]
