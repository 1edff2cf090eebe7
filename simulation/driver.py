"""The driver: owns the ledger and the clocks, watches the monitors and posts webhooks as the vendors would."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from shared.errors import ConfigurationError, NotFoundError, RefusedError
from shared.runtime.tasks import begin_task, stop_tasks
from simulation.ledger import Ledger
from simulation.life import Life, MonitorChange, begun, recall
from simulation.run import Done
from simulation.scenario import load_scenario
from simulation.sending import Address, Sender, Untaken, Via
from simulation.webhooks import Moment, webhook

__all__ = ["Address", "Life", "World"]

TICK = 0.2
"""Wall seconds between two looks at the monitors."""
SPEED_MAX = 200.0


class World:
    """All runs. Every change is in the ledger before its answer leaves."""

    def __init__(self, data: Path, fixtures: Path, address: Address, wall: Callable[[], float]) -> None:
        self.fixtures = fixtures
        self._wall = wall
        self._ledger = Ledger(data / "world.jsonl")
        self._sender = Sender(address)
        self._watch: asyncio.Task[None] | None = None
        try:
            self.lives = recall(self._ledger.entries(), fixtures)
        except ConfigurationError:
            self._ledger.close()
            raise

    def begin(self, scenario_name: str, *, speed: float, via: Via, seed: int | None) -> Life:
        """Begin a run now. Raises NotFoundError for an unknown scenario, RefusedError for an impossible speed."""
        if not 0 < speed <= SPEED_MAX:
            raise RefusedError(f"speed {speed:g} is not between 0 and {SPEED_MAX:g}")
        scenario = load_scenario(self.fixtures, scenario_name)
        wall = self._wall()
        name = self._name(scenario.name, wall)
        entry = {
            "kind": "run",
            "run": name,
            "scenario": scenario.name,
            "seed": scenario.seed if seed is None else seed,
            "wall": wall,
            "speed": speed,
            "via": via,
        }
        self._ledger.append(entry)
        self.lives[name] = begun(entry, scenario)
        return self.lives[name]

    def _name(self, scenario: str, wall: float) -> str:
        number = int(wall * 1000)
        while (name := f"{scenario.replace('_', '-')}-{number:x}") in self.lives:
            number += 1
        return name

    def life(self, run: str) -> Life:
        """Return a run. Raises NotFoundError."""
        if run not in self.lives:
            raise NotFoundError(f"no run {run!r} in this world")
        return self.lives[run]

    def now(self, life: Life) -> float:
        """Return the data time of a run."""
        return life.run.clock.data(self._wall())

    def problems(self, life: Life) -> list[str]:
        """Return why ingest has not taken webhooks of a run, each reason once."""
        return sorted({untaken.why for untaken in self._untaken(life)})

    def is_refused(self, life: Life) -> bool:
        """Say whether trying again is in vain: ingest says no to what it is sent."""
        return any(untaken.refused for untaken in self._untaken(life))

    def _untaken(self, life: Life) -> list[Untaken]:
        waiting = self._sender.waiting
        return [untaken for name, untaken in waiting.items() if name.startswith(f"{life.run.id}/")]

    def call(self, life: Life, verb: str, target: str, arguments: dict[str, str], token: str) -> Done:
        """Do what was asked, once for each token."""
        known = life.run.find(token)
        done = life.run.call(verb, target, arguments, token, self.now(life))
        if known is None:
            self._ledger.append({"kind": "call", "run": life.run.id, "wall": self._wall(), "done": asdict(done)})
        return done

    def post(self, life: Life, marker: str, post: dict[str, Any]) -> None:
        """Create or edit a message of the simulated channel."""
        thread = life.slack.get(marker, {}).get("thread", [])
        line = post.pop("line", "")
        # A post that is repeated because its answer was lost says its line once.
        post["thread"] = [*thread, line] if line and thread[-1:] != [line] else thread
        self._ledger.append({"kind": "slack", "run": life.run.id, "marker": marker, "post": post})
        life.slack[marker] = post

    async def start(self) -> None:
        """Begin to watch the monitors; post again what ingest had not taken when the world stopped."""
        for life in self.lives.values():
            for change in life.untaken if not life.is_late(self._wall()) else ():
                self._send(life, change)
        self._watch = begin_task(self._watching())

    async def stop(self) -> None:
        """Stop watching and posting."""
        await stop_tasks(self._watch)
        await self._sender.stop()
        self._ledger.close()

    async def _watching(self) -> None:
        while True:
            for life in list(self.lives.values()):
                if not life.is_over(self._wall()):
                    self.look(life)
            await asyncio.sleep(TICK)

    def look(self, life: Life) -> None:
        """Look at the monitors of a run once and tell what changed."""
        at = self.now(life)
        for monitor in life.run.scenario.monitors:
            verdict = life.run.judge(monitor, at, firing=monitor.id in life.firing)
            if verdict == "same":
                continue
            fires = verdict == "fires"
            cycle = life.cycles.get(monitor.id, 0) + 1 if fires else life.firing[monitor.id]
            change = MonitorChange(monitor.id, cycle, fires, at)
            self._ledger.append({"kind": "monitor", "run": life.run.id, "change": asdict(change)})
            life.note(change)
            self._send(life, change)

    def _send(self, life: Life, change: MonitorChange) -> None:
        run = life.run
        monitor = next(monitor for monitor in run.scenario.monitors if monitor.id == change.monitor)
        moment = Moment(run.id, change.at, run.mean(monitor, change.at), change.cycle, change.fires)
        request = webhook(monitor, moment, self._sender.secret(monitor.vendor))

        def taken() -> None:
            self._ledger.append({"kind": "taken", "run": run.id, "change": asdict(change)})
            life.untaken.remove(change)

        name = f"{run.id}/{monitor.id}/{change.cycle}/{'fires' if change.fires else 'recovers'}"
        self._sender.send(name, request, life.via, is_late=lambda: life.is_late(self._wall()), taken=taken)
