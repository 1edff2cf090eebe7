"""The driver: owns the ledger and the clocks, watches the monitors and posts webhooks as the vendors would."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import httpx

from shared.errors import NotFoundError, RefusedError
from simulation.ledger import Ledger
from simulation.run import Clock, Done, Run
from simulation.scenario import MonitorSpec, load_scenario
from simulation.webhooks import Moment, Webhook, webhook

log = logging.getLogger("signoff.world")

TICK = 0.2
"""Wall seconds between two looks at the monitors."""
RETRY_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0, 30.0)
"""Vendors retry what is not answered with 2xx for longer; a simulated run gives up after these wall seconds."""
SPEED_MAX = 200.0

Via = Literal["webhook", "topic"]


@dataclass(frozen=True, slots=True)
class Address:
    """Where webhooks go. `secrets` are the replay secrets by source; `token` opens ingest's control route."""

    webhooks: str
    control: str
    secrets: Mapping[str, str]
    token: str


@dataclass(slots=True)
class Life:
    """One run and what goes with it in the driver: which monitors fire, posts of its channel."""

    run: Run
    via: Via
    firing: dict[str, int] = field(default_factory=dict)
    """Monitor -> the cycle that fires now."""
    cycles: dict[str, int] = field(default_factory=dict)
    slack: dict[str, dict[str, Any]] = field(default_factory=dict)


class World:
    """All runs. Every change is in the ledger before its answer leaves."""

    def __init__(self, data: Path, fixtures: Path, address: Address, wall: Callable[[], float]) -> None:
        self.fixtures = fixtures
        self._address = address
        self._wall = wall
        self._ledger = Ledger(data / "world.jsonl")
        self._client = httpx.AsyncClient(timeout=10.0)
        self._posts: set[asyncio.Task[None]] = set()
        self._watch: asyncio.Task[None] | None = None
        self.lives: dict[str, Life] = {}
        for entry in self._ledger.entries():
            self._recall(entry)

    def _recall(self, entry: dict[str, Any]) -> None:
        if entry["kind"] == "run":
            scenario = load_scenario(self.fixtures, entry["scenario"])
            scenario = scenario.model_copy(update={"seed": entry["seed"]})
            run = Run(entry["run"], scenario, Clock(entry["wall"], entry["speed"]))
            self.lives[run.id] = Life(run, entry["via"])
            return
        life = self.lives[entry["run"]]
        if entry["kind"] == "call":
            life.run.done.append(Done(**entry["done"]))
        elif entry["kind"] == "monitor":
            self._note(life, entry["monitor"], entry["cycle"], fires=entry["fires"])
        elif entry["kind"] == "slack":
            life.slack[entry["marker"]] = entry["post"]

    def begin(self, scenario_name: str, *, speed: float, via: Via, seed: int | None) -> Life:
        """Begin a run now. Raises NotFoundError for an unknown scenario, RefusedError for an impossible speed."""
        if not 0 < speed <= SPEED_MAX:
            raise RefusedError(f"speed {speed:g} is not between 0 and {SPEED_MAX:g}")
        scenario = load_scenario(self.fixtures, scenario_name)
        if seed is not None:
            scenario = scenario.model_copy(update={"seed": seed})
        wall = self._wall()
        name = f"{scenario.name.replace('_', '-')}-{int(wall * 1000):x}"
        run = Run(name, scenario, Clock(wall, speed))
        self._ledger.append(
            {
                "kind": "run",
                "run": name,
                "scenario": scenario.name,
                "seed": scenario.seed,
                "wall": wall,
                "speed": speed,
                "via": via,
            }
        )
        self.lives[name] = Life(run, via)
        return self.lives[name]

    def life(self, run: str) -> Life:
        """Return a run. Raises NotFoundError."""
        if run not in self.lives:
            raise NotFoundError(f"no run {run!r} in this world")
        return self.lives[run]

    def now(self, life: Life) -> float:
        """Return the data time of a run."""
        return life.run.clock.data(self._wall())

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
        post["thread"] = [*thread, line] if line and line not in thread else thread
        self._ledger.append({"kind": "slack", "run": life.run.id, "marker": marker, "post": post})
        life.slack[marker] = post

    async def start(self) -> None:
        """Begin to watch the monitors."""
        self._watch = asyncio.create_task(self._watching())

    async def stop(self) -> None:
        """Stop watching and posting."""
        tasks = [*self._posts, *([self._watch] if self._watch else [])]
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self._client.aclose()
        self._ledger.close()

    async def _watching(self) -> None:
        while True:
            for life in list(self.lives.values()):
                self._look(life)
            await asyncio.sleep(TICK)

    def _look(self, life: Life) -> None:
        at = self.now(life)
        for monitor in life.run.scenario.monitors:
            verdict = life.run.judge(monitor, at, firing=monitor.id in life.firing)
            if verdict != "same":
                self._change(life, monitor, at, fires=verdict == "fires")

    def _change(self, life: Life, monitor: MonitorSpec, at: float, *, fires: bool) -> None:
        cycle = life.cycles.get(monitor.id, 0) + 1 if fires else life.firing[monitor.id]
        self._ledger.append(
            {"kind": "monitor", "run": life.run.id, "monitor": monitor.id, "cycle": cycle, "fires": fires, "at": at}
        )
        self._note(life, monitor.id, cycle, fires=fires)
        secret = self._address.secrets.get(monitor.vendor, "")
        moment = Moment(life.run.id, at, life.run.mean(monitor, at), cycle, fires)
        request = webhook(monitor, moment, secret)
        task = asyncio.create_task(self._deliver(life, request))
        self._posts.add(task)
        task.add_done_callback(self._posts.discard)

    @staticmethod
    def _note(life: Life, monitor: str, cycle: int, *, fires: bool) -> None:
        life.cycles[monitor] = cycle
        if fires:
            life.firing[monitor] = cycle
        else:
            life.firing.pop(monitor, None)

    async def _deliver(self, life: Life, request: Webhook) -> None:
        if life.via == "webhook":
            url, headers = f"{self._address.webhooks}/webhooks/{request.source}", request.headers
        else:
            url = f"{self._address.control}/control/deliveries/{request.source}"
            headers = request.headers | {"Authorization": f"Bearer {self._address.token}"}
        for pause in RETRY_PAUSES:
            try:
                answer = await self._client.post(url, content=request.body, headers=headers)
            except httpx.HTTPError as error:
                log.info("webhook not delivered: %s", type(error).__name__)
            else:
                if answer.is_success:
                    return
                log.info("webhook answered %d", answer.status_code)
            await asyncio.sleep(pause)
        log.warning("gave up a webhook of run %s", life.run.id)
