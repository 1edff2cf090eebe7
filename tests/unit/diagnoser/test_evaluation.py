from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from cli.main import main
from services.diagnoser.domain.case import read_case
from services.diagnoser.engines.evaluation.baselines import baselines
from services.diagnoser.engines.evaluation.predictions import Expected, Prediction
from services.diagnoser.engines.evaluation.scoring import Row, rows_of, score
from tests.support.cases import case, ramp, step


def said(*ranked: tuple[str, str, float], **more: Any) -> Prediction:  # noqa: ANN401 -- fields of a prediction
    guesses = [{"entity": entity, "cause": cause, "confidence": c} for entity, cause, c in ranked]
    return Prediction.model_validate({"ranked": guesses, **more})


TRUTHS = [
    Expected(case_id="1", root_entities=("a",), cause="x.one"),
    Expected(case_id="2", root_entities=("b", "c"), cause="x.two"),
    Expected(case_id="3", cause="x.three"),
    Expected(case_id="4", cause="healthy", healthy=True),
]
SAID = {
    "1": said(("a", "x.one", 0.9), status="diagnosed", latency_ms=10),
    "2": said(("z", "x.two", 0.6), ("c", "x.one", 0.3), status="inconclusive", abstained=True, latency_ms=30),
    "3": said(("q", "x.three", 0.8), status="diagnosed", latency_ms=20),
    "4": said(status="no_active_fault", abstained=False),
}


def rows(**more: Any) -> list[Row]:  # noqa: ANN401 -- options of the rows
    return rows_of(TRUTHS, SAID, **{"by_cause": False, **more})


def test_the_entity_counts_where_one_is_known_and_the_cause_elsewhere() -> None:
    assert [row.rank for row in rows()] == [1, 2, 1, 99]


def test_by_cause_both_must_be_right() -> None:
    assert [row.rank for row in rows(by_cause=True)] == [1, 99, 1, 99]


def test_a_set_may_have_its_own_names_for_causes_and_for_health() -> None:
    named = rows(by_cause=True, labels={"x.one": ["x.two"], "no_active_fault": ["healthy"]})
    assert [row.rank for row in named] == [1, 2, 1, 1]


def test_the_numbers_are_those_of_their_definitions() -> None:
    found = score(rows())
    assert (found.cases, found.ac_1, found.ac_3) == (4, 0.5, 0.75)
    assert found.mrr == pytest.approx((1 + 1 / 2 + 1 + 0) / 4)
    assert found.avg_5 == pytest.approx((0.5 + 4 * 0.75) / 5)
    assert found.brier == pytest.approx((0.1**2 + 0.6**2 + 0.2**2 + 0) / 4)
    assert found.ece == pytest.approx((0.1 + 0.6 + 0.2 + 0) / 4)
    assert (found.abstained, found.healthy, found.false_alarms) == (0.25, 1, 0.0)
    assert (found.sure, found.sure_right, found.p50_ms, found.p95_ms) == (2, 1.0, 15.0, 30.0)
    assert 0.0 <= found.ac_1_low < found.ac_1 < found.ac_1_high <= 1.0


def test_without_a_stated_confidence_calibration_is_unknown_and_not_good() -> None:
    silent = rows_of(TRUTHS[:1], {"1": Prediction.model_validate({"ranked": [{"entity": "a"}]})}, by_cause=False)
    assert (score(silent).ac_1, score(silent).brier, score(silent).ece) == (1.0, None, None)


def test_a_cause_named_for_a_healthy_system_is_a_false_alarm() -> None:
    wrong = rows_of(TRUTHS[3:], {"4": said(("a", "x.one", 0.9), status="diagnosed")}, by_cause=True)
    assert score(wrong).false_alarms == 1.0


def test_what_was_not_predicted_is_wrong() -> None:
    assert [row.rank for row in rows_of(TRUTHS, {}, by_cause=False)] == [99] * 4


def test_trivial_guesses_are_made_of_the_case_alone() -> None:
    seen = {"1": read_case(case({"web-a/cpu_pct": step(60.0, -10)}))}
    found = baselines(seen, [Expected(case_id="1", root_entities=("web-a",))], by_cause=False)
    assert found["largest z-score"] == (1.0, 1.0)
    assert found["where the alert is"] == (0.0, 0.0)
    assert found["chance"] == (0.25, 0.75)


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def evaluate(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as done:
            main(["eval", *arguments])
        return (int(done.value.code or 0), *capsys.readouterr())

    return run


def test_a_folder_of_cases_is_predicted_and_scored(evaluate: Run, tmp_path: Path) -> None:
    cases, truths, out = tmp_path / "cases", tmp_path / "truths", tmp_path / "said.json"
    cases.mkdir()
    truths.mkdir()
    leak = case({"web-a/mem.used_pct": ramp(40.0, -90), "web-a/cpu_pct": ramp(30.0, -40)})
    (cases / "leak.json").write_bytes(orjson.dumps(leak))
    (truths / "leak.json").write_bytes(
        orjson.dumps({"case_id": "leak", "root_entities": ["web-a"], "cause": "resource_leak.memory"})
    )
    assert evaluate("predict", "--cases", str(cases), "--out", str(out))[0] == 0
    [one] = orjson.loads(out.read_bytes()).values()
    assert (one["status"], one["abstained"], one["ranked"][0]["entity"]) == ("diagnosed", False, "web-a")
    assert one["ranked"][0]["evidence"]

    told = ("score", str(out), "--cases", str(cases), "--expected", str(truths), "--cause")
    code, shown, _ = evaluate(*told, "-o", "json")
    assert (code, orjson.loads(shown)["scores"]["all"]["ac_1"]) == (0, 1.0)
    assert "Trivial guesses" in evaluate(*told)[1]


def test_an_empty_folder_is_an_error_and_no_score(evaluate: Run, tmp_path: Path) -> None:
    code, _, problem = evaluate("predict", "--cases", str(tmp_path), "--out", str(tmp_path / "x.json"))
    assert (code, "no *.json or *.json.gz" in problem) == (3, True)
