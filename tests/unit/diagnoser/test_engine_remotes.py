from __future__ import annotations

import pytest

from services.diagnoser.domain.case import read_case
from services.diagnoser.engines.offline.engine import diagnose
from services.diagnoser.engines.offline.scene import scene_of
from tests.support.catalogue import load_catalogue


def logged(text: str, **more: object) -> dict[str, object]:
    return {"logs": [{"entity": "shop", "level": "error", "msg": text} for _ in range(9)], **more}


@pytest.mark.parametrize(
    "text, kinds",
    [
        pytest.param("cannot connect to https://pay.example.com/v1", {"pay.example.com": "external"}, id="an address"),
        pytest.param("dial to cart-db:5432 refused", {"cart-db": ""}, id="a host with its port"),
        pytest.param("timed out at cart.shop.svc:80", {"cart.shop.svc": ""}, id="a name of one's own network"),
        pytest.param("cannot connect to anything", {}, id="nobody is named"),
        pytest.param("wrote to cart-db:5432", {}, id="nothing is out of reach"),
    ],
)
def test_a_host_that_errors_say_to_be_out_of_reach_is_a_place(text: str, kinds: dict[str, str]) -> None:
    found = scene_of(read_case(logged(text))).map
    assert {name: kind for name, kind in found.kinds.items() if name != "shop"} == kinds
    assert all(found.callers[name] == ["shop"] for name in kinds)


def test_whoever_does_not_answer_is_blamed_and_not_who_says_so() -> None:
    value = logged("job failed: cannot connect to https://pay.example.com, timed out")
    first = diagnose(read_case(value), load_catalogue()).result.causes[0]
    assert (first.cause, first.entity) == ("dependency.third_party_outage", "pay.example.com")
    assert first.confidence <= 0.3


def test_a_topology_that_is_known_is_not_added_to() -> None:
    value = logged("cannot connect to https://pay.example.com", topology={"entities": [{"id": "shop"}]})
    assert list(scene_of(read_case(value)).map.kinds) == ["shop"]
