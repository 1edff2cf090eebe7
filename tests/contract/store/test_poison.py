from __future__ import annotations

from typing import Any

import orjson

from shared.store.model import Incoming
from shared.store.port import Store
from tests.contract.store.conftest import Opener
from tests.support.kinds import NOTES, eventually, log_of, logged, say


async def test_a_bad_message_is_dead_and_its_neighbours_are_decided_in_order(open_store: Opener) -> None:
    store = await open_store(start=False)
    batch = [say("doc/1", f"m{i:02}", fail="no") if i in {3, 7} else say("doc/1", f"m{i:02}") for i in range(20)]
    await store.take(batch)

    await store.start()

    log = await logged(store, "doc/1", 20)
    assert [entry[1] for entry in log] == [f"m{i:02}" for i in range(20)]
    assert [entry[1] for entry in log if entry[0] == "dead"] == ["m03", "m07"]
    assert [(d.id, d.reason) for d in await store.dead()] == [("m03", "ValueError: no"), ("m07", "ValueError: no")]


async def test_a_bad_message_changes_nothing_of_what_its_neighbours_cause(open_store: Opener) -> None:
    store = await open_store(start=False)
    await store.take(
        [
            say("doc/1", "a", events=[{"body": {"n": 1}}], audit=["one"], rows={"k": 1}),
            say("doc/1", "bad", events=[{"body": {"n": 2}}], rows={"k": 2}, fail="no"),
            say("doc/1", "b", events=[{"body": {"n": 3}}], audit=["two"], read=["k"]),
        ]
    )

    await store.start()

    assert (await logged(store, "doc/1", 3))[2] == ["said", "b", {"k": 1}]
    sent = [(row.id, row.topic, orjson.loads(row.body).get("n")) for row in await store.outbox()]
    assert sent == [
        ("thing/doc/1:1", "things.v1", 1),
        ("thing/doc/1:2", "dead-letters.v1", None),
        ("thing/doc/1:3", "things.v1", 3),
    ]
    assert len(await store.audit("doc/1")) == 2


async def test_a_dead_letter_says_what_and_why(store: Store) -> None:
    await store.take([Incoming("doc/1", "m", "said", b'{"fail":"no"}', {"environment": "sim:r"})])
    await logged(store, "doc/1", 1)

    (letter,) = await store.outbox()

    assert (letter.topic, letter.key, letter.headers["ce_environment"]) == ("dead-letters.v1", "doc/1", "sim:r")
    assert orjson.loads(letter.body) == {
        "service": "thing",
        "message_id": "m",
        "type": "said",
        "reason": "ValueError: no",
        "body": {"fail": "no"},
    }


async def test_a_bad_message_with_an_id_that_no_index_takes_is_dead_like_any_other(store: Store) -> None:
    long = "".join(chr(0x4E00 + number * 7919 % 20_000) for number in range(2_000))
    await store.take([Incoming("doc/1", long, "said", b"no json"), say("doc/1", "after")])

    assert [entry[0] for entry in await logged(store, "doc/1", 2)] == ["dead", "said"]

    (dead,) = await store.dead()
    assert long.startswith(dead.id)
    assert await store.requeue(dead.id)


async def test_a_body_too_large_for_a_letter_stays_where_it_is_kept(store: Store) -> None:
    await store.take([say("doc/1", "m", text="x" * 65_000, fail="no")])
    assert await logged(store, "doc/1", 1) == [["dead", "m", "ValueError"]]

    (letter,) = await store.outbox()
    assert orjson.loads(letter.body)["body"] is None
    (dead,) = await store.dead("m")
    assert len(dead.body) > 65_000


async def test_a_message_for_which_needs_raises_is_dead_and_the_others_get_their_rows(open_store: Opener) -> None:
    store = await open_store(start=False)
    await store.take(
        [
            say("doc/1", "a", rows={"k": 1}),
            say("doc/1", "bad", raise_in_needs=True),
            say("doc/1", "b", read=["k"]),
        ]
    )
    await store.start()
    await logged(store, "doc/1", 3)
    await store.take([say("doc/1", "bad2", raise_in_needs=True), say("doc/1", "c", read=["k"])])

    log = await logged(store, "doc/1", 5)

    assert log == [
        ["said", "a"],
        ["dead", "bad", "KeyError"],
        ["said", "b", {"k": 1}],
        ["dead", "bad2", "KeyError"],
        ["said", "c", {"k": 1}],
    ]


async def test_a_body_that_is_no_json_is_dead_as_it_came(store: Store) -> None:
    await store.take([Incoming("doc/1", "odd", "said", b"\xff not json"), say("doc/1", "b")])

    assert await logged(store, "doc/1", 2) == [["dead", "odd", "body is no JSON"], ["said", "b"]]
    assert [d.body for d in await store.dead("odd")] == [b"\xff not json"]


async def test_too_large_a_state_is_refused_and_the_old_one_kept(store: Store) -> None:
    await store.take([say("doc/1", "a"), say("doc/1", "big", pad=300_000), say("doc/1", "b")])

    log = await logged(store, "doc/1", 3)

    assert log == [["said", "a"], ["dead", "big", "ValueError"], ["said", "b"]]
    assert "pad" not in await store.state("doc/1")


async def test_too_large_an_event_is_refused(store: Store) -> None:
    await store.take([say("doc/1", "big", events=[{"body": {"text": "x" * 10_000 * 7}}]), say("doc/1", "b")])

    assert await logged(store, "doc/1", 2) == [["dead", "big", "ValueError"], ["said", "b"]]


async def test_what_no_database_could_write_is_refused_before_the_commit(store: Store) -> None:
    wrong: list[dict[str, Any]] = [
        {"rows": {"a\0b": 1}},
        {"locals": [["dog/1", "x", "t", {}]]},
        {"locals": [["doc/2", "x\0", "t", {}]]},
        {"records": [{"table": "nothing", "values": {"id": "1"}}]},
        {"records": [{"table": "note", "values": {"id": "1", "text": "x", "colour": "red"}}]},
        {"records": [{"table": "note", "values": {"id": "1"}}]},
        {"records": [{"table": "note", "values": {"id": "1", "text": None}}]},
        {"records": [{"table": "note", "values": {"id": "1", "text": 5}}]},
        {"records": [{"table": "note", "values": {"id": "1", "text": "x", "size": 2**63}}]},
        {"events": [{"body": {}, "key": "a\0"}]},
    ]

    await store.take([say("doc/1", f"m{i}", **do) for i, do in enumerate(wrong)])

    log = await logged(store, "doc/1", len(wrong))
    assert [entry[:2] for entry in log] == [["dead", f"m{i}"] for i in range(len(wrong))]
    assert await store.select(NOTES.select()) == []


async def test_an_aggregate_whose_on_dead_raises_is_parked_and_loses_nothing(open_store: Opener) -> None:
    store = await open_store(start=False)
    alarms: list[str] = []
    store.on_alarm(lambda reason, _: alarms.append(reason))
    await store.take([say("doc/1", "a"), say("doc/1", "bad", raise_on_dead=True, fail="no"), say("doc/1", "b")])
    await store.start()
    assert await logged(store, "doc/1", 1) == [["said", "a"]]

    await store.take([say("doc/1", "c"), say("doc/2", "other")])
    await logged(store, "doc/2", 1)

    assert await log_of(store, "doc/1") == [["said", "a"]]
    assert sorted(d.id for d in await store.dead()) == ["b", "bad", "c"]
    (bad,) = await store.dead("bad")
    assert "no" in bad.reason
    assert "on_dead fails too" in bad.reason
    assert alarms == ["aggregate_parked"]
    assert store.waiting() == 0


async def test_a_parked_aggregate_stays_parked_over_a_restart_until_requeue(open_store: Opener) -> None:
    store = await open_store()
    await store.take([say("doc/1", "bad", raise_on_dead=True, fail="no"), say("doc/1", "b")])

    async def parked() -> bool:
        return len(await store.dead()) == 2

    await eventually(parked)
    await store.close()

    again = await open_store(start=False)
    assert again.waiting() == 0
    assert len(await again.dead()) == 2
    assert await again.requeue("b") is True
    assert again.waiting() == 2
    assert await again.dead() == []


async def test_a_requeued_message_is_decided_again_at_the_end(open_store: Opener) -> None:
    store = await open_store()
    await store.take([say("doc/1", "bad", raise_in_needs=True), say("doc/1", "b")])
    await logged(store, "doc/1", 2)

    assert await store.requeue("bad") is True

    log = await logged(store, "doc/1", 3)
    assert log[2] == ["dead", "bad", "KeyError"]
    assert await store.requeue("nobody") is False
    assert [d.id for d in await store.dead()] == ["bad"]


async def test_a_timer_that_fails_is_dead_and_does_not_fire_again(store: Store) -> None:
    now = await store.now()
    # The body of a timer set by Script holds who set it; a timer without it makes `decide` raise.
    await store.take([say("doc/1", "a", timers={"t": now + 0.1}, timer_body_missing=True)])
    await logged(store, "doc/1", 1)

    async def dead() -> bool:
        return bool(await store.dead())

    await eventually(dead)
    (letter,) = await store.dead()
    assert (letter.type, letter.seq) == ("timer", 0)
    assert await store.requeue(letter.id) is True
    log = await logged(store, "doc/1", 3)
    assert [entry[0] for entry in log] == ["said", "dead", "dead"]
