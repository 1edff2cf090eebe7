from __future__ import annotations

from typing import Any

import pytest

from services.diagnoser.domain.differing import Stand, differences, replaced
from shared.incident.diagnosis import ActionRecommendation

STAND = Stand(status="diagnosed", cause="a.b", entity="web", confidence=0.8)


@pytest.mark.parametrize(
    "before, after, told",
    [
        pytest.param(None, STAND, (), id="the first conclusion changes nothing"),
        pytest.param(STAND, STAND, (), id="the same again changes nothing"),
        pytest.param(STAND, STAND | {"confidence": 0.804}, (), id="what nobody would see is no change"),
        pytest.param(STAND, STAND | {"confidence": 0.5}, ("confidence 80 % → 50 %",), id="less sure"),
        pytest.param(STAND, STAND | {"cause": "c.d"}, ("cause a.b → c.d",), id="another cause"),
        pytest.param(
            STAND,
            {"status": "inconclusive", "cause": "", "entity": "", "confidence": 0.2},
            (
                "answer a cause is named → no cause stands out",
                "cause a.b → none",
                "place web → none",
                "confidence 80 % → 20 %",
            ),
            id="no cause any more",
        ),
    ],
)
def test_a_conclusion_changes(before: Stand | None, after: Stand, told: tuple[str, ...]) -> None:
    assert differences(before, after) == told


def item(**more: Any) -> ActionRecommendation:  # noqa: ANN401 -- fields of a recommendation
    given = {"runbook_id": "r", "runbook_sha256": "1", "title": "t", "cause": "c", "entity": "web"}
    return ActionRecommendation.model_validate({**given, "parameters": {"host": "h1"}, **more})


@pytest.mark.parametrize(
    "after, told",
    [
        pytest.param(item(runbook_id="s"), ("runbook r → s",), id="another runbook"),
        pytest.param(item(runbook_sha256="2"), ("runbook r was edited",), id="the same runbook, edited"),
        pytest.param(item(entity="db"), ("place web → db",), id="another target"),
        pytest.param(item(parameters={"host": "h2"}), ("host h1 → h2",), id="another parameter"),
        pytest.param(item(parameters={}), ("host h1 → none",), id="a parameter less"),
        pytest.param(item(confidence=0.5), ("confidence 0 % → 50 %",), id="another confidence"),
    ],
)
def test_a_recommendation_changes(after: ActionRecommendation, told: tuple[str, ...]) -> None:
    assert replaced(item(), after) == told
