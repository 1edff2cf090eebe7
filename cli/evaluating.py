"""Runs a suite through an engine and puts together what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from time import perf_counter
from typing import Any

from cli.diagnosis import EngineName, concluder
from cli.project import FIXTURES, RUNBOOKS
from services.diagnoser.domain.case import Case
from services.diagnoser.domain.finding_out import Conclusion
from services.diagnoser.engines.evaluation.gates import Gate, Judged, calibration, gates, judge, reliability
from services.diagnoser.engines.evaluation.predictions import Expected, Prediction, prediction_of

Labelled = tuple[Mapping[str, Any], Mapping[str, Any]]
Suite = Iterable[Labelled]
AHEAD = 0.05
"""By how much of AC@1 every trivial guess has to be beaten."""


@dataclass(frozen=True, slots=True)
class Run:
    """What was said of each case of a suite, held against the truth, and by what."""

    rows: Sequence[Judged]
    stamp: Mapping[str, str]
    cases: Mapping[str, Case]
    said: Mapping[str, Prediction]


def shipped_suite() -> Iterator[Labelled]:
    """Return each shipped scenario as a case, with what its folder says is true of it."""
    from cli.case_files import read_object
    from simulation.case import case_of
    from simulation.scenario import load_scenario, scenario_names

    for name in scenario_names(FIXTURES):
        truth = FIXTURES / name / "expected.json"
        if truth.is_file():
            yield case_of(load_scenario(FIXTURES, name)), {"case_id": name, **read_object(truth)}


def run(suite: Suite, engine: EngineName = "offline", causes: Path | None = None) -> Run:
    """Let an engine conclude of each case of a suite, with the shipped catalogue or that of a folder."""
    from services.diagnoser.domain.case import read_case
    from services.diagnoser.engines.offline.calibrator import load_calibrator
    from services.diagnoser.engines.offline.catalogue import CAUSES, load_catalogue
    from services.diagnoser.engines.offline.engine import VERSION

    conclude, act = concluder(engine, causes), _acting()
    rows, cases, said = [], {}, {}
    for value, truth in suite:
        case, expected = read_case(value), Expected.model_validate(truth)
        started = perf_counter()
        conclusion, cost = conclude(value)
        took = (perf_counter() - started) * 1000.0
        rows.append(judge(case, expected, conclusion, act(case, conclusion), took_ms=took))
        cases[expected.case_id] = case
        said[expected.case_id] = prediction_of(conclusion, latency_ms=took).model_copy(update={"cost_usd": cost})
    stamp = {
        "engine": f"{engine} {VERSION}",
        "catalogue": load_catalogue(causes or CAUSES).sha256[:12],
        "calibrator": load_calibrator()[1][:12],
    }
    return Run(rows, stamp, cases, said)


def _acting() -> Any:  # noqa: ANN401 -- (Case, Conclusion) -> (runbook id, entity), or nothing
    from services.diagnoser.domain.recommending import Place, recommend
    from shared.runbooks.load import load_runbooks

    runbooks = load_runbooks(RUNBOOKS)

    def act(case: Case, conclusion: Conclusion) -> tuple[str, str]:
        kinds = {entity.id: entity.kind for entity in case.topology.entities}
        there: dict[str, list[str]] = {}
        for edge in case.topology.edges:
            if edge.kind == "runs_on":
                there.setdefault(edge.dst, []).append(edge.src)
        known = {*kinds, *there}
        places = {name: Place(kinds.get(name, ""), tuple(sorted(there.get(name, ())))) for name in sorted(known)}
        services = [alert.place for alert in case.alerts if kinds.get(alert.place) == "service"]
        made = recommend(conclusion.result, runbooks.values(), places, services).items
        return (made[0].runbook_id, made[0].entity) if made else ("", "")

    return act


def report(suite: str, found: Run) -> dict[str, Any]:
    """Return the report as data. Only times differ between two runs over the same cases."""
    scores = _scores(found)
    return {
        "suite": suite,
        **found.stamp,
        "gates": [
            {"gate": gate.name, "value": round(gate.value, 4), "bound": bound(gate), "passed": gate.is_passed}
            for gate in (*gates(found.rows), *_ahead(scores))
        ],
        "calibration_error": round(calibration(found.rows), 4),
        "scores": scores,
        "families": _families(found.rows),
        "reliability": reliability(found.rows),
        "cases": [row.row() for row in found.rows],
    }


def _scores(found: Run) -> list[dict[str, Any]]:
    """Return how often the first guesses were right, by place and by cause, beside guessing without thought."""
    from services.diagnoser.engines.evaluation.baselines import baselines
    from services.diagnoser.engines.evaluation.scoring import rows_of, score

    truths = [row.expected for row in found.rows if row.expected.knows_enough and not row.expected.healthy]
    if not truths:
        return []
    table = []
    for by_cause, what in ((False, "entity"), (True, "cause and entity")):
        one = score(rows_of(truths, found.said, by_cause=by_cause))
        low, high = round(one.ac_1_low, 3), round(one.ac_1_high, 3)
        ours = {"ac_1": round(one.ac_1, 3), "ac_3": round(one.ac_3, 3), "low": low, "high": high}
        table.append({"right": what, "by": str(found.stamp["engine"]), **ours})
        guessed = baselines(found.cases, truths, by_cause=by_cause)
        table += [
            {"right": what, "by": name, "ac_1": round(a, 3), "ac_3": round(b, 3), "low": None, "high": None}
            for name, (a, b) in guessed.items()
        ]
    return table


def _ahead(scores: Sequence[Mapping[str, Any]]) -> list[Gate]:
    """Return by how much the engine is right at once more often than the best of the trivial guesses."""
    found = []
    for what in dict.fromkeys(row["right"] for row in scores):
        ours, *guessed = (row["ac_1"] for row in scores if row["right"] == what)
        found.append(Gate(f"ahead of trivial guesses, {what}", ours - max(guessed), AHEAD, is_most=False))
    return found


def _families(rows: Sequence[Judged]) -> list[dict[str, Any]]:
    found = []
    for family in sorted({row.expected.family for row in rows}):
        inside = [row for row in rows if row.expected.family == family]
        known = [row for row in inside if row.is_right is not None]
        right = round(fmean(bool(row.is_right) for row in known), 3) if known else None
        honest = round(fmean(row.is_honest for row in inside), 3)
        found.append({"family": family, "cases": len(inside), "right": right, "honest": honest})
    return found


def parity(ours: Run, other: Run) -> list[dict[str, Any]]:
    """Return what two engines say of the same cases, side by side."""
    return [
        {
            "case": one.expected.case_id,
            ours.stamp["engine"]: f"{one.first or one.status} {one.entity} {one.confidence:.2f}",
            other.stamp["engine"]: f"{two.first or two.status} {two.entity} {two.confidence:.2f}",
            "same": (one.status, one.first, one.entity) == (two.status, two.first, two.entity),
        }
        for one, two in zip(ours.rows, other.rows, strict=True)
    ]


def costs(plain: Run, told: Mapping[str, Run]) -> list[dict[str, Any]]:
    """Return what each way of telling the same incidents costs."""
    before = _reached(plain.rows)
    return [
        {
            "transform": name,
            "ac_1": round(_reached(one.rows), 3),
            "cost": round(before - _reached(one.rows), 3),
            "changed": sum(a.first != b.first for a, b in zip(plain.rows, one.rows, strict=True)),
        }
        for name, one in told.items()
    ]


def _reached(rows: Sequence[Judged]) -> float:
    return fmean(bool(row.is_right) for row in rows if row.is_right is not None)


def bound(gate: Gate) -> str:
    """Say the bound of a gate."""
    return f"{'at most' if gate.is_most else 'at least'} {gate.bound:g}"
