"""What must hold after every step, told from outside: by what was signed, said, sent, applied and locked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from services.diagnoser.domain.last_word import owed
from shared.bus.port import Received
from shared.events.payload import INCIDENTS
from shared.lifecycle.stage import IGNORED, MOVES, OPENED, Progress, advance, variant
from shared.runbooks.decision import SignedDecision
from shared.runbooks.plan import digest, read_plan
from shared.store.transition import Effects, chain
from tests.resilience.model.outside import Outside
from tests.resilience.model.store import MemoryStore, events_of

Body = dict[str, Any]


@dataclass(slots=True)
class Oracle:
    """Watches everything and asserts. `story` is what happened, in order, for who reads a failure."""

    outside: Outside
    approvers: frozenset[str]
    delivered: set[str] = field(default_factory=set)
    dispositions: dict[str, str] = field(default_factory=dict)
    signed: list[SignedDecision] = field(default_factory=list)
    """Every decision that was signed with the trusted key, also ahead of time: that may come before it is read."""
    questions: dict[str, Body] = field(default_factory=dict)
    over: dict[str, str] = field(default_factory=dict)
    """Approval -> the event that ended it before a claim."""
    claimed: dict[str, str] = field(default_factory=dict)
    """Execution -> approval."""
    tokens: dict[tuple[str, str, bool], str] = field(default_factory=dict)
    settled: dict[str, bool] = field(default_factory=dict)
    intents: dict[str, int] = field(default_factory=dict)
    """Token -> how many intents were stored."""
    stages: dict[str, Progress] = field(default_factory=dict)
    story: list[str] = field(default_factory=list)
    forgetful: bool = False
    """Copies may have come after all that knew them had been forgotten."""
    _heard: set[str] = field(default_factory=set)
    _heads: dict[tuple[str, str], bytes] = field(default_factory=dict)

    def heard(self, record: Received) -> None:
        """Fold one record of the topic, as everybody does: the table has a row for whatever comes, in any stage."""
        if record.topic != INCIDENTS or record.envelope.id in self._heard:
            return
        self._heard.add(record.envelope.id)
        before = self.stages.get(record.key, OPENED)
        type_, body = record.envelope.type, orjson.loads(record.body)
        row = variant(type_, body)
        total = before.stage in MOVES.get(row, ()) or before.stage in IGNORED.get(row, ((), ""))[0]
        assert total, f"{row} in stage {before.stage} is not in the table"
        self.stages[record.key] = advance(before, type_, body)
        self.story.append(f"{record.key} {type_} -> {self.stages[record.key].stage}")

    def open_questions(self) -> list[str]:
        """Return the approvals that may still be given."""
        return [one for one in self.questions if one not in self.over and one not in self.claimed.values()]

    def decided(self, store: MemoryStore, effects: Effects) -> None:
        """Look at what one transition caused."""
        assert store.dead == [], store.dead
        place = (store.rules.service, effects.aggregate)
        for _, entry, found in effects.audit:
            head = self._heads[place] = chain(self._heads.get(place, b""), entry)
            assert head == found, f"the audit chain of {place} is broken"
        if store.rules.service == "diagnoser":
            self._count(store)
        if store.rules.service == "executor":
            for row, headers in events_of(effects):
                if "ce_resend" not in headers:
                    self._said(headers["ce_type"].removesuffix(".v1"), orjson.loads(row.body), store.now)
            self._locks(store, effects)

    def _count(self, store: MemoryStore) -> None:
        for record in store.records:
            if record.table == "disposition":
                message, found = record.values["message_id"], record.values["disposition"]
                assert message not in self.dispositions, f"{message} is {self.dispositions[message]} and {found}"
                self.dispositions[message] = found
        store.records.clear()

    def _said(self, type_: str, body: Body, now: float) -> None:
        if type_ == "approval.requested":
            self.questions[body["approval_id"]] = body
        elif type_ in ("approval.rejected", "approval.expired", "approval.withdrawn", "approval.superseded"):
            self.over[body["approval_id"]] = type_
        elif type_ == "execution.started":
            self._claims(body, now)
        elif type_ == "step.started":
            self._intends(body)
        elif type_ == "step.reconciled" and body["outcome"] == "not_applied":
            self.settled[self.tokens[body["execution_id"], body["step_id"], body["rollback"]]] = True
        elif type_ == "execution.resumed" and body.get("decision_id"):
            self.settled |= {t: True for (execution, *_), t in self.tokens.items() if execution == body["execution_id"]}

    def _claims(self, body: Body, now: float) -> None:
        approval = body["approval_id"]
        question = self.questions[approval]
        ends = datetime.fromisoformat(question["expires_at"]).timestamp()
        assert now < ends, f"{approval} was claimed {now - ends:.0f} s after its end"
        assert approval not in self.over, f"{approval} was claimed after {self.over[approval]}"
        assert approval not in self.claimed.values(), f"{approval} was claimed twice"
        self.claimed[body["execution_id"]] = approval

    def _intends(self, body: Body) -> None:
        token, step = body["token"], (body["execution_id"], body["step_id"], body["rollback"])
        assert self.tokens.setdefault(step, token) == token, f"{step} has two tokens"
        assert self.settled.get(token, True), f"{step} is called again without proof that it was not applied"
        self.settled[token] = False
        self.intents[token] = self.intents.get(token, 0) + 1

    def sending(self, args: Mapping[str, Any]) -> None:
        """Bytes go out: an approval of exactly these bytes must stand behind them, signed by enough people."""
        question = self.questions[self.claimed[args["execution_id"]]]
        text = question["plan"]
        plan = read_plan(text, digest(text))
        step = next(one for one in plan.steps if one.id == args["step_id"])
        call = step.rollback if args["rollback"] else step
        assert call is not None
        assert (call.uses, call.target, dict(call.arguments)) == (args["verb"], args["target"], args["arguments"])
        people = {
            one.person
            for one in self.signed
            if one.verb == "approve"
            and one.subject == question["approval_id"]
            and one.plan_sha256 == digest(text)
            and (one.incident_id, one.environment) == (args["incident_id"], args["environment"])
        }
        assert len(people & self.approvers) >= question["needed"], f"{question['approval_id']} lacks signatures"

    def effects(self) -> None:
        """Check the ledger: one effect for each approved step, no more calls than intents."""
        for token, count in self.intents.items():
            arrived = [one for one in self.outside.ledger if one.token == token]
            assert sum(one.applied for one in arrived) <= 1, f"{token} was applied twice"
            assert len(arrived) <= count, f"{token}: {len(arrived)} calls for {count} intents"

    def _locks(self, store: MemoryStore, effects: Effects) -> None:
        for governor in store.aggregates("governor"):
            held = store.state(governor)
            ending = {m.body["execution"] for m in store.inbox(governor) if m.type == "execution.ended"}
            for target, lock in held["locks"].items() if held else ():
                execution = (store.state(f"incident/{lock['incident']}") or {}).get("execution")
                lives = execution and execution["id"] == lock["execution"] and execution["phase"] != "ended"
                assert lives or lock["execution"] in ending, f"{target} is held for {lock} after {effects.aggregate}"

    def at_the_end(self, diagnoser: MemoryStore, executor: MemoryStore, notifier: MemoryStore) -> None:
        """Faults are over and all is quiet: nothing is owed, nothing is missing, and all tell the same."""
        assert set(self.dispositions) == self.delivered
        for name in diagnoser.aggregates("incident"):
            incident, told = diagnoser.state(name), self.stages[name.partition("/")[2]].stage
            assert owed(incident["debts"]) == [], f"{name} still waits for {owed(incident['debts'])}"
            shown = notifier.state(name)["overview"]["incident"]["stage"]
            assert (incident["stage"], shown) == (told, told) or self.forgetful, name
        for name in executor.aggregates("incident"):
            execution = (executor.state(name) or {}).get("execution")
            assert execution is None or execution["phase"] in ("ended", "in_doubt"), f"{name}: {execution['phase']}"
