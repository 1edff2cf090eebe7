from __future__ import annotations

from typing import Any

import pytest

from services.diagnoser.domain.case import instant, read_case
from services.diagnoser.engines.offline.engine import diagnose
from tests.support.cases import case, ramp
from tests.support.catalogue import load_catalogue

CATALOGUE = load_catalogue()


@pytest.mark.parametrize(
    "value, seconds",
    [
        pytest.param(1_800_000_000, 1_800_000_000.0, id="epoch seconds"),
        pytest.param(1_800_000_000_000, 1_800_000_000.0, id="epoch milliseconds"),
        pytest.param("2027-01-15T08:00:00Z", 1_800_000_000.0, id="ISO text in UTC"),
        pytest.param("2027-01-15T09:00:00+01:00", 1_800_000_000.0, id="ISO text with a zone"),
        pytest.param("2027-01-15 08:00:00", 1_800_000_000.0, id="text without a zone, read as UTC"),
        pytest.param("yesterday", None, id="no time at all"),
        pytest.param(None, None, id="nothing"),
    ],
)
def test_times_are_read_in_many_forms(value: object, seconds: float | None) -> None:
    assert instant(value) == seconds


@pytest.mark.parametrize("value", [[], None, "text", 7])
def test_what_is_no_object_is_no_case(value: object) -> None:
    with pytest.raises(ValueError, match="a case is a JSON object"):
        read_case(value)


KEYS = ("alerts", "topology", "metrics", "logs", "logs_baseline", "changes")


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("broken", [None, [], {}, "text", 3, [None, 3, "x", {}], {"entities": None, "edges": [{}]}])
def test_a_broken_field_is_as_good_as_a_missing_one(key: str, broken: Any) -> None:  # noqa: ANN401 -- any JSON
    whole = case({"web-a/mem.used_pct": ramp(40.0, -60)})
    for one in (whole | {key: broken}, {k: v for k, v in whole.items() if k != key}):
        assert diagnose(read_case(one), CATALOGUE).result.status in {"diagnosed", "inconclusive", "no_active_fault"}


def test_an_unreadable_item_does_not_take_the_others_with_it() -> None:
    found = read_case({"metrics": [{"id": "m1", "window": [1, "2.5", None, "x", float("inf")]}, "nonsense"]})
    assert [(m.id, m.window) for m in found.metrics] == [("m1", (1.0, 2.5, None, None, None))]


def test_nothing_is_concluded_from_the_name_or_source_of_a_case() -> None:
    plain = case({"web-a/mem.used_pct": ramp(40.0, -60)})
    named = plain | {"case_id": "memory_leak", "source": "healthy", "unknown": 1}
    assert diagnose(read_case(plain), CATALOGUE) == diagnose(read_case(named), CATALOGUE)


def test_times_without_a_zone_are_told_as_a_doubt() -> None:
    doubtful = case({"web-a/mem.used_pct": ramp(40.0, -60)})
    doubtful["alerts"] = [{"entity": "shop", "at": "2027-01-15 07:58:00"}]
    result = diagnose(read_case(doubtful), CATALOGUE).result
    assert any("zone" in text for text in result.missing)
