from __future__ import annotations

import pytest

from services.diagnoser.domain.case import read_case
from services.diagnoser.engines.offline.logs import SHAPES_MAX, Shape, shapes_of
from tests.support.cases import lines


def shapes(now: list[dict[str, object]], before: list[dict[str, object]] | None = None, *names: str) -> list[Shape]:
    return shapes_of(read_case({"logs": now, "logs_baseline": before or []}), names)


@pytest.mark.parametrize(
    "first, second",
    [
        pytest.param("took 12 ms", "took 340 ms", id="numbers"),
        pytest.param("from 10.0.0.7:4411 refused", "from 10.1.2.3:80 refused", id="addresses"),
        pytest.param("order 7f9dd8b6c4 is late", "order 0a1b2c3d4e is late", id="hexadecimal ids"),
        pytest.param("mail to a@example.com bounced", "mail to b.c@example.org bounced", id="mail addresses"),
        pytest.param("2026-11-25T03:00:01Z started", "2026-11-25T03:00:09Z started", id="time stamps"),
    ],
)
def test_lines_that_differ_in_what_varies_have_one_shape(first: str, second: str) -> None:
    found = shapes([{"entity": "web", "msg": first}, {"entity": "web", "msg": second}])
    assert [shape.count for shape in found] == [2]


def test_lines_that_say_different_things_have_different_shapes() -> None:
    found = shapes([{"msg": "connection to pool refused"}, {"msg": "checkpoint of buffers was written"}])
    assert len(found) == 2


def test_names_of_the_topology_are_masked_and_remembered() -> None:
    [shape] = shapes([{"entity": "shop", "msg": "upstream web-7 slow: 90 ms"}], None, "web-7", "shop")
    assert shape.template == "upstream <entity> slow: <*> ms"
    assert shape.mentions == {"web-7"}


@pytest.mark.parametrize(
    "line, level",
    [
        pytest.param({"msg": "all is well", "level": "warning"}, "warn", id="the field decides"),
        pytest.param({"msg": '{"level": "FATAL", "message": "no"}'}, "error", id="a JSON line says it"),
        pytest.param({"raw": "2026-11-25 03:00:00 ERROR no"}, "error", id="a word of the line says it"),
        pytest.param({"msg": "java.lang.IllegalStateException: no"}, "error", id="an exception is an error"),
        pytest.param({"msg": "GET /errors 200"}, "info", id="a part of a word says nothing"),
    ],
)
def test_the_level_is_found(line: dict[str, object], level: str) -> None:
    assert [shape.level for shape in shapes([line])] == [level]


def test_only_what_comes_more_often_than_before_surges() -> None:
    now = lines("web", "retry {n}", 40, level="warn") + lines("web", "slow request {n} seen", 40, level="warn")
    before = lines("web", "retry {n}", 38, level="warn")
    usual, new = shapes(now, before)
    assert abs(usual.surge) < 1
    assert new.surge > 5


def test_a_flood_of_different_words_stays_within_bounds() -> None:
    words = [f"w{chr(97 + i % 26)}{chr(97 + i // 26 % 26)}{chr(97 + i // 676)}" for i in range(3000)]
    found = shapes([{"entity": "web", "msg": f"lookup {word} {word[::-1]} failed again"} for word in words])
    assert len(found) <= 40
    assert sum(shape.count for shape in found) == 3000


def many(message: str, count: int, level: str = "info") -> list[dict[str, object]]:
    return lines("web", message, count, level=level)


def test_warnings_of_an_entity_that_does_more_of_everything_are_no_surge() -> None:
    busy = shapes(
        many("served {n}", 300) + many("slow call {n}", 30, "warn"),
        many("served {n}", 100) + many("slow call {n}", 10, "warn"),
    )
    calm = shapes(
        many("served {n}", 100) + many("slow call {n}", 30, "warn"),
        many("served {n}", 100) + many("slow call {n}", 10, "warn"),
    )
    assert max(s.surge for s in busy if s.is_bad) < 3.0 < max(s.surge for s in calm if s.is_bad)


def test_lines_that_no_longer_come_while_others_do_are_remarkable() -> None:
    found = shapes(many("served {n}", 100), many("served {n}", 100) + many("order {n} booked", 40))
    assert {s.template: s.fall >= 5.0 for s in found} == {"served <*>": False, "order <*> booked": True}


def test_lines_that_no_longer_come_because_nothing_does_are_not() -> None:
    [served, booked] = shapes(many("served {n}", 10), many("served {n}", 100) + many("order {n} booked", 9))
    assert (served.template, booked.fall < 5.0) == ("served <*>", True)


def test_a_single_error_is_news_where_no_earlier_span_says_what_is_usual() -> None:
    [served, failed] = shapes(many("served {n}", 5000) + many("cannot reach ledger", 1, "error"))
    assert served.surge < failed.surge
    assert failed.surge >= 3.0


def test_lines_beyond_all_bounds_are_still_counted() -> None:
    case = read_case(
        {
            "logs": [
                {"entity": "web", "level": "error", "msg": f"{chr(97 + n % 26) * (n // 26 + 1)} x"} for n in range(1500)
            ]
        }
    )
    shapes = shapes_of(case, [])
    assert len(shapes) <= SHAPES_MAX + 1
    assert sum(shape.count for shape in shapes) == 1500
