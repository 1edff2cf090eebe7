from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.diagnoser.domain.case import read_case
from services.diagnoser.domain.finding_out import Conclusion
from services.diagnoser.engines.offline.engine import diagnose
from tests.support.cases import ramp, series, step
from tests.support.catalogue import load_catalogue


def concluded(value: Mapping[str, Any]) -> Conclusion:
    return diagnose(read_case(value), load_catalogue())


def leak(**more: Any) -> dict[str, Any]:  # noqa: ANN401 -- parts of a case
    """Return a case whose first hypothesis is a leak; `more` are further series."""
    value = {
        "alerts": [{"entity": "shop", "metric": "latency"}],
        "topology": {"edges": [{"src": "edge", "dst": "shop", "kind": "calls"}]},
        "metrics": [
            series("shop", "memory.used_percent", 40.0, curve=ramp(50.0, -180)),
            series("shop", "request.latency_p95", 100.0, unit="ms", curve=step(400.0, -15)),
        ],
    }
    value["metrics"] += more.get("metrics", [])
    return value


def test_what_suffers_where_the_cause_does_not_reach_is_told_as_not_explained() -> None:
    far = series("mail", "request.latency_p95", 60.0, unit="ms", curve=step(300.0, -15))

    found = concluded(leak(metrics=[far]))

    told = {finding.statement: finding.cites for finding in found.result.unexplained}
    assert [one for one in told if "mail" in one], found.result
    cited = {cite for cites in told.values() for cite in cites}
    assert cited <= {item.id for item in found.evidence}
    assert concluded(leak()).result.unexplained == ()


def test_what_speaks_against_the_first_cause_is_told_with_its_evidence() -> None:
    found = concluded(leak())

    assert found.result.causes[0].cause == "resource_leak.memory"
    [told] = found.result.contradictions
    assert told.statement == "the harm came at once, not bit by bit"
    assert set(told.cites) <= {item.id for item in found.evidence}
