"""One incident of the executor, told from recommendation to verification, with real signatures."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.diagnoser.domain.last_word import after, owed, recommended
from services.executor.domain.config import ExecutorConfig
from services.executor.domain.policy import Policy
from services.executor.domain.work import CALL, PREPARE_PLAN, RECHECK, VERIFY_READ
from shared.incident.enums import Role
from shared.lifecycle.stage import OPENED, advance
from shared.runbooks.decision import SignedDecision, sign
from shared.runbooks.plan import Plan, PlannedClause, PlannedStep, PlannedUndo, PlannedVerify, digest
from shared.runtime.clock import at
from shared.runtime.people import SAMPLE, People, Person
from tests.unit.executor.aggregates import INCIDENT_ID, NOW, Executor, Told

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
STRANGER = Ed25519PrivateKey.from_private_bytes(b"s" * 32)
SHA = "a" * 64

ANN = Person(id="ann", name="Ann", roles=(Role.VIEWER, Role.RESPONDER, Role.APPROVER))
BEN = Person(id="ben", name="Ben", roles=(Role.VIEWER, Role.RESPONDER, Role.APPROVER))
EVE = Person(id="eve", name="Eve", roles=(Role.VIEWER, Role.RESPONDER))
ADA = Person(id="ada", name="Ada", roles=(Role.ADMIN,))
PEOPLE = People(people=(ANN, BEN, EVE, ADA, *SAMPLE.people))


def config(policy: Policy | None = None) -> ExecutorConfig:
    """Return a configuration that trusts KEY as `k1`."""
    return ExecutorConfig(policy or Policy(), PEOPLE, {"k1": KEY.public_key()})


def step(step_id: str, *, undo: bool = False, risk: str = "medium", target: str = "box-1") -> PlannedStep:
    """Return a step of a plan; with `undo` it declares one."""
    rollback = PlannedUndo(
        name=f"Undo {step_id}", uses="thing/undo@v1", target=target, arguments={"step": step_id}, timeout_seconds=20
    )
    return PlannedStep(
        id=step_id,
        name=f"Do {step_id}",
        uses="thing/do@v1",
        target=target,
        arguments={"size": 3},
        risk=risk,
        reversible=undo,
        impact="a moment of silence",
        timeout_seconds=60,
        settle_seconds=5,
        rollback=rollback if undo else None,
    )


def plan(*steps: PlannedStep, environment: str = "sim:t", runbook: str = "fix-it", **verify: Any) -> Plan:  # noqa: ANN401 -- fields of PlannedVerify
    """Return a plan, by default of one step `one`."""
    check = {
        "name": "Load stays low",
        "metric": "load",
        "entity": "box-1",
        "condition": "value < 70.0",
        "for_seconds": 120,
        "within_seconds": 600,
        "interval_seconds": 30,
        "max_attempts": 40,
        "backoff_percent": 100,
    }
    return Plan(
        environment=environment,
        incident_id=INCIDENT_ID,
        runbook_id=runbook,
        runbook_sha256=SHA,
        title="Fix it",
        inputs={},
        gather=(),
        preconditions=(PlannedClause(when="true", text="It is so"),),
        steps=steps or (step("one"),),
        verify=PlannedVerify(**{**check, **verify}),
        deadline_seconds=3600,
    )


def prepared(of: Plan, *, holds: bool = True, **approval: Any) -> dict[str, Any]:  # noqa: ANN401 -- fields of AskedApproval
    """Return the result of `prepare_plan`."""
    return {
        "recommendation_id": "r1",
        "index": 0,
        "plan": of.text(),
        "clauses": [{"text": "It is so", "holds": holds, "value": "x = 1"}],
        "approval": {"count": 1, "expires_seconds": 1800, "on_expire": "expire", **approval},
        "expected_effect": "Load falls",
    }


class Story:
    """Moves one incident on. Each method returns the events that it caused."""

    def __init__(self, *, environment: str = "sim:t", policy: Policy | None = None) -> None:
        self.executor = Executor(config(policy), environment)
        self.nonces = 0
        self.approval = self.execution = self.sha256 = ""

    def recommend(self, *runbooks: str, recommendation: str = "r1", **meta: str) -> list[Told]:
        """Let the diagnoser recommend."""
        items = [
            {
                "runbook_id": runbook,
                "runbook_sha256": SHA,
                "title": "Fix it",
                "cause": "saturation.cpu",
                "entity": "box-1",
                "confidence": 0.9,
                "rationale": "because",
            }
            for runbook in runbooks or ("fix-it",)
        ]
        body = {"recommendation_id": recommendation, "investigation_id": "i1", "recommendations": {"items": items}}
        return self.executor.event("recommendation.made", body, f"diagnoser/{recommendation}", **meta)

    def ask(self, of: Plan | None = None, **approval: Any) -> list[Told]:  # noqa: ANN401 -- fields of AskedApproval
        """Let a plan be made, so that people are asked."""
        of = of or plan(environment=self.executor.environment)
        caused = self.executor.finish(PREPARE_PLAN, prepared(of, **approval))
        body = next(event.body for event in caused if event.type == "approval.requested")
        self.approval, self.sha256 = body["approval_id"], digest(of.text())
        self.execution = self.approval.replace("apr-", "exe-")
        return caused

    def asked(self, of: Plan | None = None, **approval: Any) -> Story:  # noqa: ANN401 -- fields of AskedApproval
        """Recommend, ask, and let people be told."""
        self.recommend()
        self.ask(of, **approval)
        self.notice()
        return self

    def notice(self, *channels: str) -> list[Told]:
        """Let the notifier say where people were told."""
        body = {"approval_id": self.approval, "channels": list(channels or ("slack",))}
        return self.executor.event("notice.posted", body)

    def signed(  # every field may be wrong, that is what rulings are about
        self,
        verb: str = "approve",
        person: str = "ann",
        *,
        key: Ed25519PrivateKey = KEY,
        age: float = 0.0,
        arguments: Mapping[str, str] | None = None,
        **wrong: Any,  # noqa: ANN401 -- fields of SignedDecision
    ) -> dict[str, str]:
        """Return the body of a signed decision about the newest approval, or its execution."""
        self.nonces += 1
        on_approval = verb in ("approve", "reject", "withdraw")
        time = at(self.executor.now - age)
        fields: dict[str, Any] = {
            "kid": "k1",
            "environment": self.executor.environment,
            "incident_id": INCIDENT_ID,
            "subject": self.approval if on_approval else self.execution,
            "plan_sha256": self.sha256 or None,
            "verb": verb,
            "arguments": dict(arguments or {}),
            "person": person,
            "via": "page:oidc",
            "authenticated_at": time - timedelta(seconds=60),
            "nonce": f"{self.nonces:032x}",
            "time": time,
        }
        text, signature = sign(SignedDecision.model_validate(fields | wrong), key)
        return {"decision": text, "signature": signature}

    def decide(self, verb: str = "approve", person: str = "ann", **wrong: Any) -> list[Told]:  # noqa: ANN401 -- as `signed`
        """Submit a decision."""
        return self.submit(self.signed(verb, person, **wrong))

    def submit(self, body: Mapping[str, Any], message_id: str = "", **meta: str) -> list[Told]:
        """Submit the body of a decision."""
        found = message_id or f"notifier/decision/{self.nonces:032x}"
        return self.executor.event("decision.submitted", body, found, **meta)

    def recheck(self, *, ok: bool = True, why: str = "precondition", detail: str = "it is no longer so") -> list[Told]:
        """Let the look before a step end."""
        args = self.executor.newest(RECHECK).args
        said = {"why": "", "detail": ""} if ok else {"why": why, "detail": detail}
        found = {"execution_id": args["execution_id"], "step_id": args["step_id"], "ok": ok, **said}
        return self.executor.finish(RECHECK, {**found, "before": {"load": "91 %"}})

    def call(self, outcome: str = "succeeded", detail: str = "done") -> list[Told]:
        """Let the call in flight end."""
        args = self.executor.newest(CALL).args
        ended = {"execution_id": args["execution_id"], "step_id": args["step_id"]}
        return self.executor.finish(CALL, {**ended, "outcome": outcome, "detail": detail})

    def granted(self, of: Plan | None = None) -> Story:
        """Go on until the approval is granted and the first look is under way."""
        self.asked(of)
        self.decide()
        return self

    def calling(self, of: Plan | None = None) -> Story:
        """Go on until the first call is in flight."""
        self.granted(of)
        self.recheck()
        return self

    def verifying(self, of: Plan | None = None) -> Story:
        """Go on until every step is done."""
        self.calling(of)
        for _ in (of or plan()).steps[1:]:
            self.call()
            self.recheck()
        self.call()
        return self

    def read(
        self, *values: float, limit: float = 70.0, every: float = 15.0, step: float = 0.0, pace: float = 1.0
    ) -> list[Told]:
        """Let a read of the metric end: one value each `every` data seconds since the steps ended.

        `step` is how often it is measured when nothing is lost.
        """
        args = self.executor.newest(VERIFY_READ).args
        began = self.executor.state()["execution"]["verifying"]["began"]
        start = NOW - 1e6  # Data time is not wall time.
        points = [(start + number * every, value, value < limit) for number, value in enumerate(values)]
        data_now = start + (self.executor.now - began) * pace
        result = {"execution_id": args["execution_id"], "attempt": args["attempt"], "points": points}
        return self.executor.finish(
            VERIFY_READ, {**result, "data_now": data_now, "pace": pace, "unit": "%", "step": step}
        )

    def freeze(self, verb: str = "freeze", *, person: str = "ann", allow_rollback: bool = False) -> Any:  # noqa: ANN401 -- any JSON
        """Freeze or unfreeze; return the reply."""
        arguments = {"allow_rollback": "true" if allow_rollback else "false"}
        body = self.signed(verb, person, incident_id="", subject=self.executor.environment, arguments=arguments)
        return self.control(body)

    def control(self, body: Mapping[str, Any]) -> Any:  # noqa: ANN401 -- any JSON
        """Send a command to the governor; return the reply."""
        found = f"control/{self.nonces}/{len(self.executor.replies)}"
        whole = {"environment": self.executor.environment, **body}
        self.executor.give(found, "control.freeze", whole, to=self.executor.governor)
        return self.executor.replies[found]

    def owed(self) -> list[str]:
        """What the diagnoser still waits for, by all that was said."""
        debts: dict[str, str] = {}
        for name, body in self.told:
            debts = recommended(debts, body["recommendation_id"]) if name == "recommendation.made" else debts
            debts = after(debts, name, body)
        return owed(debts)

    @property
    def stage(self) -> str:
        """The stage of the incident, as everybody folds it."""
        progress = OPENED
        for name, body in self.told:
            progress = advance(progress, name, body)
        return progress.stage.value

    @property
    def told(self) -> list[tuple[str, dict[str, Any]]]:
        """All events of the incident, each once, in order."""
        return [(name, body) for name, body, resend in self.executor.topic if not resend]

    @property
    def locks(self) -> dict[str, Any]:
        """What the governor holds for executions."""
        held: dict[str, Any] = self.executor.state(self.executor.governor)["locks"]
        return held
