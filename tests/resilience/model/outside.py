"""What lies outside: vendors that answer, and one that changes things and keeps a ledger by token. The oracle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeVar
from zlib import crc32

from services.diagnoser.domain.finding_out import Findings, KnownPlace
from services.executor.domain.work import PREPARE_PLAN, RECHECK, RECONCILE, VERIFY_READ
from shared.events.investigations import EvidenceGathered
from shared.incident.diagnosis import DiagnosticResult, RankedCause
from shared.incident.enums import IncidentCategory
from shared.store.model import JSON
from shared.store.port import Claimed
from tests.resilience.model.store import Clock
from tests.unit.diagnoser.story import CAUSE
from tests.unit.executor.story import plan, prepared, step

T = TypeVar("T")


@dataclass(slots=True)
class Arrival:
    """One call that reached the world."""

    token: str
    arguments: dict[str, Any]
    applied: bool


@dataclass(slots=True)
class Outside:
    """Answers reads, takes calls. A token is applied once, whatever arrives. `gentle`: all goes well."""

    clock: Clock
    gentle: bool = False
    salt: int = 0
    """Makes the executions that will not help other ones in each life."""
    ledger: list[Arrival] = field(default_factory=list)

    def _pick(self, chance: Random, *options: T) -> T:
        return options[0] if self.gentle else chance.choice(options)

    def _rare(self, chance: Random, share: float) -> bool:
        return not self.gentle and chance.random() < share

    def applied(self, token: str) -> bool:
        """Say whether a call with this token had an effect."""
        return any(one.applied for one in self.ledger if one.token == token)

    def arrive(self, args: dict[str, Any], chance: Random) -> dict[str, str]:
        """Take a call in and return what is answered."""
        if self.applied(args["token"]):
            self.ledger.append(Arrival(args["token"], args, applied=False))
            return {"outcome": "succeeded", "detail": "this token was applied before"}
        how = self._pick(chance, "succeeded", "succeeded", "succeeded", "failed_safe", "unknown", "nothing")
        self.ledger.append(Arrival(args["token"], args, applied=how in ("succeeded", "unknown")))
        return {"outcome": "unknown" if how == "nothing" else how, "detail": how}

    def read(self, claimed: Claimed, chance: Random) -> JSON:
        """Answer a read, or fail as vendors do."""
        if self._rare(chance, 0.05):
            return {"error": {"reason": "unavailable", "detail": "given up"}}
        return _READS[claimed.name](self, claimed, chance)

    def _investigate(self, claimed: Claimed, chance: Random) -> JSON:
        status = self._pick(chance, "diagnosed", "diagnosed", "diagnosed", "inconclusive", "no_active_fault")
        entity = self._pick(chance, "box-1", "box-1", "box-2")
        causes = (RankedCause(entity=entity, cause=CAUSE, confidence=0.9, cites=("M01",)),)
        result = DiagnosticResult.model_validate(
            {
                "status": status,
                "category": IncidentCategory.RESOURCE_LEAK if status == "diagnosed" else IncidentCategory.UNKNOWN,
                "statement": "memory leaks",
                "confidence": 0.9,
                "causes": causes if status == "diagnosed" else (),
            }
        )
        gathered = EvidenceGathered(investigation_id=claimed.args["investigation_id"])
        places = {entity: KnownPlace(kind="host", services=("shop", "mail"))}
        return Findings(result=result, gathered=gathered, places=places).model_dump(mode="json")

    def _prepare(self, claimed: Claimed, chance: Random) -> JSON:
        args, item = claimed.args, claimed.args["item"]
        told = {"recommendation_id": args["recommendation_id"], "index": args["index"]}
        if self._rare(chance, 0.1):
            return told | chance.choice(({"missing": True}, {"refused": "no_such_host", "detail": "gone"}))
        target = item["entity"]
        steps = [step(name, undo=chance.random() < 0.5, target=target) for name in ("one", "two")]
        made = plan(*steps[: chance.randrange(1, 3)], environment=args["environment"], runbook=item["runbook_id"])
        made = made.model_copy(update={"incident_id": args["incident_id"], "runbook_sha256": item["runbook_sha256"]})
        on_expire = chance.choice(("expire", "remind", "escalate"))
        asked = prepared(made, holds=not self._rare(chance, 0.1), count=chance.choice((1, 1, 2)), on_expire=on_expire)
        return asked | told

    def _recheck(self, claimed: Claimed, chance: Random) -> JSON:
        ok = not self._rare(chance, 0.1)
        said = {"why": "" if ok else "precondition", "detail": "" if ok else "it is no longer so"}
        named = {name: claimed.args[name] for name in ("execution_id", "step_id")}
        return {**named, "ok": ok, **said, "before": {"load": "91 %"}}

    def _reconcile(self, claimed: Claimed, chance: Random) -> JSON:
        args = claimed.args
        found = "succeeded" if self.applied(args["token"]) else "not_applied"
        outcome = "needs_human" if self._rare(chance, 0.1) else found
        named = {name: args[name] for name in ("execution_id", "step_id")}
        return {**named, "outcome": outcome, "detail": "by the record"}

    def _verify(self, claimed: Claimed, chance: Random) -> JSON:
        args, now = claimed.args, self.clock.now
        good = (crc32(args["execution_id"].encode()) + self.salt) % 3 > 0
        points = [(now - 15.0 * number, 50.0 if good else 90.0, good) for number in range(60, -1, -1)]
        return {
            "execution_id": args["execution_id"],
            "attempt": args["attempt"],
            "points": points if args["since"] and not self._rare(chance, 0.1) else [],
            "data_now": now,
            "pace": 1.0,
            "unit": "%",
        }


_READS: dict[str, Callable[[Outside, Claimed, Random], JSON]] = {
    "investigate": Outside._investigate,
    PREPARE_PLAN: Outside._prepare,
    RECHECK: Outside._recheck,
    RECONCILE: Outside._reconcile,
    VERIFY_READ: Outside._verify,
}
