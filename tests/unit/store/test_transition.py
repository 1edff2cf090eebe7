from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import ConfigurationError
from shared.events.envelope import EVENT_MAX, Outgoing
from shared.store.model import JSON, STATE_MAX, TIMER, Activity, Decision, Lane, Message, Row, Timer
from shared.store.transition import Dead, Effects, Loaded, Rules, batch_of, chain, needs_of, run
from tests.support.kinds import KINDS

NOW = 1_000_000.0
RULES = Rules("thing", {kind.name: kind for kind in KINDS}, config={"c": 1}, config_sha256="abc")


def told(seq: int, **do: JSON) -> Message:
    return Message(seq, f"m{seq}", "said", do)


def loaded(*messages: Message, **more: JSON) -> Loaded:
    return Loaded("doc/1", messages[0].seq - 1 if messages else 0, list(messages), **more)


def decide(at: Loaded, now: float = NOW) -> Effects:
    batch = batch_of(at, now)
    needs_of(RULES, at, batch)
    return run(RULES, at, batch, now)


def log(effects: Effects) -> list[JSON]:
    return list(orjson.loads(effects.state)["log"])


def test_a_batch_is_what_waits_and_then_the_timers_that_are_due() -> None:
    at = loaded(told(4), timers={"b": (NOW, 1), "a": (NOW, 2), "early": (NOW - 5, 3), "later": (NOW + 0.001, 4)})

    batch = batch_of(at, NOW)

    assert [(m.seq, m.type, m.body.get("name")) for m in batch] == [
        (4, "said", None),
        (0, TIMER, "early"),
        (0, TIMER, "a"),
        (0, TIMER, "b"),
    ]
    assert len({m.id for m in batch}) == 4


def test_a_fired_timer_is_gone_and_the_others_stay() -> None:
    at = loaded(told(1), timers={"t": (NOW - 1, {"set_by": "x"}), "later": (NOW + 9, None)})

    effects = decide(at)

    assert effects.timers == {"later": (NOW + 9, None)}
    assert effects.next_timer == NOW + 9
    assert orjson.loads(effects.timers_json) == {"later": [NOW + 9, None]}


def test_a_timer_set_again_while_it_fires_stays_set() -> None:
    at = loaded(told(1, timers={"t": 7}), timers={"t": (NOW - 1, {"set_by": "x"})})

    assert decide(at).timers == {"t": (NOW + 7, {"set_by": "m1"})}


def test_a_timer_that_was_dead_and_requeued_does_not_cancel_the_one_that_is_set_now() -> None:
    requeued = Message(5, "doc/1!t@1", TIMER, {"name": "t", "body": {"set_by": "old"}})
    at = loaded(requeued, timers={"t": (NOW + 50, {"set_by": "new"})})

    effects = decide(at)

    assert effects.timers == {"t": (NOW + 50, {"set_by": "new"})}
    assert effects.done == 5


@given(bad=st.lists(st.booleans(), min_size=1, max_size=12))
def test_whatever_fails_the_others_are_decided_as_if_alone(bad: list[bool]) -> None:
    messages = [told(i + 1, events=[{}], audit=[i], **({"fail": "no"} if fails else {})) for i, fails in enumerate(bad)]

    effects = decide(loaded(*messages))

    assert [entry[1] for entry in log(effects)] == [m.id for m in messages]
    assert [dead.message.seq for dead in effects.dead] == [i + 1 for i, fails in enumerate(bad) if fails]
    assert [event.id for event in effects.outbox] == [f"thing/doc/1:{i + 1}" for i in range(len(bad))]
    assert effects.audit_seq == bad.count(False)
    assert effects.done == len(bad)


@given(cut=st.integers(min_value=1, max_value=5))
def test_where_a_batch_is_cut_changes_nothing_of_what_is_sent(cut: int) -> None:
    messages = [told(i + 1, events=[{"body": {"n": i}}], timers={f"t{i}": 5}) for i in range(6)]
    whole = decide(loaded(*messages))

    first = decide(loaded(*messages[:cut]))
    second = decide(
        loaded(*messages[cut:], state=first.state, out_seq=first.out_seq, version=first.version, timers=first.timers)
    )

    assert [*first.outbox, *second.outbox] == whole.outbox
    assert (second.state, second.timers, second.done) == (whole.state, whole.timers, whole.done)


def test_a_batch_decided_again_gives_the_same() -> None:
    messages = [told(i + 1, events=[{}], audit=[i], locals=[["gate/1", f"x{i}", "t", {}]]) for i in range(3)]

    assert decide(loaded(*messages)) == decide(loaded(*messages))


def test_rows_written_by_one_message_are_seen_by_the_next_also_after_a_failure() -> None:
    at = loaded(told(1, rows={"k": 1}), told(2, fail="no"), told(3, read=["k"]), rows={})

    assert log(decide(at))[2] == ["said", "m3", {"k": 1}]


def test_parking_keeps_what_came_before_and_leaves_the_rest() -> None:
    at = loaded(told(1, events=[{}]), told(2, fail="no", raise_on_dead=True), told(3))

    effects = decide(at)

    assert effects.done == 1
    assert len(effects.outbox) == 1
    assert effects.parked is not None
    assert effects.parked.message.id == "m2"
    assert effects.parked.reason == "ValueError: no; on_dead: RuntimeError: on_dead fails too"
    assert effects.dead == []


def test_an_aggregate_parked_by_its_first_message_has_no_state() -> None:
    effects = decide(loaded(told(1, fail="no", raise_on_dead=True)))

    assert (effects.state, effects.version, effects.done) == (b"null", 0, 0)


def test_a_message_known_to_be_broken_is_never_decided() -> None:
    at = loaded(told(1), told(2), told(3))
    at.broken[2, "m2"] = "body is no JSON"

    effects = decide(at)

    assert effects.dead == [Dead(at.messages[1], "body is no JSON")]
    assert [entry[:2] for entry in log(effects)] == [["said", "m1"], ["dead", "m2"], ["said", "m3"]]


def test_a_message_for_which_needs_raises_takes_no_rows_from_the_others() -> None:
    at = loaded(told(1, read=["a"]), told(2, raise_in_needs=True), told(3, read=["b"]))

    assert set(needs_of(RULES, at, at.messages)) == {"a", "b"}
    assert at.broken == {(2, "m2"): "KeyError: 'needs'"}


class Returning:
    """A kind that returns what it was made with."""

    name = "doc"
    lane = Lane.NORMAL

    def __init__(self, decision: Decision) -> None:
        self._decision = decision

    def needs(self, state: JSON, messages: Sequence[Message]) -> Collection[str]:
        del state, messages
        return ()

    def decide(
        self, config: JSON, state: JSON, rows: Mapping[str, JSON], messages: Sequence[Message], now: float
    ) -> Decision:
        del config, state, rows, messages, now
        return self._decision

    def on_dead(self, state: JSON, message: Message, reason: str) -> Decision:
        del message
        return Decision({"was": state, "reason": reason})


@pytest.mark.parametrize(
    "decision,reason",
    [
        (Decision("x" * STATE_MAX), "state of doc/1 has 262146 bytes, more than 262144"),
        (Decision({1, 2}), "Type is not JSON serializable: set"),
        (Decision(None, rows={"k": Row({1})}), "Type is not JSON serializable: set"),
        (Decision(None, rows={"\0": Row(1)}), "text with a NUL character"),
        (Decision(None, timers={"t": Timer(float("nan"))}), "timer t of doc/1 is due at nan"),
        (Decision(None, timers={"t": Timer(1.0, {1})}), "Type is not JSON serializable: set"),
        (Decision(None, activities=[Activity("a", "n", {1})]), "Type is not JSON serializable: set"),
        (Decision(None, replies={"m1": {1}}), "Type is not JSON serializable: set"),
        (Decision(None, audit=[{1}]), "Type is not JSON serializable: set"),
        (
            Decision(None, events=[Outgoing("t", "k", "y", {"x": "x" * EVENT_MAX}, "live")]),
            "event y of doc/1 has 65544 bytes, more than 65536",
        ),
        (Decision(None, events=[Outgoing("t", "\ud800", "y", {}, "live")]), "surrogates not allowed"),
    ],
)
def test_what_cannot_be_written_is_found_before_the_commit(decision: Decision, reason: str) -> None:
    rules = Rules("thing", {"doc": Returning(decision)})
    at = loaded(told(1))

    effects = run(rules, at, batch_of(at, NOW), NOW)

    assert reason in effects.dead[0].reason
    assert orjson.loads(effects.state)["was"] is None


def test_a_reason_is_text_that_every_database_takes() -> None:
    effects = decide(loaded(told(1, fail="a\0b" + "x" * 900)))

    reason = effects.dead[0].reason
    assert reason.startswith("ValueError: a\ufffdbx")
    assert len(reason) == 500


def test_an_audit_entry_says_what_it_followed_from() -> None:
    effects = decide(loaded(told(1, audit=[{"approved": True}])))

    ((seq, entry, digest),) = effects.audit
    assert seq == 1
    assert orjson.loads(entry) == {"at": NOW, "config": "abc", "messages": ["m1"], "entry": {"approved": True}}
    assert digest == chain(b"", entry) == effects.audit_head


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(ConfigurationError, match="thing has no kind of aggregate for 'cat/1'; it has: doc, gate"):
        RULES.kind_of("cat/1")
