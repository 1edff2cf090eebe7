from __future__ import annotations

from pathlib import Path
from statistics import fmean

import orjson
import pytest

from cli.evaluating import run_suite
from cli.main import main
from services.diagnoser.domain.case import read_case
from services.diagnoser.engines.evaluation.gates import Judged, differences, gates, judge
from services.diagnoser.engines.evaluation.predictions import Expected
from services.diagnoser.engines.offline.catalogue import Catalogue, load_catalogue
from services.diagnoser.engines.offline.engine import diagnose
from shared.incident.enums import IncidentCategory
from simulation.suite.dev import dev_suite
from simulation.suite.incidents import incidents
from simulation.suite.system import System
from tests.support.cases import case, deploy, step

DROP = 0.10


def reached(rows: list[Judged]) -> float:
    return fmean(bool(row.is_right) for row in rows if row.is_right is not None)


@pytest.fixture(scope="module")
def plain() -> list[Judged]:
    return run_suite(dev_suite())[0]


def test_every_gate_is_kept(plain: list[Judged]) -> None:
    assert [(gate.name, gate.value) for gate in gates(plain) if not gate.is_passed] == []


def test_every_answer_is_of_a_kind_that_the_case_allows(plain: list[Judged]) -> None:
    assert [row.expected.case_id for row in plain if not row.is_honest] == []


@pytest.mark.nightly
@pytest.mark.parametrize("transform", ["shift", "halve", "holes", "decoy", "inject"])
def test_telling_it_in_another_way_costs_little(plain: list[Judged], transform: str) -> None:
    assert reached(plain) - reached(run_suite(dev_suite(transform=transform))[0]) <= DROP


@pytest.mark.nightly
def test_without_the_true_cause_in_the_catalogue_nobody_is_sure_of_another() -> None:
    catalogue = load_catalogue()
    wrong = []
    for value, truth in dev_suite():
        left = tuple(one for one in catalogue.causes if truth["cause"] not in {one.id, one.refines})
        one = read_case(value)
        row = judge(one, Expected.model_validate(truth), diagnose(one, Catalogue(left, catalogue.sha256)))
        if row.status == "diagnosed" and row.confidence >= 0.8 and not row.is_right:
            wrong.append((row.expected.case_id, row.first))
    assert wrong == []


def test_it_is_large_and_covers_every_family_and_every_way_to_be_wrong() -> None:
    families = {one.family for one in incidents()}
    assert len(incidents()) >= 40
    assert {one.value for one in IncidentCategory} - {"unknown"} <= families
    assert {"healthy", "insufficient", "hostile", "two faults"} <= families
    assert any(one.decoys for one in incidents())


def test_every_cause_of_it_is_in_the_catalogue() -> None:
    assert {one.cause for one in incidents() if one.cause} <= {one.id for one in load_catalogue().causes}


def test_a_variant_is_the_same_every_time_and_another_one_has_other_names() -> None:
    one = incidents()[0]
    assert orjson.dumps(System(0).case(one)) == orjson.dumps(System(0).case(one))
    first, second = (set(System(number).of.values()) for number in (0, 1))
    assert not first & second


def test_a_decoy_that_is_cited_as_the_cause_and_a_claim_without_evidence_are_found() -> None:
    broken = read_case(case({"shop/error_pct": step(20.0, -14)}, changes=[deploy(-16) | {"id": "d"}]))
    conclusion = diagnose(broken, load_catalogue())
    assert conclusion.result.status == "diagnosed"
    truth = Expected(case_id="1", root_entities=("shop",), cause="data.slow_query", decoys=("d",))
    row = judge(broken, truth, conclusion.model_copy(update={"evidence": ()}))
    assert (row.cites_decoy, row.is_ungrounded, row.is_right) == (True, True, False)
    assert {gate.name for gate in gates([row]) if not gate.is_passed} >= {"decoy cited as cause", "ungrounded claims"}


def test_what_changed_since_the_last_report_is_told() -> None:
    row = {"case": "a", "first": "x.y", "entity": "e", "confidence": 0.5, "status": "diagnosed"}
    assert differences([row], [row]) == []
    assert differences([row], [row | {"confidence": 0.7}]) == ["a: x.y 0.50 -> x.y 0.70"]


def test_the_shipped_suite_keeps_its_gates_and_leaves_a_report(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as done:
        main(["eval", "run", "--suite", "shipped", "--report", str(tmp_path)])
    assert done.value.code == 0
    found = orjson.loads((tmp_path / "report.json").read_bytes())
    assert (found["suite"], len(found["cases"]), found["cases"][0]["right"]) == ("shipped", 1, True)
    assert "Reliability" in (tmp_path / "report.html").read_text()
