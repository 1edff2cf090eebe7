"""The state machine: rules that deliver, decide, break, stop, crash and turn clocks; the oracle looks at each step."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from itertools import count
from random import Random
from typing import Any, ClassVar

import orjson
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from services.notifier.handlers.answering import DECIDE, REQUEST, decision_id
from shared.events.people import DecisionSubmitted
from shared.incident.actor import Actor
from shared.runbooks.decision import SignedDecision, sign
from shared.runtime.clock import at
from shared.store.model import Incoming
from tests.resilience.model.house import House
from tests.unit.diagnoser.alerts import alert, delivery
from tests.unit.executor.story import KEY, STRANGER

SEEDS = st.integers(0, 2**32 - 1)
VERBS = ("reject", "withdraw", "cancel", "pause", "resume", "skip", "retry", "confirm")
PEOPLE = ("ann", "ann", "ann", "ben", "ben", "ben", "eve", "nobody")
JUMPS = (-3600.0, -2.0, 1.0, 3.0, 6.0, 61.0, 130.0, 700.0, 1900.0, 4000.0)
TEN_YEARS = 3653 * 86_400.0
WRONGS = ("", "", "", "", "", "", "", "key", "plan", "incident", "old", "ahead", "forged")
BREAKS = ("crash", "crash", "land", "read again", "read everything again", "pause relay", "resume relay")
CHAPTERS = ("granted", "granted", "granted", "asked", "asked", "new")


class Machine(RuleBasedStateMachine):
    """One life of the house. `steps` and `seen` count over all lives of a run."""

    steps: ClassVar[int] = 0
    seen: ClassVar[Counter[str]] = Counter()

    @initialize(environment=st.sampled_from(("sim:t", "live")), chapter=st.sampled_from(CHAPTERS), seed=SEEDS)
    def build(self, environment: str, chapter: str, seed: int) -> None:
        """Begin anew, or where the interesting part begins: with a question, or with the word of two people."""
        self.house = House(environment)
        self.numbers = count(1)
        self.said: list[dict[str, Any]] = []
        outside, chance = self.house.outside, Random(seed)
        outside.salt = seed
        if chapter == "new":
            return
        outside.gentle = True
        self.fire("cpu", "c1", 0)
        self.house.work(chance, 200)
        if chapter == "granted" and self.house.oracle.open_questions():
            [*_, asked] = self.house.oracle.open_questions()
            for person in ("ann", "ben"):
                self._decide("approve", person, "", asked)
            self.house.work(chance, chance.randrange(150))
        outside.gentle = False

    # The outside sends.
    @rule(name=st.sampled_from(("cpu", "mem")), cycle=st.sampled_from(("c1", "c2")), late=st.integers(0, 3))
    def fire(self, name: str, cycle: str, late: int) -> None:
        self._deliver(name, cycle, late, recovered=False)

    @precondition(lambda self: self.house.oracle.delivered)
    @rule(name=st.sampled_from(("cpu", "mem")), cycle=st.sampled_from(("c1", "c2")), late=st.integers(0, 3))
    def recover(self, name: str, cycle: str, late: int) -> None:
        self._deliver(name, cycle, late, recovered=True)

    def _deliver(self, name: str, cycle: str, late: int, *, recovered: bool) -> None:
        house, number = self.house, next(self.numbers)
        of = alert(name, 60.0 * number - 90.0 * late, recovered=recovered, cycle=cycle)
        message = delivery(f"r{number}", of, environment=house.environment)
        house.oracle.delivered.add(f"r{number}")
        headers = {"ce_id": message.id, "ce_type": f"{message.type}.v1", "ce_environment": house.environment}
        house.bus.append("alerts.v1", of.fingerprint, headers, orjson.dumps(message.body))

    # Everybody works.
    @rule(seed=SEEDS, steps=st.integers(1, 12))
    def work(self, seed: int, steps: int) -> None:
        self.house.work(Random(seed), steps)

    @rule(seed=SEEDS, seconds=st.sampled_from((0.0, 6.0, 61.0, 130.0)))
    def work_until_quiet(self, seed: int, seconds: float) -> None:
        self.house.clock.now += seconds
        self.house.work(Random(seed), 60)

    # People decide.
    @precondition(lambda self: self.house.oracle.open_questions())
    @rule(person=st.sampled_from(PEOPLE), wrong=st.sampled_from(WRONGS))
    def approve(self, person: str, wrong: str) -> None:
        self._decide("approve", person, wrong, self.house.oracle.open_questions()[-1])

    @precondition(lambda self: self.house.oracle.open_questions())
    @rule(person=st.sampled_from(PEOPLE))
    def reject(self, person: str) -> None:
        self._decide("reject", person, "", self.house.oracle.open_questions()[-1])

    @precondition(lambda self: self.house.oracle.questions)
    @rule(
        verb=st.sampled_from(VERBS),
        person=st.sampled_from(PEOPLE),
        wrong=st.sampled_from(WRONGS),
        back=st.sampled_from((0, 0, 0, 1)),
    )
    def decide(self, verb: str, person: str, wrong: str, back: int) -> None:
        questions = list(self.house.oracle.questions)
        self._decide(verb, person, wrong, questions[-1 - min(back, len(questions) - 1)])

    def _decide(self, verb: str, person: str, wrong: str, approval: str) -> None:
        body = self.house.oracle.questions[approval]
        on_approval = verb in ("approve", "reject", "withdraw")
        subject = approval if on_approval else approval.replace("apr-", "exe-")
        fields = {"incident_id": orjson.loads(body["plan"])["incident_id"], "plan_sha256": body["plan_sha256"]}
        said = self._sign(verb, person, wrong, subject=subject, **fields)
        self._submit(fields["incident_id"], said, forged=wrong == "forged")

    def _sign(self, verb: str, person: str, wrong: str, **fields: Any) -> dict[str, str]:  # noqa: ANN401 -- of SignedDecision
        house, nonce = self.house, f"{next(self.numbers):032x}"
        time = at(house.clock.now + {"old": -1200.0, "ahead": 300.0}.get(wrong, 0.0))
        fields |= {"plan": {"plan_sha256": "0" * 64}, "incident": {"incident_id": "INC-OTHER"}}.get(wrong, {})
        given = {
            "kid": "k1",
            "environment": house.environment,
            "verb": verb,
            "person": person,
            "via": "page:oidc",
            "authenticated_at": time - timedelta(seconds=60),
            "nonce": nonce,
            "time": time,
        }
        decision = SignedDecision.model_validate(given | fields)
        text, signature = sign(decision, STRANGER if wrong in ("key", "forged") else KEY)
        if wrong not in ("key", "forged", "old"):
            house.oracle.signed.append(decision)
        said = {"decision": text, "signature": signature, "nonce": nonce}
        self.said.append(said)
        return said

    def _submit(self, incident: str, said: dict[str, str], *, forged: bool) -> None:
        house = self.house
        if forged:
            body = orjson.dumps({"decision": said["decision"], "signature": said["signature"]})
            headers = {"ce_id": decision_id(said["nonce"]), "ce_type": f"{DecisionSubmitted.type}.v1"}
            headers |= {"ce_environment": house.environment, "ce_subject": incident}
            house.bus.append("decisions.v1", incident, headers, body)
            return
        command = Incoming(f"incident/{incident}", f"cmd/{next(self.numbers)}", DECIDE, orjson.dumps(said))
        house.notifier.take([command])

    @precondition(lambda self: self.said and self.house.notifier.aggregates("incident"))
    @rule(seed=SEEDS)
    def decide_the_same_again(self, seed: int) -> None:
        said = Random(seed).choice(self.said)
        incident = orjson.loads(said["decision"])["incident_id"]
        if f"incident/{incident}" in self.house.notifier.aggregates("incident"):
            self._submit(incident, said, forged=False)

    @precondition(lambda self: self.house.notifier.aggregates("incident"))
    @rule(
        seed=SEEDS,
        asked=st.sampled_from(
            (
                {"verb": "close"},
                {"verb": "reopen"},
                {"verb": "acknowledge"},
                {"verdict": "right"},
                {"verdict": "wrong"},
                {"text": "why?"},
            )
        ),
    )
    def request(self, seed: int, asked: dict[str, str]) -> None:
        name = Random(seed).choice(self.house.notifier.aggregates("incident"))
        number = f"q{next(self.numbers)}"
        actor = Actor(kind="person", id="ann", name="Ann").model_dump(mode="json")
        payload = {"request_id": number, "actor": actor, "incident_id": name.partition("/")[2], **asked}
        kinds = {"verb": "incident.requested", "verdict": "feedback.given", "text": "question.asked"}
        body = {"type": kinds[next(iter(asked))], "payload": payload}
        self.house.notifier.take([Incoming(name, f"cmd/{number}", REQUEST, orjson.dumps(body))])

    @rule(verb=st.sampled_from(("freeze", "unfreeze", "unfreeze")))
    def freeze(self, verb: str) -> None:
        self._freeze(verb)

    def _freeze(self, verb: str) -> None:
        house = self.house
        signed = self._sign(verb, "ann", "", subject=house.environment, incident_id="", plan_sha256=None)
        self.said.pop()
        body = orjson.dumps({"environment": house.environment, **signed})
        governor, message_id = f"governor/{house.environment}", f"control/{next(self.numbers)}"
        house.executor.take([Incoming(governor, message_id, "control.freeze", body)])

    # Things break.
    @rule(seed=SEEDS, which=st.integers(0, 2), how=st.sampled_from(BREAKS))
    def go_wrong(self, seed: int, which: int, how: str) -> None:
        house, chance = self.house, Random(seed)
        store = house.stores[which]
        match how:
            case "crash":
                house.crash(store, chance)
            case "land":
                house.land(chance)
            case "read again":
                house.bus.rewind(chance)
            case "read everything again":
                house.bus.rewind(chance, service=store.rules.service, whole=True)
            case "pause relay":
                house.pause_relay(store)
            case _:
                house.resume_relay()

    @precondition(lambda self: self.house.calls())
    @rule(seed=SEEDS, seconds=st.sampled_from((0.0, 61.0, 130.0)), how=st.sampled_from(("pause", "crash")))
    def stop_in_a_call(self, seed: int, seconds: float, how: str) -> None:
        """A process stands still, or ends, with a call in its hands."""
        if how == "crash":
            self.house.crash(self.house.executor, Random(seed))
        for run in self.house.calls():
            run.paused = True
        self.house.clock.now += seconds

    @precondition(lambda self: any(run.paused for run in self.house.runs))
    @rule()
    def resume_workers(self) -> None:
        for run in self.house.runs:
            run.paused = False

    @rule(seconds=st.sampled_from(JUMPS))
    def wait(self, seconds: float) -> None:
        self.house.clock.now += seconds

    @precondition(lambda self: self.house.oracle.questions)
    @rule(before=st.sampled_from((4.0, 1.0, -1.0)), seed=SEEDS, steps=st.integers(0, 12))
    def wait_for_an_end(self, before: float, seed: int, steps: int) -> None:
        """Come close to the instant at which the newest question ends, and let a little happen."""
        body = list(self.house.oracle.questions.values())[-1]
        ends = datetime.fromisoformat(body["expires_at"]).timestamp()
        self.house.clock.now = max(self.house.clock.now, ends - before)
        self.house.work(Random(seed), steps)

    @invariant()
    def effects_follow_approvals(self) -> None:
        if hasattr(self, "house"):
            Machine.steps += 1
            self.house.oracle.effects()

    def teardown(self) -> None:
        """Faults end: all must come to rest, with every debt paid."""
        if not hasattr(self, "house"):
            return
        oracle = self.house.oracle
        self._freeze("unfreeze")
        try:
            self.house.calm(Random(0))
        except AssertionError as error:
            error.add_note("\n".join(["What was said:", *oracle.story]))
            raise
        types = (line.split()[1] for line in oracle.story)
        Machine.seen.update(types)
        Machine.seen["calls"] += len(oracle.outside.ledger)
        Machine.seen["effects"] += sum(one.applied for one in oracle.outside.ledger)


class FarMachine(Machine):
    """A house whose clocks may jump ahead by ten years, once in its life, as where a battery was empty.

    What is remembered for weeks is forgotten then, so that a copy on its way is news: stages may differ, effects not.
    """

    @precondition(lambda self: not self.house.oracle.forgetful)
    @rule()
    def wait_ten_years(self) -> None:
        self.house.clock.now += TEN_YEARS
        self.house.oracle.forgetful = True
