from __future__ import annotations

from typing import Any

import pytest

from services.diagnoser.domain.case import read_case
from services.diagnoser.engines.offline.engine import diagnose
from services.diagnoser.engines.offline.locating import suspects
from services.diagnoser.engines.offline.scene import scene_of
from tests.support.cases import flat, lines, series, step
from tests.support.catalogue import load_catalogue

SERVICES = ("alpha", "beta", "gamma", "delta")


def fleet(suffering: tuple[str, ...], kind: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 -- parts of a case
    """Return a case where the first three services need one thing and the fourth another, and some are slow."""
    way = "runs_on" if kind == "host" else "calls"
    return {
        "topology": {
            "entities": [{"id": name, "kind": "service"} for name in SERVICES]
            + [{"id": name, "kind": kind} for name in ("one", "other")],
            "edges": [{"src": name, "dst": "other" if name == "delta" else "one", "kind": way} for name in SERVICES],
        },
        "metrics": [
            series(name, "latency_p95", 100.0, unit="ms", curve=step(300.0, -20) if name in suffering else flat)
            for name in SERVICES
        ],
        **more,
    }


@pytest.mark.parametrize(
    "suffering, kind, origin",
    [
        pytest.param(SERVICES[:3], "host", "one", id="all that run on one host: the host"),
        pytest.param(SERVICES[:3], "database", "one", id="all that call one database: the database"),
        pytest.param(SERVICES[:1], "host", "alpha", id="one of three: that one"),
    ],
)
def test_what_all_that_suffer_share_is_where_it_starts(suffering: tuple[str, ...], kind: str, origin: str) -> None:
    assert suspects(scene_of(read_case(fleet(suffering, kind))))[0].entity == origin


def test_what_is_measured_and_well_is_not_blamed_for_those_who_share_it() -> None:
    value = fleet(SERVICES[:3], "host")
    value["metrics"].append(series("one", "cpu_pct", 30.0, unit="%"))
    assert suspects(scene_of(read_case(value)))[0].entity != "one"


def test_words_that_one_cannot_be_reached_tell_of_that_one() -> None:
    told = lines("alpha", "connection refused to one:5432", 60, level="error")
    value = fleet((), "database", logs=told, alerts=[{"entity": "alpha", "title": "errors"}])
    first = diagnose(read_case(value), load_catalogue()).result.causes[0]
    assert (first.cause, first.entity) == ("dependency.outage", "one")


@pytest.mark.parametrize("is_edge", [pytest.param(True, id="told by edges"), pytest.param(False, id="told by hosts")])
def test_a_zone_is_found_by_what_runs_on_its_hosts(*, is_edge: bool) -> None:
    value = fleet(SERVICES[:3], "host")
    zones = {f"box-{name}": "east" if name != "delta" else "west" for name in SERVICES}
    hosts = [{"id": box, "kind": "host", "zone": "" if is_edge else zone} for box, zone in zones.items()]
    edges = [{"src": name, "dst": f"box-{name}", "kind": "runs_on"} for name in SERVICES]
    edges += [{"src": box, "dst": zone, "kind": "in_zone"} for box, zone in zones.items() if is_edge]
    value["topology"] = {"entities": [*({"id": n, "kind": "service"} for n in SERVICES), *hosts], "edges": edges}
    assert suspects(scene_of(read_case(value)))[0].entity == "east"
