"""A run of the simulated world that stands for production: what `live` is connected to in these tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulation.providers.acting import SimulatedActuator
from simulation.providers.reading import SimulatedInfrastructure, SimulatedMonitoring


class Monitoring(SimulatedMonitoring):
    def __init__(self, _: str, settings: Mapping[str, Any]) -> None:
        super().__init__(settings["live_run"], settings)


class Infrastructure(SimulatedInfrastructure):
    def __init__(self, _: str, settings: Mapping[str, Any]) -> None:
        super().__init__(settings["live_run"], settings)


class Actuator(SimulatedActuator):
    def __init__(self, _: str, settings: Mapping[str, Any]) -> None:
        super().__init__(settings["live_run"], settings)
