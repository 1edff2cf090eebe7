from __future__ import annotations

import uuid
from dataclasses import replace

from shared.bus.port import Lag, Subscription
from shared.events.envelope import EVENT_MAX
from shared.events.registry import EVENTS
from shared.store.model import Incoming
from shared.telemetry.metrics import IGNORED, IGNORED_FIELDS
from tests.contract.bus.conftest import TOPIC, MakeBus, MakeStore, ready, record, subscription, to_doc
from tests.support.kinds import eventually, log_of, logged


def ids(log: list[list[str]]) -> list[str]:
    return [entry[1] for entry in log]


async def test_the_order_of_a_key_is_kept(make_bus: MakeBus, make_store: MakeStore) -> None:
    store, bus = await make_store(), make_bus()
    bus.subscribe(subscription(store))
    await bus.start()
    for batch in range(4):
        found = [record(f"k{n % 5}", f"{batch}:{n:03}") for n in range(100)]
        assert await bus.append(found) == []
    for key in range(5):
        expected = [f"{batch}:{n:03}" for batch in range(4) for n in range(100) if n % 5 == key]
        assert ids(await logged(store, f"doc/k{key}", 80)) == expected


async def test_what_was_appended_before_a_reader_came_is_read(make_bus: MakeBus, make_store: MakeStore) -> None:
    writer = make_bus()
    await writer.start()
    await ready(writer)
    await writer.append([record("k", "e1"), record("k", "e2")])
    await writer.stop()
    store, bus = await make_store(), make_bus()
    bus.subscribe(subscription(store))
    await bus.start()
    assert ids(await logged(store, "doc/k", 2)) == ["e1", "e2"]


async def test_each_reader_gets_everything(make_bus: MakeBus, make_store: MakeStore) -> None:
    one, two, bus = await make_store("one"), await make_store("two"), make_bus()
    bus.subscribe(subscription(one, name="one"))
    bus.subscribe(subscription(two, name="two"))
    await bus.start()
    await bus.append([record("k", "e1")])
    assert ids(await logged(one, "doc/k", 1)) == ids(await logged(two, "doc/k", 1)) == ["e1"]


async def test_an_event_that_comes_twice_is_taken_once_and_a_resend_once_more(
    make_bus: MakeBus, make_store: MakeStore
) -> None:
    store, bus = await make_store(), make_bus()
    bus.subscribe(subscription(store))
    await bus.start()
    await bus.append([record("k", "e1"), record("k", "e1"), record("k", "e1", resend=1), record("k", "e2")])
    assert ids(await logged(store, "doc/k", 3)) == ["e1", "e1", "e2"]


async def test_a_restarted_reader_goes_on_where_it_was(make_bus: MakeBus, make_store: MakeStore) -> None:
    store, first = await make_store(), make_bus()
    first.subscribe(subscription(store))
    await first.start()
    await first.append([record("k", "e1")])
    await logged(store, "doc/k", 1)
    await first.stop()
    second = make_bus()
    second.subscribe(subscription(store))
    await second.start()
    await second.append([record("k", "e2")])
    assert ids(await logged(store, "doc/k", 2)) == ["e1", "e2"]


async def test_broken_headers_and_bodies_stop_nobody(make_bus: MakeBus, make_store: MakeStore) -> None:
    store, bus = await make_store(), make_bus()
    bus.subscribe(subscription(store))
    await bus.start()
    bad = [
        record("k", "")._replace(headers={}),
        record("k", "e1")._replace(headers={"ce_id": "e1", "ce_type": "\u00e9", "ce_resend": "many"}),
        record("k", "e2")._replace(body=b"\xff\x00 no json"),
        record("k", "e3")._replace(body=b""),
        record("k", "i" * 70_000)._replace(body=b"no json either, and an id that no dead letter has room for"),
    ]
    await bus.append([*bad, record("k", "last")])

    async def last_came() -> bool:
        return "last" in ids(await log_of(store, "doc/k"))

    await eventually(last_came)
    *others, _ = sorted((dead.id for dead in await store.dead()), key=lambda id_: "/" in id_)
    assert sorted(others) == ["e2", "e3"]


async def test_a_record_that_can_never_be_taken_is_named_and_holds_back_its_key(
    make_bus: MakeBus, make_store: MakeStore
) -> None:
    store, bus = await make_store(), make_bus()
    bus.subscribe(subscription(store))
    await bus.start()
    large = b'"' + b"x" * EVENT_MAX + b'"'
    batch = [
        record("a", "a1"),
        record("a", "a2", large),
        record("a", "a3"),
        record("b", "b1"),
        record("c", "c1", topic="x"),
    ]
    rejected = await bus.append(batch)
    assert [(r.index, r.reason.split(",")[0]) for r in rejected] == [
        (1, f"{EVENT_MAX + 2} bytes"),
        (2, "behind a rejected record of its key"),
        (4, "unknown topic 'x'"),
    ]
    assert ids(await logged(store, "doc/a", 1)) == ["a1"]
    assert ids(await logged(store, "doc/b", 1)) == ["b1"]


async def test_a_full_store_is_not_fed_until_it_has_room(make_bus: MakeBus, make_store: MakeStore) -> None:
    store = await make_store(start=False)
    await store.take([Incoming("doc/x", f"m{n}", "said", b"{}") for n in range(20)])
    bus = make_bus(high_water=10)
    bus.subscribe(subscription(store))
    bus.subscribe(subscription(store, name="urgent", topic="decisions.v1", above=True))
    await bus.start()
    await bus.append([record("k", "e1"), record("d", "d1", topic="decisions.v1")])

    async def decision_waits() -> bool:
        return store.waiting() == 21

    await eventually(decision_waits)
    await store.start()
    assert ids(await logged(store, "doc/d", 1)) == ["d1"]
    assert ids(await logged(store, "doc/k", 1)) == ["e1"]


async def test_what_waits_is_counted_until_it_is_taken(make_bus: MakeBus, make_store: MakeStore) -> None:
    store, bus = await make_store(start=False), make_bus(high_water=1)
    await store.take([Incoming("doc/x", "m", "said", b"{}")])
    bus.subscribe(subscription(store))
    await bus.start()
    await ready(bus)
    await bus.append([record("k", "e1"), record("m", "e2"), record("k", "e3")])

    async def three_wait() -> bool:
        [lag] = await bus.lags()
        return (lag.subscription, lag.records) == ("reader", 3) and lag.oldest_seconds > 0

    async def nothing_waits() -> bool:
        return await bus.lags() == [Lag("reader", 0, 0.0)]

    await eventually(three_wait)
    await store.start()
    await eventually(nothing_waits)
    assert ids(await logged(store, "doc/k", 2)) == ["e1", "e3"]


async def test_fields_and_types_that_nobody_knows_are_counted(make_bus: MakeBus, make_store: MakeStore) -> None:
    store, bus = await make_store(), make_bus()
    name = f"reader-{uuid.uuid4().hex}"
    bus.subscribe(Subscription(name, TOPIC, lambda r: to_doc(r) if r.envelope.type in EVENTS else None, store))
    await bus.start()
    newer = record("k", "e1")._replace(headers={**record("k", "e1").headers, "ce_type": "incident.sung.v1"})
    await bus.append([newer, record("k", "e2", b'{"text": "hello", "tune": "C", "key": "minor"}')])
    await logged(store, "doc/k", 1)

    assert IGNORED.labels(name, "unknown")._value.get() == 1
    assert IGNORED_FIELDS.labels(name)._value.get() == 2


async def test_a_record_keeps_its_envelope(make_bus: MakeBus, make_store: MakeStore) -> None:
    store, bus = await make_store(), make_bus()
    bus.subscribe(subscription(store))
    await bus.start()
    await bus.append([record("k", "e1", b'{"tell_meta": true}')])
    [[kind, event_id, meta]] = await logged(store, "doc/k", 1)
    assert (kind, event_id) == ("incident.noted", "e1")
    assert meta == {
        "environment": "live",
        "causation": "why",
        "source": "signoff/test",
        "time": "1970-01-01T00:00:00.000000Z",
        "subject": "k",
    }


async def test_people_can_watch_a_topic(make_bus: MakeBus) -> None:
    bus = make_bus()
    await bus.start()
    await ready(bus)
    await bus.append([record("k", "e1"), record("k", "x", topic="alerts.v1"), record("k", "e2")])
    seen = []
    async for received in bus.tail(TOPIC, from_start=True):
        seen.append(received.envelope.id)
        if len(seen) == 2:
            break
    assert seen == ["e1", "e2"]


async def test_what_a_service_does_not_act_on_is_passed_over(make_bus: MakeBus, make_store: MakeStore) -> None:
    store, bus = await make_store(), make_bus()
    plain = subscription(store)
    bus.subscribe(replace(plain, route=lambda r: None if r.envelope.id == "e1" else plain.route(r)))
    await bus.start()
    await bus.append([record("k", "e1"), record("k", "e2")])
    assert ids(await logged(store, "doc/k", 1)) == ["e2"]
