from __future__ import annotations

from collections.abc import Mapping

from services.diagnoser.domain.case import read_case
from services.diagnoser.engines.offline.scene import scene_of
from services.diagnoser.engines.offline.weighing import Hypothesis, hypotheses
from tests.support.cases import Curve, case, flat, lines, ramp, series, step
from tests.support.catalogue import load_catalogue


def judged(value: Mapping[str, object]) -> list[Hypothesis]:
    return hypotheses(scene_of(read_case(value)), load_catalogue())


def test_of_one_cause_at_several_places_the_place_where_trouble_starts_comes_first() -> None:
    curves: dict[str, Curve] = {"edge": step(40.0, -20), "store": step(9000.0, -20), "mail": step(60.0, -20)}
    names = ("edge", "mail", "store")
    value = {
        "alerts": [{"entity": "edge", "metric": "latency"}],
        "topology": {"edges": [{"src": "edge", "dst": name, "kind": "calls"} for name in ("mail", "store")]},
        "metrics": [series(name, "net_gap_ms", 100.0, unit="ms", curve=curves[name]) for name in names],
    }
    found = [one.entity for one in judged(value) if one.id == "network.delay"]
    assert found[0] == "store"


def test_what_is_measured_where_it_runs_goes_before_what_is_only_written_of_it() -> None:
    value = case(
        {"shop/error_pct": step(8.0, -15)}, logs=lines("shop", "accept: too many open files", 60, level="error")
    )
    value["metrics"].append(series("web-b", "open_fds", 400.0, unit="count", curve=step(600.0, -15)))
    found = [one.entity for one in judged(value) if one.id == "resource_leak.descriptors"]
    assert found[:2] == ["web-b", "shop"]


def first(value: Mapping[str, object]) -> tuple[str, str]:
    one = judged(value)[0]
    return one.id, one.entity


def lonely(entity: str, **curves: Curve) -> dict[str, object]:
    """Return a case in which nothing but a few series of one entity is known."""
    levels = {"latency_p95": (80.0, "ms"), "memory_working_set_bytes": (2e8, "bytes"), "requests": (50.0, "")}
    return {
        "metrics": [
            series(entity, name, level, unit=unit, curve=curves.get(name, flat))
            for name, (level, unit) in levels.items()
        ]
    }


def test_memory_that_was_taken_at_once_is_no_leak() -> None:
    found = first(lonely("quotes", memory_working_set_bytes=step(3e8, -20), latency_p95=step(60.0, -20)))
    assert found == ("saturation.memory", "quotes")


def test_a_slow_service_of_unknown_kind_is_no_database() -> None:
    found = [one.id for one in judged(lonely("quotes", latency_p95=step(400.0, -20)))]
    assert "data.slow_query" not in found


def test_a_store_is_known_by_its_common_names() -> None:
    found = [one.id for one in judged(lonely("quotes-mysql", latency_p95=step(400.0, -20)))]
    assert "data.slow_query" in found


def test_space_that_is_left_and_nearly_gone_is_a_full_disk_though_nobody_knows_its_size() -> None:
    value = {"metrics": [series("vault", "FreeStorageSpace", 5e10, unit="Bytes", curve=ramp(-4.99e10, -60))]}
    assert first(value) == ("saturation.disk_full", "vault")


def test_traffic_that_the_others_bear_as_well_does_not_speak_against_a_leak_of_one_of_them() -> None:
    leak, busier = ramp(45.0, -60), {"shop/requests_per_s": step(200.0, -40)}
    [alone] = [one for one in judged(case({**busier, "web-a/mem.used_pct": leak})) if _is_leak(one, "web-a")]
    assert alone.against == ()

    both = {**busier, "web-a/mem.used_pct": leak, "web-b/mem.used_pct": leak}
    shared = [one for one in judged(case(both)) if _is_leak(one, "web-a") or _is_leak(one, "shop")]
    assert all([match.signal.channel for match in one.against] == [("traffic",)] for one in shared)
    assert shared


def _is_leak(one: Hypothesis, entity: str) -> bool:
    return (one.id, one.entity) == ("resource_leak.memory", entity)


def test_who_is_well_cannot_have_brought_what_others_suffer_though_no_map_tells_who_needs_whom() -> None:
    busy = series("mailer", "cpu_percent", 10.0, unit="%", curve=step(60.0, -20))
    suffering = [series(name, "latency_p95", 80.0, unit="ms", curve=step(900.0, -20)) for name in ("quotes", "orders")]

    def weight(own: Curve) -> float:
        metrics = [busy, *suffering, series("mailer", "latency_p95", 80.0, unit="ms", curve=own)]
        return next(one.log_odds for one in judged({"metrics": metrics}) if one.id == "saturation.cpu_contention")

    assert weight(flat) < weight(step(300.0, -20)) - 1.0
