"""What becomes of deliveries in one environment."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import orjson
import pytest

from services.diagnoser.adapters.tables import DISPOSITION, TABLES
from services.diagnoser.domain.config import Config
from services.diagnoser.domain.correlation import Index, incident_id
from services.diagnoser.handlers.scope import Scope
from shared.events.deliveries import DeliveryNotAnAlert, DeliveryUnreadable
from shared.events.people import IncidentRequested
from shared.incident.enums import Severity
from shared.store.model import STATE_MAX
from shared.store.records import RecordWriter
from shared.store.sqlite.database import DIALECT
from shared.store.transition import Loaded, run
from shared.store.transition import Rules as StoreRules
from tests.unit.diagnoser.aggregates import NOW, Aggregate, message
from tests.unit.diagnoser.alerts import KEY, alert, delivery, time
from tests.unit.diagnoser.scopes import PERSON, RULES, ruling, told


@pytest.fixture
def scope() -> Aggregate:
    return Aggregate(Scope(), Config(rules=RULES, receipt_key=KEY))


def test_the_first_alert_opens_an_incident(scope: Aggregate) -> None:
    decision = scope.give(delivery("r1", alert()))

    disposition, incident = ruling(decision)
    assert disposition == "new_incident"
    assert incident is not None
    assert incident.startswith("INC-")
    assert told(decision) == [(f"incident/{incident}", "open")]
    assert decision.records[0].values["receipt"] == "r1"


def test_the_same_message_gives_the_same_incident_in_a_rerun() -> None:
    def run() -> str | None:
        return ruling(Aggregate(Scope(), Config(receipt_key=KEY)).give(delivery("r1", alert())))[1]

    assert run() == run()


def test_another_sighting_of_the_same_cycle_is_deduplicated(scope: Aggregate) -> None:
    _, incident = ruling(scope.give(delivery("r1", alert())))

    decision = scope.give(delivery("r2", alert(at=60, transition="Re-Triggered")))

    assert ruling(decision) == ("deduplicated", incident)
    assert decision.messages == []


def test_a_worse_sighting_of_the_same_cycle_tells_the_incident(scope: Aggregate) -> None:
    _, incident = ruling(scope.give(delivery("r1", alert())))

    decision = scope.give(delivery("r2", alert(at=60, severity=Severity.SEV1)))

    assert ruling(decision)[0] == "deduplicated"
    assert told(decision) == [(f"incident/{incident}", "worsened")]


def test_a_sighting_is_worse_than_its_own_cycle_however_bad_an_earlier_one_was(scope: Aggregate) -> None:
    scope.give(delivery("r1", alert(severity=Severity.SEV1)))
    scope.give(delivery("r2", alert(at=60, recovered=True, severity=Severity.SEV1)))
    _, incident = ruling(scope.give(delivery("r3", alert(at=120, cycle="c2", severity=Severity.SEV4))))

    decision = scope.give(delivery("r4", alert(at=180, cycle="c2", severity=Severity.SEV2)))

    assert told(decision) == [(f"incident/{incident}", "worsened")]


def test_the_same_delivery_twice_is_deduplicated_by_the_senders_key(scope: Aggregate) -> None:
    scope.give(delivery("r1", alert(), delivery_key="k"))

    assert ruling(scope.give(delivery("r2", alert(cycle="c2", at=9), delivery_key="k")))[0] == "deduplicated"


def test_a_senders_key_with_another_body_is_quarantined(scope: Aggregate) -> None:
    scope.give(delivery("r1", alert(), delivery_key="k"))

    decision = scope.give(delivery("r2", alert(cycle="c2", at=9), delivery_key="k", body_sha256="c" * 64))

    assert ruling(decision) == ("quarantined", None)
    assert decision.audit[0]["quarantined"] == "r2"


def test_the_messages_of_one_body_are_told_apart_under_one_key(scope: Aggregate) -> None:
    first = scope.give(delivery("r1/1", alert("cpu"), delivery_key="k"))
    second = scope.give(delivery("r1/2", alert("disk"), delivery_key="k"))

    assert [ruling(first)[0], ruling(second)[0]] == ["new_incident", "attached"]


@pytest.mark.parametrize(
    "body_sha256, disposition",
    [
        pytest.param("b" * 64, "deduplicated", id="the same body"),
        pytest.param("c" * 64, "quarantined", id="another body"),
    ],
)
def test_a_delivery_that_an_earlier_version_kept_under_a_digest_is_known(
    scope: Aggregate, body_sha256: str, disposition: str
) -> None:
    scope.give(delivery("r1", alert(), delivery_key="k", body_sha256="b" * 64))
    del scope.state["digests"]
    [name] = [name for name in scope.rows if name.startswith("delivery/")]
    digest = hashlib.sha256(b"datadog\x00k\x00").hexdigest()[:32]
    scope.rows[f"delivery/{digest}"] = scope.rows.pop(name)

    decision = scope.give(delivery("r2", alert(cycle="c2", at=9), delivery_key="k", body_sha256=body_sha256))

    assert ruling(decision)[0] == disposition


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("x" * 65, id="long"),
        pytest.param("a\nb", id="with a line break"),
        pytest.param("a\x00b", id="with a NUL"),
        pytest.param("\u00fc", id="not ASCII"),
    ],
)
def test_a_name_of_a_delivery_that_is_no_plain_word_is_kept_under_a_digest(scope: Aggregate, name: str) -> None:
    scope.give(delivery("r1", alert(), delivery_key=name))

    [row] = [row for row in scope.rows if row.startswith("delivery/")]
    assert re.fullmatch("delivery/[0-9a-f]{32}", row)
    assert ruling(scope.give(delivery("r2", alert(cycle="c2", at=9), delivery_key=name)))[0] == "deduplicated"


def test_names_of_deliveries_stay_apart_where_they_meet_the_number_of_a_message(scope: Aggregate) -> None:
    first = scope.give(delivery("r1/2", alert("cpu"), delivery_key="k"))
    second = scope.give(delivery("r2", alert("disk"), delivery_key="2/k"))

    assert [ruling(first)[0], ruling(second)[0]] == ["new_incident", "attached"]


@pytest.mark.parametrize(
    "second, disposition",
    [
        pytest.param({"services": ("shop",)}, "attached", id="the same service joins"),
        pytest.param({"services": ("pay",), "host": "h1"}, "attached", id="another service on the same host joins"),
        pytest.param({"services": ("pay",), "host": "h2"}, "new_incident", id="nothing in common opens another"),
        pytest.param({"at": 700.0}, "new_incident", id="the same service outside the window opens another"),
        pytest.param({"at": -500.0}, "attached", id="an older alert inside the window joins"),
    ],
)
def test_an_alert_joins_by_the_rules(scope: Aggregate, second: dict[str, Any], disposition: str) -> None:
    _, incident = ruling(scope.give(delivery("r1", alert(host="h1"))))

    decision = scope.give(delivery("r2", alert("mem", **second)))

    assert ruling(decision)[0] == disposition
    assert (ruling(decision)[1] == incident) == (disposition == "attached")


def test_an_alert_that_fits_two_incidents_joins_one_and_relates_them(scope: Aggregate) -> None:
    _, one = ruling(scope.give(delivery("r1", alert(services=("shop",)))))
    _, two = ruling(scope.give(delivery("r2", alert("disk", services=("pay",), host="h1"))))

    decision = scope.give(delivery("r3", alert("mem", 10, services=("shop",), host="h1")))

    assert told(decision) == [(f"incident/{one}", "related"), (f"incident/{one}", "attach")]
    assert decision.messages[0].body["incident"] == two


def test_a_refire_joins_its_own_incident(scope: Aggregate) -> None:
    _, incident = ruling(scope.give(delivery("r1", alert())))
    scope.give(delivery("r2", alert(at=60, recovered=True)))

    decision = scope.give(delivery("r3", alert(at=5000, cycle="c2")))

    assert ruling(decision) == ("attached", incident)


@pytest.mark.parametrize("later, disposition", [(1700.0, "attached"), (1900.0, "new_incident")])
def test_a_refire_within_reopen_within_reopens_the_incident(scope: Aggregate, later: float, disposition: str) -> None:
    _, incident = ruling(scope.give(delivery("r1", alert())))
    scope.give(delivery("r2", alert(at=60, recovered=True)))
    scope.give(message("c", "closed", {"incident": incident}))
    scope.now += later

    assert ruling(scope.give(delivery("r3", alert(at=90, cycle="c2"))))[0] == disposition


def test_another_alert_does_not_join_a_closed_incident(scope: Aggregate) -> None:
    _, incident = ruling(scope.give(delivery("r1", alert())))
    scope.give(message("c", "closed", {"incident": incident}))

    assert ruling(scope.give(delivery("r2", alert("mem"))))[0] == "new_incident"


def test_a_reopened_incident_takes_alerts_again(scope: Aggregate) -> None:
    _, incident = ruling(scope.give(delivery("r1", alert())))
    scope.give(message("c", "closed", {"incident": incident}))
    scope.give(message("o", "reopened", {"incident": incident}))

    assert ruling(scope.give(delivery("r2", alert("mem")))) == ("attached", incident)


def test_a_live_message_without_the_proof_of_ingest_is_quarantined(scope: Aggregate) -> None:
    forged = delivery("r1", alert(), environment="live", mac="0" * 64)

    assert ruling(scope.give(forged)) == ("quarantined", None)


def test_a_live_message_with_the_proof_counts(scope: Aggregate) -> None:
    assert ruling(scope.give(delivery("r1", alert(), environment="live")))[0] == "new_incident"


def test_a_test_notification_is_a_test(scope: Aggregate) -> None:
    assert ruling(scope.give(delivery("r1", alert(is_test=True)))) == ("test", None)


def envelope(message_id: str) -> dict[str, Any]:
    body: dict[str, Any] = delivery(message_id, alert()).body
    return {name: value for name, value in body.items() if name != "alert"}


@pytest.mark.parametrize(
    "type_, more, disposition",
    [
        pytest.param(DeliveryNotAnAlert.type, {"why": "note"}, "not_an_alert", id="a note is not an alert"),
        pytest.param(DeliveryNotAnAlert.type, {"why": "ping", "is_test": True}, "test", id="a ping is a test"),
        pytest.param(DeliveryUnreadable.type, {"why": "broken_json"}, "quarantined", id="broken JSON is quarantined"),
        pytest.param(DeliveryUnreadable.type, {}, "quarantined", id="an event without its fields is quarantined"),
    ],
)
def test_what_is_no_alert_has_a_disposition_too(
    scope: Aggregate, type_: str, more: dict[str, Any], disposition: str
) -> None:
    assert ruling(scope.give(message("m", type_, envelope("r1") | more))) == (disposition, None)


def test_a_message_that_can_never_be_decided_still_has_a_disposition(scope: Aggregate) -> None:
    assert ruling(scope.bury(delivery("r1", alert()))) == ("quarantined", None)
    assert scope.bury(message("m", "delivery.received", "no object")).records == []


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param({"receipt": {"a": 1}}, id="its receipt is no text"),
        pytest.param({"receipt": "r\x00"}, id="a NUL in its receipt"),
        pytest.param({"message_id": "r\x00"}, id="a NUL in its id"),
        pytest.param({"source": "s\x00"}, id="a NUL in its source"),
        pytest.param({"message_id": "".join(map(str, range(5000)))}, id="an id longer than an index takes"),
    ],
)
def test_a_record_that_is_no_delivery_is_quarantined_and_stops_nothing(broken: dict[str, Any]) -> None:
    prepare = RecordWriter(TABLES, DIALECT).prepare
    rules = StoreRules("diagnoser", {"scope": Scope()}, Config(rules=RULES, receipt_key=KEY), prepare=prepare)
    batch = [message("m1", "delivery.received", {"message_id": "r1", **broken}, environment="live")]

    effects = run(rules, Loaded("scope/live", 0, batch), batch, NOW)

    assert effects.parked is None
    assert [len(record.parameters) for record in effects.records] == [len(DISPOSITION.c)]
    assert all(len(value) <= 200 for record in effects.records for value in record.parameters if type(value) is str)


def test_every_delivery_decided_is_counted_once(scope: Aggregate) -> None:
    batch = [delivery("r1", alert()), delivery("r2", alert()), delivery("r3", alert("mem"))]

    decision = scope.give(*batch)

    assert len(decision.records) == scope.state["decided"] == 3


def test_an_incident_is_told_of_the_alerts_of_a_batch_at_once(scope: Aggregate) -> None:
    _, incident = ruling(scope.give(delivery("r1", alert())))

    decision = scope.give(delivery("r2", alert("mem")), delivery("r3", alert("disk")))

    [local] = decision.messages
    assert (local.aggregate, local.type) == (f"incident/{incident}", "attach")
    assert [one["message_id"] for one in local.body["alerts"]] == ["r2", "r3"]
    assert local.body["cause"] == "ingest/r3"


def test_what_an_incident_is_told_keeps_its_order_within_a_batch(scope: Aggregate) -> None:
    scope.give(delivery("r1", alert()))

    decision = scope.give(
        delivery("r2", alert("mem")),
        delivery("r3", alert("mem", at=5, recovered=True)),
        delivery("r4", alert("mem", at=9)),
        delivery("r5", alert("disk", at=9)),
    )

    told_of = [[one["message_id"] for one in local.body.get("alerts", ())] for local in decision.messages]
    assert [local.type for local in decision.messages] == ["attach", "recovered", "attach"]
    assert told_of == [["r2"], [], ["r4", "r5"]]


def test_many_alerts_are_told_in_several_messages_each_with_an_id_of_its_own(scope: Aggregate) -> None:
    scope.give(delivery("r", alert()))

    decision = scope.give(*(delivery(f"r{n}", alert(f"a{n}")) for n in range(120)))

    assert [len(local.body["alerts"]) for local in decision.messages] == [50, 50, 20]
    assert len({local.id for local in decision.messages}) == 3


def test_a_person_opens_an_incident(scope: Aggregate) -> None:
    request = IncidentRequested(
        request_id="q7", actor=PERSON, verb="open", arguments={"title": "Checkout is slow", "services": "shop"}
    )

    decision = scope.give(message("notifier/7", request.type, request.model_dump(mode="json")))

    [local] = decision.messages
    assert (local.type, local.body["alert"]["title"]) == ("open", "Checkout is slow")
    assert ruling(scope.give(delivery("r1", alert(at=NOW - 1_790_000_000.0))))[0] == "attached"


def test_beyond_the_limit_the_longest_quiet_incidents_take_no_more_alerts(scope: Aggregate) -> None:
    batch = [delivery(f"r{n}", alert(f"a{n}", float(n), services=(f"s{n}",))) for n in range(450)]

    scope.give(*batch)

    assert len(scope.state["incidents"]) == 400
    assert ruling(scope.give(delivery("x", alert("b", 449, services=("s449",)))))[0] == "attached"
    assert ruling(scope.give(delivery("y", alert("b2", 1, services=("s1",)))))[0] == "new_incident"


def test_incidents_as_an_earlier_version_kept_them_still_take_alerts(scope: Aggregate) -> None:
    keys = {"same_service": ["shop"], "same_host": ["h1", "h2"]}
    known = {"keys": keys, "first": time(0).timestamp(), "last": time(60).timestamp(), "closed": None}
    over = {"keys": {"same_service": ["pay"]}, "first": 1.0, "last": 2.0, "closed": 3.0}
    scope.state = {"environment": "sim:t", "incidents": {"INC-AAAAAAAAAA": known, "INC-BBBBBBBBBB": over}}

    joining = alert("mem", 30, services=("other",), host="h2")
    assert ruling(scope.give(delivery("r1", joining))) == ("attached", "INC-AAAAAAAAAA")

    assert ruling(scope.give(delivery("r2", alert("disk", 40)))) == ("attached", "INC-AAAAAAAAAA")
    kept = {"first": time(0).timestamp(), "last": time(60).timestamp(), "closed": None, "values": 4}
    assert scope.state["incidents"] == {"INC-AAAAAAAAAA": kept}


def test_an_incident_whose_alerts_say_nothing_a_rule_asks_for_is_kept_and_found_by_its_own_alert(
    scope: Aggregate,
) -> None:
    _, incident = ruling(scope.give(delivery("r1", alert(services=()))))

    assert ruling(scope.give(delivery("r2", alert("mem", services=()))))[0] == "new_incident"
    assert ruling(scope.give(delivery("r3", alert(at=90, cycle="c2", services=())))) == ("attached", incident)


def test_many_incidents_over_many_hosts_with_long_names_do_not_grow_the_state_without_end() -> None:
    index = Index(RULES.correlate, {}, {})
    for n in range(500):
        incident = incident_id("scope/t", f"r{n}")
        index.open(incident, {"same_service": ["s" * 300 + f"{n}"]}, float(n))
        for host in range(60):
            index.join(incident, {"same_host": ["h" * 300 + f"{n}-{host}"]}, float(n))
        index.drop(index.surplus())

    newest = [incident_id("scope/t", f"r{n}") for n in range(100, 500)]
    assert list(index.incidents) == newest
    assert {one for found in index.found.values() for one in found.split()} == set(newest)
    assert sum("same_service" in place for place in index.found) == len(newest)
    assert len(orjson.dumps([index.incidents, index.found])) < STATE_MAX * 0.8
