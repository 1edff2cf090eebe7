"""Records of the bus become dispositions and incidents; what is said of an incident leads it to its end."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import orjson
import pytest

from services.notifier.adapters.peers import HTTPPeer
from services.notifier.handlers.caring import Care
from shared.bus.port import WireRecord
from shared.bus.topics import group
from shared.errors import NotFoundError, RefusedError
from shared.events.approvals import PlanRefused
from shared.events.deliveries import DeliveryNotAnAlert, DeliveryUnreadable
from shared.events.envelope import headers_of
from shared.events.payload import ALERTS
from shared.incident.alert import Alert
from shared.incident.enums import Severity
from shared.runtime.clock import wall
from shared.runtime.people import SAMPLE
from shared.telemetry.metrics import IGNORED
from tests.contract.diagnoser.conftest import TOKEN, Running, alert, receipt
from tests.support.kinds import eventually

T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)


def cpu(seconds: float = 0.0, **more: Any) -> Alert:  # noqa: ANN401 -- fields of an alert
    return alert("cpu", T0 + timedelta(seconds=seconds), **{"services": ("shop",), **more})


async def closed(running: Running, incident: str) -> None:
    """Return when an incident has closed."""

    async def is_closed() -> bool:
        return "incident.closed" in running.types(incident)

    await eventually(is_closed)


class TestDispositions:
    async def test_each_sighting_gets_one(self, running: Running) -> None:
        sightings = [
            (cpu(), "new_incident"),
            (cpu(1), "deduplicated"),
            (alert("memory", T0, services=("shop",)), "attached"),
            (alert("disk", T0, services=("other",)), "new_incident"),
            (cpu(2, is_test=True), "test"),
            (cpu(60, recovered=True), "recovered"),
        ]
        receipts = [await running.deliver(sighting) for sighting, _ in sightings]

        found = [await running.decided(one) for one in receipts]

        assert [one["disposition"] for one in found] == [expected for _, expected in sightings]
        assert found[0]["incident_id"] == found[1]["incident_id"] == found[2]["incident_id"]
        assert found[2]["reason"] == "same service: shop"
        assert found[0]["alerts"][0]["title"] == "cpu is high"
        assert found[0]["source"] == "datadog"
        assert datetime.fromisoformat(found[0]["received_at"]).tzinfo is not None

    async def test_what_is_no_alert_gets_one_too(self, running: Running) -> None:
        common = running.delivery(cpu()).model_dump(exclude={"alert", "delivery_key"})
        given: list[tuple[Any, str]] = [
            (DeliveryNotAnAlert(**common | {"receipt": receipt(71), "message_id": receipt(71)}, why="ping"), "ping"),
            (DeliveryUnreadable(**common | {"receipt": receipt(72), "message_id": receipt(72)}, why="empty"), "empty"),
        ]
        for event, _ in given:
            await running.say(event, event.message_id, f"ingest/{event.message_id}")

        found = [await running.decided(event.receipt) for event, _ in given]

        assert [(one["disposition"], one["alerts"]) for one in found] == [("not_an_alert", []), ("quarantined", [])]

    async def test_a_live_delivery_that_ingest_did_not_take_in_is_quarantined(self, running: Running) -> None:
        event = running.delivery(cpu(), environment="live").model_copy(update={"mac": "f" * 64})

        await running.say(event, "forged", f"ingest/{event.message_id}", "live")

        assert (await running.decided(event.receipt))["reason"] == "the proof of ingest does not fit"

    async def test_all_messages_of_one_body_are_listed_in_order(self, running: Running) -> None:
        whole = receipt(80)
        for number in range(1, 12):
            event = running.delivery(cpu(number))
            event = event.model_copy(update={"receipt": whole, "message_id": f"{whole}/{number}"})
            await running.say(event, event.alert.fingerprint, f"ingest/{event.message_id}")

        async def all_of_them() -> list[Any]:
            found: list[Any] = await running.get(f"/deliveries/{whole}")
            return found if len(found) == 11 else []

        found = await eventually(all_of_them)

        assert [one["receipt"] for one in found] == [f"{whole}/{number}" for number in range(1, 12)]
        [one] = await running.get(f"/deliveries/{whole}/10")
        assert one["disposition"] == "deduplicated"

    async def test_a_valid_receipt_is_in_flight_until_it_is_decided_an_invented_one_is_unknown(
        self, running: Running
    ) -> None:
        for waiting in (receipt(90), f"{receipt(90)}/2"):
            assert (await running.get(f"/deliveries/{waiting}")) == [
                {
                    "receipt": waiting,
                    "source": None,
                    "received_at": None,
                    "disposition": "in_flight",
                    "reason": None,
                    "incident_id": None,
                    "alerts": [],
                }
            ]
        for invented in (receipt(90, key="another key"), "nonsense", f"{receipt(90)[:-1]}~"):
            await running.get(f"/deliveries/{invented}", status=404)

    async def test_the_account_balances_and_counts_what_had_no_receipt(self, running: Running) -> None:
        last = [await running.deliver(cpu(number)) for number in range(20)][-1]
        headers = headers_of(
            running.delivery(cpu()).outgoing("x", environment=running.outside.environment),
            event_id="ingest/broken",
            source="signoff/ingest",
            now=wall(),
        )
        assert not await running.bus.append([WireRecord(ALERTS, "x", headers, b"[]")])
        await running.decided(last)

        async def settled() -> dict[str, Any] | None:
            found: dict[str, Any] = await running.get("/deliveries/account")
            is_settled = found["dead_without_receipt"] == 1 and not found["pending"] and not found["bus_lag"]
            return found if is_settled else None

        assert await eventually(settled) == {
            "inserts": 21,
            "dispositions": 20,
            "dead_without_receipt": 1,
            "pending": 0,
            "balanced": True,
            "kept": 20,
            "bus_lag": 0,
            "bus_oldest_seconds": 0.0,
        }
        [letter] = await running.get("/control/dead-letters")
        assert letter["service"] == "diagnoser"

    async def test_a_record_with_a_broken_environment_is_counted_and_left(self, running: Running) -> None:
        event = running.delivery(cpu())
        ignored = IGNORED.labels(group("diagnoser", ALERTS), event.type)._value
        before = ignored.get()
        for number, environment in enumerate(("sim:UPPER", "prod", "../etc", " ")):
            await running.say(event, "k", f"ingest/left-{number}", environment)

        async def counted() -> bool:
            return bool(ignored.get() == before + 4)

        await eventually(counted)
        assert (await running.get(f"/deliveries/{event.receipt}"))[0]["disposition"] == "in_flight"

    async def test_nothing_is_read_without_the_token(self, running: Running) -> None:
        await running.get("/deliveries/account", token="wrong", status=401)


class TestSilences:
    async def test_a_silence_suppresses_with_its_author_until_it_ends(self, running: Running) -> None:
        await running.silence({"service": "shop"})

        async def listed() -> list[Any]:
            found: list[Any] = await running.get("/silences")
            return found

        [silence] = await eventually(listed)
        assert (silence["author"], silence["reason"], silence["environment"]) == (
            "Pat",
            "planned work",
            running.outside.environment,
        )
        quiet = await running.decided(await running.deliver(cpu()))
        assert (quiet["disposition"], quiet["incident_id"]) == ("suppressed", None)
        assert quiet["reason"] == "silence sil-1 by Pat: planned work"
        other = await running.decided(await running.deliver(alert("disk", T0, services=("other",))))
        assert other["disposition"] == "new_incident"

        await running.silence({}, verb="end")

        async def ended() -> bool:
            return not await running.get("/silences")

        await eventually(ended)
        again = await running.decided(await running.deliver(cpu(5)))
        assert again["disposition"] == "new_incident"


class TestIncidents:
    async def test_one_closes_after_recovery_and_the_executors_last_word_and_is_summed_up(
        self, running: Running
    ) -> None:
        at = running.outside.now()
        firing = alert("cpu.percent", at, services=("storefront",), host="prod-web-03")
        incident = (await running.decided(await running.deliver(firing)))["incident_id"]
        made = await running.said("recommendation.made")
        over = alert("cpu.percent", at + timedelta(minutes=5), recovered=True, services=("storefront",))
        await running.deliver(over)
        await running.said("incident.source_recovered")
        assert "incident.closed" not in running.types()
        refused = PlanRefused(
            recommendation_id=made["recommendation_id"], runbook_id="restart-leaking-service", why="no_actuator"
        )

        await running.say(refused, incident, "executor/incident/x:1")

        summary = await running.said("summary.written")
        assert running.types(incident)[-2:] == ["incident.closed", "summary.written"]
        known = {envelope.id for envelope, _ in running.events()}
        assert all(set(sentence["cites"]) <= known for sentence in summary["sentences"])
        text = " ".join(sentence["text"] for sentence in summary["sentences"])
        assert "memory of prod-web-03 leaks" in text

    async def test_a_refire_reopens_and_is_looked_at_again(self, running: Running) -> None:
        incident = (await running.decided(await running.deliver(cpu())))["incident_id"]
        await running.said("diagnosis.inconclusive")
        await running.deliver(cpu(60, recovered=True))
        await closed(running, incident)

        again = await running.decided(await running.deliver(cpu(120, cycle="c2")))

        assert (again["disposition"], again["incident_id"]) == ("attached", incident)
        await running.said("incident.reopened")

    async def test_a_person_is_obeyed_or_refused_by_name(self, running: Running) -> None:
        incident = (await running.decided(await running.deliver(cpu())))["incident_id"]
        await running.said("diagnosis.inconclusive")
        await running.ask("acknowledge", incident)
        await running.ask("severity", incident, severity="sev4")
        await running.ask("close", incident)

        await closed(running, incident)

        assert (await running.said("incident.acknowledged"))["actor"]["id"] == "pat"
        assert (await running.said("incident.request_refused"))["verb"] == "severity"

    async def test_a_person_opens_one(self, running: Running) -> None:
        await running.ask("open", None, title="Checkout feels slow", services="shop", severity="sev1")

        opened = await running.said("incident.opened")

        assert (opened["title"], opened["severity"], opened["services"]) == (
            "Checkout feels slow",
            Severity.SEV1,
            ["shop"],
        )

    async def test_a_request_about_an_unknown_incident_is_a_dead_letter_that_can_be_put_back(
        self, running: Running
    ) -> None:
        event_id = await running.ask("close", "INC-NEVEROPENA")

        async def letters() -> list[Any]:
            found: list[Any] = await running.get("/control/dead-letters")
            return found

        [letter] = await eventually(letters)

        assert letter["message_id"] == event_id
        assert "no such incident" in letter["reason"]
        assert orjson.loads((await running.get(f"/control/dead-letters/{event_id}"))["body"])["verb"] == "close"

    async def test_environments_never_meet(self, running: Running) -> None:
        first = await running.decided(await running.deliver(cpu()))
        second = await running.decided(await running.deliver(cpu(), environment="sim:another"))

        assert second["disposition"] == "new_incident"
        assert first["incident_id"] != second["incident_id"]
        await running.said("incident.opened", 2)
        assert {e.environment for e, _ in running.events() if e.subject == second["incident_id"]} == {"sim:another"}


ORDERS = list(itertools.islice(itertools.permutations(range(5)), 0, 120, 17))


async def test_duplicates_and_reordering_end_in_the_same_state(running: Running) -> None:
    sightings = [
        cpu(0),
        cpu(60, recovered=True),
        cpu(90, cycle="c2"),
        alert("memory", T0 + timedelta(seconds=10), services=("shop",)),
        alert("memory", T0 + timedelta(seconds=100), services=("shop",), recovered=True),
    ]
    ends = []
    for number, order in enumerate(ORDERS):
        environment = f"sim:order-{number}"
        events = {place: running.delivery(sightings[place], environment=environment) for place in order}
        for place in (*order, *order[::-1]):
            event = events[place]
            await running.say(event, event.alert.fingerprint, f"ingest/{event.message_id}", environment)
        for event in events.values():
            await running.decided(event.receipt)
        ends.append(await _end(running, environment))

    assert ends == [ends[0]] * len(ORDERS)
    status = {f"alert/{sightings[0].fingerprint}": "firing", f"alert/{sightings[3].fingerprint}": "recovered"}
    assert ends[0]["incidents"] == [status]


async def _end(running: Running, environment: str) -> dict[str, Any]:
    """Return what is left of the sightings: cycles of each alert, and what each incident believes of its alerts."""

    async def settled() -> bool:
        return running.store.waiting() == 0

    await eventually(settled)
    scope = f"scope/{environment}"
    state = await running.store.state(scope)
    cycles = {
        key: {name: (cycle["fired"], cycle["recovered"]) for name, cycle in row["cycles"].items()}
        for key, row in (await running.store.rows(scope, "alert/")).items()
    }
    believed = []
    for incident in state["incidents"]:
        alerts = await running.store.rows(f"incident/{incident}", "alert/")
        believed.append({key: row["status"] for key, row in alerts.items()})
    return {"cycles": cycles, "incidents": believed}


async def test_the_notifier_reads_deliveries_accounts_silences_and_dead_letters(running: Running) -> None:
    client = httpx.AsyncClient(
        transport=httpx.ASGITransport(running.service.asgi),
        base_url="http://diagnoser",
        headers={"authorization": f"Bearer {TOKEN}"},
    )
    nobody = httpx.AsyncClient(transport=httpx.ASGITransport(_unknown), base_url="http://ingest")
    care = Care({"diagnoser": HTTPPeer("diagnoser", client), "ingest": HTTPPeer("ingest", nobody)}, SAMPLE)
    decided = await running.deliver(cpu())
    await running.decided(decided)

    assert (await care.delivery(decided))["disposition"] == "new_incident"
    assert (await care.delivery(receipt(99)))["disposition"] == "in_flight"
    with pytest.raises(NotFoundError):
        await care.delivery("invented")
    assert await care.silences() == []
    await client.aclose()
    await nobody.aclose()


@dataclass
class Visitor:
    """Who asks: only their name counts here."""

    person: str


async def test_a_key_that_is_parked_is_listed_and_a_responder_has_it_sent_again(running: Running) -> None:
    client = httpx.AsyncClient(
        transport=httpx.ASGITransport(running.service.asgi),
        base_url="http://diagnoser",
        headers={"authorization": f"Bearer {TOKEN}"},
    )
    care = Care({"diagnoser": HTTPPeer("diagnoser", client)}, SAMPLE)
    await running.store.park_key("incidents.v1", "INC-A/b", "too large")
    responder: Any = Visitor("sample-responder")
    stranger: Any = Visitor("nobody")

    [parked] = await care.parked_keys()
    assert (parked["service"], parked["topic"], parked["key"]) == ("diagnoser", "incidents.v1", "INC-A/b")
    assert parked["reason"] == "too large"
    with pytest.raises(RefusedError, match="nobody is no responder"):
        await care.release(stranger, "diagnoser", "incidents.v1", "INC-A/b")
    with pytest.raises(NotFoundError, match="no key 'INC-B' of"):
        await care.release(responder, "diagnoser", "incidents.v1", "INC-B")

    await care.release(responder, "diagnoser", "incidents.v1", "INC-A/b")

    assert await care.parked_keys() == []
    await client.aclose()


async def _unknown(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 -- ASGI
    del scope, receive
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})
