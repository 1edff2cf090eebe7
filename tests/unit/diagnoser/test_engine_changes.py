from __future__ import annotations

from typing import Any

import pytest

from services.diagnoser.domain.case import read_case
from services.diagnoser.engines.offline.catalogue import ChangeRule
from services.diagnoser.engines.offline.changes import Link, link
from services.diagnoser.engines.offline.scene import scene_of
from tests.support.cases import MINUTE, NOW, case, deploy, ramp, step

RULE = ChangeRule(kinds=("deploy",), horizon_minutes=60)
ONSET = NOW - 30 * MINUTE


def linked(*changes: dict[str, Any], entity: str = "web-a") -> Link | None:
    scene = scene_of(read_case(case({"web-a/mem.used_pct": ramp(30.0, -30)}, changes=changes)))
    return link(scene, entity, RULE, ONSET, scene.at([entity], ["memory"]))


@pytest.mark.parametrize(
    "change, is_linked",
    [
        pytest.param(deploy(-35), True, id="of the service that runs there, just before"),
        pytest.param(deploy(-35, hosts=["web-a"]), True, id="that reached this host"),
        pytest.param(deploy(-35, hosts=["web-b"]), False, id="that reached another host only"),
        pytest.param(deploy(-35, entity="store-db"), False, id="of somebody else"),
        pytest.param(deploy(-29), True, id="a minute late, which clocks may be"),
        pytest.param(deploy(-20), False, id="after it had begun"),
        pytest.param(deploy(-120), False, id="too long before"),
        pytest.param(deploy(-35) | {"kind": "cron"}, False, id="of another kind"),
        pytest.param(deploy(-35) | {"kind": "Release"}, True, id="of the same kind in other words"),
        pytest.param(deploy(-35) | {"at": None}, False, id="without a time"),
    ],
)
def test_a_change_may_be_the_cause_by_order_scope_and_kind(change: dict[str, Any], is_linked: bool) -> None:  # noqa: FBT001 -- a column of the table
    assert (linked(change) is not None) == is_linked


def test_one_of_many_changes_proves_little() -> None:
    alone = linked(deploy(-35))
    crowd = linked(*(deploy(-35 - 15 * number) for number in range(24)))
    assert alone is not None
    assert crowd is not None
    assert alone.gain - crowd.gain > 1.5


def test_a_host_that_was_spared_and_is_calm_makes_it_likelier() -> None:
    everywhere, here = linked(deploy(-35)), linked(deploy(-35, hosts=["web-a"]))
    assert everywhere is not None
    assert here is not None
    assert here.gain > everywhere.gain
    assert [one.entity for one in here.spared] == ["web-b"]


def test_a_host_that_was_spared_and_suffers_as_well_does_not() -> None:
    curves = {"web-a/mem.used_pct": ramp(30.0, -30), "web-b/mem.used_pct": ramp(30.0, -30)}
    scene = scene_of(read_case(case(curves, changes=[deploy(-35, hosts=["web-a"])])))
    found = link(scene, "web-a", RULE, ONSET, scene.at(["web-a"], ["memory"]))
    assert found is not None
    assert found.spared == ()


def test_the_nearest_of_several_changes_is_blamed() -> None:
    found = linked(deploy(-55, version="v1"), deploy(-33, version="v2"))
    assert found is not None
    assert found.change.details["version_to"] == "v2"


def test_the_versions_of_instances_say_which_hosts_a_release_reached() -> None:
    pods = [{"pod": f"p{n}", "entity": "shop", "host": host, "version": v} for n, (host, v) in enumerate(VERSIONS)]
    value = {**case({"web-a/cpu_pct": step(60.0, -20)}, changes=[deploy(-25.0)]), "raw": {"pods": pods}}
    [change] = scene_of(read_case(value)).case.changes
    assert change.hosts == ("web-a", "p0")


def test_a_release_that_all_instances_have_reached_all_hosts() -> None:
    pods = [{"pod": "p0", "entity": "shop", "host": "web-a", "version": "v2"}]
    value = {**case(changes=[deploy(-25.0)]), "raw": {"pods": pods}}
    [change] = scene_of(read_case(value)).case.changes
    assert change.hosts == ()


VERSIONS = (("web-a", "v2"), ("web-b", "v1"))
