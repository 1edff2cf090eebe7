from __future__ import annotations

import math
from collections import Counter
from functools import partial

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from shared.errors import UnavailableError
from shared.telemetry.metrics import count_alarms, watch

SERVICES = ("ingest", "diagnoser", "executor", "notifier")


def samples() -> dict[tuple[str, str], float]:
    families = list(text_string_to_metric_families(generate_latest().decode()))
    assert not [name for name, count in Counter(family.name for family in families).items() if count > 1]
    return {
        (sample.name, sample.labels.get("service", "")): sample.value
        for family in families
        for sample in family.samples
        if sample.name.startswith("signoff_")
    }


def test_four_services_of_one_process_share_their_metrics() -> None:
    problems: dict[str, str] = {}
    for number, service in enumerate(SERVICES):
        watch(service, waiting=partial(int, number), problems=lambda: problems)

    found = samples()
    assert [found["signoff_store_waiting", service] for service in SERVICES] == [0, 1, 2, 3]
    assert {found["signoff_ready", service] for service in SERVICES} == {1}

    problems["bus"] = "away"
    assert {samples()["signoff_ready", service] for service in SERVICES} == {0}


def test_a_store_that_is_closed_takes_no_other_metric_along() -> None:
    def closed() -> int:
        raise UnavailableError("the store is not open")

    watch("closed", waiting=closed, problems=dict)

    found = samples()
    assert math.isnan(found["signoff_store_waiting", "closed"])
    assert found["signoff_ready", "closed"] == 1


def test_alarms_are_counted_by_reason_without_what_comes_from_outside() -> None:
    count = count_alarms("test")
    count("parked: incident/INC-1", {"key": "x"})
    count("parked: incident/INC-2", {})

    assert samples()["signoff_store_alarms_total", "test"] == 2
