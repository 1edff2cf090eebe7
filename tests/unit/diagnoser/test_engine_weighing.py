from __future__ import annotations

from collections.abc import Mapping

from services.diagnoser.domain.case import read_case
from services.diagnoser.engines.offline.catalogue import load_catalogue
from services.diagnoser.engines.offline.scene import scene_of
from services.diagnoser.engines.offline.weighing import Hypothesis, hypotheses
from tests.support.cases import Curve, case, lines, series, step


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
