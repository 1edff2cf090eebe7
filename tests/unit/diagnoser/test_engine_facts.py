from __future__ import annotations

from typing import Any

import pytest

from services.diagnoser.domain.case import read_case
from services.diagnoser.engines.offline.engine import diagnose
from services.diagnoser.engines.offline.facts import workload
from services.diagnoser.engines.offline.scene import Scene, scene_of
from shared.incident.diagnosis import DiagnosticResult
from tests.support.cases import NOW, case, lines, step
from tests.support.catalogue import load_catalogue

CATALOGUE = load_catalogue()


def scene(**raw: object) -> Scene:
    return scene_of(read_case(case() | {"raw": raw}))


def state(kind: str, **fields: object) -> list[dict[str, object]]:
    return [{"at": NOW, "entity": "shop", "kind": kind, **fields}]


def concluded(**more: Any) -> DiagnosticResult:  # noqa: ANN401 -- fields of a case
    return diagnose(read_case({"schema": "rca-case/1", **more}), CATALOGUE).result


@pytest.mark.parametrize(
    "kind, fields, fact, is_bad",
    [
        pytest.param(
            "pool", {"to": "db", "used": 40, "max": 40}, "pool_exhausted", True, id="a pool with nothing left"
        ),
        pytest.param("pool", {"to": "db", "used": 4, "max": 40}, "pool_exhausted", False, id="a pool with room"),
        pytest.param(
            "tls", {"leaf_not_after": NOW - 60}, "certificate_expired", True, id="a certificate that has ended"
        ),
        pytest.param("tls", {"leaf_not_after": NOW + 60}, "certificate_expired", False, id="one that is valid"),
        pytest.param(
            "tls",
            {"leaf_not_after": NOW + 60, "issuer_not_after": NOW - 60},
            "certificate_expired",
            True,
            id="one whose issuer's has ended",
        ),
        pytest.param("ntp", {"synchronised": True, "offset_ms": 4000}, "clock_off", True, id="a clock that is off"),
        pytest.param("ntp", {"synchronised": True, "offset_ms": 2}, "clock_off", False, id="a clock that is right"),
        pytest.param("disk", {"used_pct": 99}, "disk_full", True, id="a full disk"),
        pytest.param("ports", {"ephemeral_used": 9, "ephemeral_limit": 28}, "ports_exhausted", False, id="ports left"),
        pytest.param("quota", {"used_per_min": 60, "limit_per_min": 60}, "quota_exhausted", True, id="a used-up quota"),
        pytest.param("runtime", {"pods": 3, "ready": 2}, "pods_not_ready", True, id="an instance that is not ready"),
        pytest.param("instance", {"state": "available"}, "instance_down", False, id="an instance that is there"),
        pytest.param("backup", {"state": "running"}, "backup_running", True, id="a backup that runs"),
    ],
)
def test_a_state_is_bad_or_fine_by_its_own_fields(
    kind: str, fields: dict[str, object], fact: str, *, is_bad: bool
) -> None:
    found = {one.kind: one for one in scene(state=state(kind, **fields)).facts}
    assert (found[fact].is_bad, found[fact].is_current, found[fact].entity) == (is_bad, True, "shop")


@pytest.mark.parametrize("broken", [None, 3, "text", [None, 7, {}], [{"kind": "pool"}], [{"kind": "tls", "at": "x"}]])
def test_a_broken_fact_is_as_good_as_none(broken: object) -> None:
    assert [fact for fact in scene(state=broken, pods=broken, events=broken).facts if fact.counts] == []


def event(minute: float, title: str, kind: str = "node") -> dict[str, object]:
    return {"id": "e", "at": NOW + minute * 60, "kind": kind, "entity": "web-a", "title": title}


@pytest.mark.parametrize(
    "events, counts",
    [
        pytest.param([event(-5, "node not ready")], True, id="lately, and no word since"),
        pytest.param([event(-200, "node not ready")], False, id="hours ago"),
        pytest.param([event(-9, "node not ready"), event(-4, "node ready, recovered")], False, id="since taken back"),
        pytest.param([event(-9, "node ready, recovered"), event(-4, "node not ready")], True, id="again since"),
        pytest.param([event(30, "node not ready")], False, id="only after what is known"),
    ],
)
def test_an_event_counts_until_it_is_over(events: list[dict[str, object]], *, counts: bool) -> None:
    found = scene_of(read_case(case() | {"events": events})).facts
    assert any(fact.counts and fact.kind == "node_down" for fact in found) is counts


def pod(name: str, *, ready: bool, **waiting: str) -> dict[str, Any]:
    container = {"name": "c", "ready": ready, "restart_count": 0, "state": {"waiting": not ready, **waiting}}
    return {"name": name, "phase": "Running" if ready else "Pending", "containers": [container], "conditions": []}


def test_output_of_a_tool_is_read_by_its_shape() -> None:
    result = concluded(
        alerts=[{"title": "pods pending", "state": "alerting", "commonLabels": {"service": "cart"}}],
        raw={
            "any_name": {"items": [pod("cart-5d5f7c9d8-x2x4z", ready=False, reason="ImagePullBackOff")]},
            "other": [
                {"reason": "Failed", "message": "Failed to pull image", "involved_object": "Pod/cart-5d5f7c9d8-x2x4z"}
            ],
        },
    )
    assert (result.status, result.causes[0].cause, result.causes[0].entity) == (
        "diagnosed",
        "deployment.image_missing",
        "cart",
    )


def test_a_warning_about_an_instance_that_is_ready_now_is_history() -> None:
    result = concluded(
        alerts=[{"title": "restarted", "state": "alerting", "commonLabels": {"service": "cart"}}],
        raw={
            "pods": {"pods": [pod("cart-5d5f7c9d8-x2x4z", ready=True)]},
            "events": [
                {"reason": "BackOff", "message": "Back-off restarting", "involved_object": "Pod/cart-5d5f7c9d8-x2x4z"}
            ],
        },
    )
    assert result.status == "no_active_fault"
    assert result.findings


def test_log_lines_in_the_output_of_a_tool_are_lines_of_the_case() -> None:
    told = [{"timestamp": NOW, "message": "name resolution failed", "status": "error", "service": "shop"}]
    assert [shape.template for shape in scene(logs_of_some_tool=told).surging] == ["name resolution failed"]


@pytest.mark.parametrize(
    "pod, name",
    [("cart-5d5f7c9d8-x2x4z", "cart"), ("Pod/cart-5d5f7c9d8-x2x4z", "cart"), ("cart", "cart"), ("web-a", "web-a")],
)
def test_an_instance_belongs_to_its_workload(pod: str, name: str) -> None:
    assert workload(pod) == name


def test_a_fact_outweighs_text_that_says_the_opposite() -> None:
    told = lines("shop", "could not acquire connection from pool {n}", 60, level="error")
    broken = case({"shop/error_pct": step(20.0, -14)}, logs=told)
    fine = broken | {"raw": {"state": state("pool", to="store-db", used=3, max=40)}}
    empty = broken | {"raw": {"state": state("pool", to="store-db", used=40, max=40)}}
    first = diagnose(read_case(fine), CATALOGUE).result
    assert "saturation.connection_pool" not in {cause.cause for cause in first.causes}
    second = diagnose(read_case(empty), CATALOGUE)
    assert second.result.causes[0].cause == "saturation.connection_pool"
    assert {e.kind for e in second.evidence if e.id in second.result.causes[0].cites} >= {"state", "log"}


def test_where_only_text_names_the_cause_confidence_stays_low() -> None:
    told = lines("shop", "could not acquire connection from pool {n}", 60, level="error")
    result = diagnose(read_case(case({"shop/error_pct": step(20.0, -14)}, logs=told)), CATALOGUE).result
    assert result.causes[0].cause == "saturation.connection_pool"
    assert result.confidence <= 0.7


@pytest.mark.parametrize(
    "title, kind",
    [
        pytest.param("DB instance ran out of storage space", "disk_full", id="a database without room"),
        pytest.param("Free storage space is getting low: 7 GB", "disk_full", id="little room"),
        pytest.param("the store has 498 connections, the maximum is 500", "connections_exhausted", id="near the limit"),
        pytest.param("New connections may be refused", "connections_exhausted", id="connections are refused"),
        pytest.param("connection refused by the store", "", id="a refused call is no limit"),
        pytest.param("serviceaccount web not found", "config_missing", id="an identity that is not there"),
    ],
)
def test_events_of_stores_and_clusters_are_understood(title: str, kind: str) -> None:
    found = scene_of(read_case(case() | {"events": [event(-5, title, "notice")]})).facts
    assert [fact.kind for fact in found if fact.counts] == ([kind] if kind else [])


def test_what_has_changed_over_has_not_gone_back_when_that_is_complete() -> None:
    found = scene_of(read_case(case() | {"events": [event(-5, "failover completed", "notice")]})).facts
    assert [(fact.kind, fact.counts) for fact in found] == [("failed_over", True)]


def test_a_statement_that_waits_for_its_client_dominates_nothing() -> None:
    def load(waits: str) -> dict[str, Any]:
        heavy = {"db_load_avg": 5.0, "wait_events": [{"type": waits, "db_load_avg": 4.8}]}
        return {"db_instance_identifier": "shop", "top_sql": [heavy, {"db_load_avg": 1.0, "wait_events": []}]}

    for waits, dominates in (("Client", False), ("IO", True)):
        found = scene(insights=load(waits)).facts
        assert [fact.counts for fact in found if fact.kind == "dominant_statement"] == [dominates]
