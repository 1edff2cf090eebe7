from __future__ import annotations

import pytest

from services.diagnoser.domain.case import CaseSeries
from services.diagnoser.engines.offline.counting import rated

GROWING = tuple(float(7 * n) for n in range(20))


@pytest.mark.parametrize(
    "name, values, rates",
    [
        pytest.param("http_requests_total", GROWING, (None, *(7.0,) * 19), id="a counter is its growth"),
        pytest.param(
            "http_requests_total", (*GROWING, 3.0, 10.0), (None, *(7.0,) * 19, None, 7.0), id="a restart says nothing"
        ),
        pytest.param(
            "http_requests_total",
            (*GROWING, None, 147.0),
            (None, *(7.0,) * 19, None, 7.0),
            id="a gap is filled by the mean",
        ),
        pytest.param("jvm_heap_used", GROWING, GROWING, id="a level that grows is no counter"),
        pytest.param("errors_total", (5.0, 4.0) * 10, (5.0, 4.0) * 10, id="what falls is a rate already"),
        pytest.param("restarts_total", (*(2.0,) * 19, 3.0), (*(2.0,) * 19, 3.0), id="what hardly moves is a level"),
    ],
)
def test_a_counter_is_read_as_how_fast_it_grows(
    name: str, values: tuple[float | None, ...], rates: tuple[float | None, ...]
) -> None:
    found = rated(CaseSeries(name=name, baseline=values[:15], window=values[15:]))
    assert (*found.baseline, *found.window) == rates
    assert len(found.baseline) == 15
