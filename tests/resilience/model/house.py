"""Three services, their bus and their world, moved one small step at a time by a scheduler with a seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any, Final

import orjson

from services.diagnoser.domain.config import Config as DiagnoserConfig
from services.diagnoser.entrypoints import consumer as diagnoser_routes
from services.diagnoser.handlers.incident import Incident as DiagnoserIncident
from services.diagnoser.handlers.scope import Scope
from services.executor.domain.work import CALL
from services.executor.entrypoints import consumer as executor_routes
from services.executor.handlers.governor import GovernorKind
from services.executor.handlers.incident import Incident as ExecutorIncident
from services.notifier.domain.config import Config as NotifierConfig
from services.notifier.entrypoints.consumer import route
from services.notifier.handlers.incident import Incident as NotifierIncident
from services.notifier.handlers.telling import POST
from shared.incident.enums import Role
from shared.store.port import Claimed
from tests.resilience.model.bus import MemoryBus, Reader
from tests.resilience.model.oracle import Oracle
from tests.resilience.model.outside import Outside
from tests.resilience.model.store import Clock, MemoryStore
from tests.unit.diagnoser.alerts import KEY as RECEIPT_KEY
from tests.unit.diagnoser.scopes import RULES
from tests.unit.diagnoser.story import runbook
from tests.unit.executor.story import KEY, PEOPLE, config

START: Final = 1_800_000_000.0
HORIZON: Final = 3 * 86_400.0
"""Seconds within which everything must have come to rest by itself."""
CALM_STEPS: Final = 5_000


@dataclass(slots=True, eq=False)
class Run:
    """One activity in a worker's hands. `stage`: claimed, checked (the bytes are about to go), answered."""

    store: MemoryStore
    claimed: Claimed
    stage: str = "claimed"
    answer: Any = None
    paused: bool = False


Do = Callable[[], None]


class House:
    """Everything there is. Each method is atomic; what happens between two of them may be anything."""

    def __init__(self, environment: str) -> None:
        self.environment = environment
        self.clock = Clock(START)
        self.outside = Outside(self.clock)
        approvers = frozenset(person.id for person in PEOPLE.people if person.has(Role.APPROVER))
        self.oracle = Oracle(self.outside, approvers)
        runbooks = {name: runbook(name, digit * 64) for name, digit in (("restart", "1"), ("rotate", "2"))}
        known = DiagnoserConfig(rules=RULES, runbooks=runbooks, receipt_key=RECEIPT_KEY)
        keys = {"k1": KEY.public_key()}
        told = NotifierConfig("http://house", simulated=("page",), live=("page",), keys=keys)
        self.diagnoser = MemoryStore("diagnoser", [Scope(), DiagnoserIncident()], known, self.clock)
        self.executor = MemoryStore("executor", [ExecutorIncident(), GovernorKind()], config(), self.clock)
        self.notifier = MemoryStore("notifier", [NotifierIncident()], told, self.clock)
        self.stores = (self.diagnoser, self.executor, self.notifier)
        self.bus = MemoryBus(self._readers(), self.oracle.heard)
        self.runs: list[Run] = []
        self.air: list[Mapping[str, Any]] = []
        """Calls whose bytes are on the way though nobody waits for the answer."""
        self.held: list[Any] = []
        """Rows that a paused relay leader has read and will send once more."""

    def _readers(self) -> list[Reader]:
        return [
            Reader("diagnoser.alerts", "alerts.v1", diagnoser_routes.route_alert, self.diagnoser),
            Reader("diagnoser.requests", "requests.v1", diagnoser_routes.route_request, self.diagnoser),
            Reader("diagnoser.incidents", "incidents.v1", diagnoser_routes.route_incident, self.diagnoser),
            Reader("executor.incidents", "incidents.v1", executor_routes.route_incidents, self.executor),
            Reader("executor.decisions", "decisions.v1", executor_routes.route_decisions, self.executor),
            Reader("notifier.incidents", "incidents.v1", route, self.notifier),
        ]

    def possible(self, chance: Random) -> list[Do]:
        """Return every small step that could be next."""
        steps: list[Do] = []
        for store in self.stores:
            claimable = store.claimable()  # First: who is told there that a call was lost has something to decide.
            steps += [partial(self._decide, store, name, chance.choice((1, 2, 500))) for name in store.ready()]
            steps += [partial(self._claim, store, name) for name in claimable]
            if store.outbox:
                steps.append(partial(self._send, store, chance.randrange(1, 8)))
        steps += [partial(self.bus.deliver, place, chance.choice((1, 3, 500))) for place in self.bus.pending()]
        steps += [partial(self._run, run, chance) for run in self.runs if not run.paused]
        return steps

    def work(self, chance: Random, count: int) -> bool:
        """Do up to `count` small steps; say whether there was one each time."""
        for _ in range(count):
            steps = self.possible(chance)
            if not steps:
                return False
            chance.choice(steps)()
        return True

    def _decide(self, store: MemoryStore, name: str, limit: int) -> None:
        self.oracle.decided(store, store.step(name, limit))

    def _send(self, store: MemoryStore, count: int) -> None:
        rows, store.outbox = store.outbox[:count], store.outbox[count:]
        for row in rows:
            self.bus.append(row.topic, row.key, orjson.loads(row.headers), row.body)

    def pause_relay(self, store: MemoryStore) -> None:
        """A leader has read these rows and stands still; another one sends and deletes them."""
        self.held += store.outbox[:5]

    def resume_relay(self) -> None:
        """It goes on and sends them once more."""
        rows, self.held = self.held, []
        for row in rows:
            known = self.bus.records.get((row.topic, row.key), [])
            if any(record.envelope.id == row.id for record in known):
                self.bus.append(row.topic, row.key, orjson.loads(row.headers), row.body)

    def _claim(self, store: MemoryStore, name: str) -> None:
        self.runs.append(Run(store, store.claim(name)))

    def _run(self, run: Run, chance: Random) -> None:
        if run.claimed.name == CALL:
            self._call(run, chance)
            return
        self.runs.remove(run)
        run.store.finish(run.claimed, self._read(run, chance))

    def _read(self, run: Run, chance: Random) -> Any:  # noqa: ANN401 -- any JSON
        if run.claimed.name != POST:
            return self.outside.read(run.claimed, chance)
        row = run.store.row(run.claimed.aggregate, "notice")
        return {"version": row["version"], "stage": row["notice"]["stage"], "approval": row["notice"]["approval"]}

    def _call(self, run: Run, chance: Random) -> None:
        args = run.claimed.args
        if run.stage == "claimed":
            run.stage = "checked"
            if run.store.now > args["begin_by"] or not run.store.renew(run.claimed):
                run.stage, run.answer = "answered", {"outcome": "failed_safe", "detail": "too late"}
        elif run.stage == "checked":
            run.stage, run.answer = "answered", self._arrive(args, chance)
        else:
            self.runs.remove(run)
            named = {name: args[name] for name in ("execution_id", "step_id")}
            run.store.finish(run.claimed, named | run.answer)

    def _arrive(self, args: Mapping[str, Any], chance: Random) -> dict[str, str]:
        self.oracle.sending(args)
        answer = self.outside.arrive(dict(args), chance)
        self.oracle.effects()
        return answer

    def calls(self) -> list[Run]:
        """Return the calls in workers' hands."""
        return [run for run in self.runs if run.claimed.name == CALL]

    def land(self, chance: Random) -> None:
        """Bytes of a process that died arrive, or are lost for good."""
        for args in self.air:
            if chance.random() < 0.5:
                self._arrive(args, chance)
        self.air.clear()

    def crash(self, store: MemoryStore, chance: Random) -> None:
        """End a process: what it did not commit is gone, what it read is read again, its bytes may be on the way."""
        mine = [run for run in self.runs if run.store is store]
        self.air += [run.claimed.args for run in mine if run.stage == "checked" and chance.random() < 0.5]
        self.runs = [run for run in self.runs if run.store is not store]
        self.bus.rewind(chance, service=store.rules.service)

    def calm(self, chance: Random) -> None:
        """End all faults and wait until everything has come to rest. Fails when it does not."""
        self.land(chance)
        self.resume_relay()
        for run in self.runs:
            run.paused = False
        end = max(store.now for store in self.stores) + HORIZON
        for _ in range(CALM_STEPS):
            if not self.work(chance, 20):
                due = min((due for store in self.stores if (due := store.next_due()) is not None), default=None)
                if due is None or due > end:
                    break
                self.clock.now = max(due, *(store.now for store in self.stores))
        else:
            raise AssertionError("it does not come to rest")
        self.oracle.at_the_end(self.diagnoser, self.executor, self.notifier)
