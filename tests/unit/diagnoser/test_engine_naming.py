from __future__ import annotations

import pytest

from services.diagnoser.domain.case import read_case
from services.diagnoser.engines.offline.naming import canonical

TOPOLOGY = {"entities": [{"id": name} for name in ("basket", "ledger-db", "web-1", "Orders")]}


@pytest.mark.parametrize(
    "name, meant",
    [
        pytest.param("basket-7d9c8b6f5d-x2x4z", "basket", id="a pod"),
        pytest.param("shop/basket-7d9c8b6f5d-x2x4z", "basket", id="a pod in its namespace"),
        pytest.param("basket-0", "basket", id="an instance with a number"),
        pytest.param("ledger-db:5432", "ledger-db", id="a host with its port"),
        pytest.param("postgres://reader@ledger-db.internal:5432/main", "ledger-db", id="an address"),
        pytest.param("http://basket.shop.svc.cluster.local/items", "basket", id="a name inside a cluster"),
        pytest.param("arn:aws:rds:eu-west-1:1:db:ledger-db", "ledger-db", id="an ARN"),
        pytest.param("orders", "Orders", id="other capitals"),
        pytest.param("web-1", "web-1", id="a known host with a number is itself"),
        pytest.param("web-2", "web-2", id="an unknown host is no other host"),
        pytest.param("basketball", "basketball", id="a longer name is another one"),
    ],
)
def test_what_is_known_by_one_name_is_found_by_its_others(name: str, meant: str) -> None:
    case = read_case({"topology": TOPOLOGY, "metrics": [{"entity": name, "name": "cpu"}]})
    assert canonical(case).metrics[0].entity == meant


def test_a_line_without_a_place_belongs_to_the_pod_that_wrote_it() -> None:
    pods = [{"pod": "b-17", "entity": "basket"}]
    lines = [{"msg": "x", "pod": "b-17"}, {"msg": "x", "pod": "basket-7d9c8b6f5d-x2x4z"}]
    case = read_case({"topology": TOPOLOGY, "raw": {"pods": pods}, "logs": lines})
    assert [line.entity for line in canonical(case).logs] == ["basket", "basket"]
