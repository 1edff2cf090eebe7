"""Runs a suite through the engine and writes what came of it: `report.json` and `report.html`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from cli.project import FIXTURES
from services.diagnoser.engines.evaluation.gates import Gate, Judged, calibration, gates, judge, reliability
from services.diagnoser.engines.evaluation.predictions import Expected

Suite = Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Diagnosis: {suite}</title>
<style>body{{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem}}
table{{border-collapse:collapse;margin:1rem 0}}td,th{{text-align:left;padding:.2rem .8rem;border-bottom:1px solid #ddd}}
.no{{color:#b00020;font-weight:600}}</style>
<h1>Diagnosis: {suite}</h1><p>Engine {engine}, catalogue {catalogue}.</p>
<h2>Gates</h2>{gates}<h2>Reliability</h2>{reliability}
<h2>Since the last report</h2>{changed}<h2>Cases</h2>{cases}</html>
"""


def shipped_suite() -> Suite:
    """Return each shipped scenario as a case, with what its folder says is true of it."""
    from cli.case_files import read_object
    from simulation.case import case_of
    from simulation.scenario import load_scenario, scenario_names

    for name in scenario_names(FIXTURES):
        truth = FIXTURES / name / "expected.json"
        if truth.is_file():
            yield case_of(load_scenario(FIXTURES, name)), {"case_id": name, **read_object(truth)}


def run_suite(cases: Suite) -> tuple[list[Judged], Mapping[str, str]]:
    """Return what was said of each case, held against the truth, and what said it."""
    from services.diagnoser.domain.case import read_case
    from services.diagnoser.engines.offline.catalogue import load_catalogue
    from services.diagnoser.engines.offline.engine import VERSION, diagnose

    catalogue = load_catalogue()
    rows = []
    for value, truth in cases:
        case = read_case(value)
        rows.append(judge(case, Expected.model_validate(truth), diagnose(case, catalogue)))
    return rows, {"engine": f"offline {VERSION}", "catalogue": catalogue.sha256[:12]}


def report(suite: str, rows: Sequence[Judged], stamp: Mapping[str, str]) -> dict[str, Any]:
    """Return the report as data."""
    return {
        "suite": suite,
        **stamp,
        "gates": [
            {"gate": gate.name, "value": round(gate.value, 4), "bound": bound(gate), "passed": gate.is_passed}
            for gate in gates(rows)
        ],
        "calibration_error": round(calibration(rows), 4),
        "reliability": reliability(rows),
        "cases": [row.row() for row in rows],
    }


def bound(gate: Gate) -> str:
    """Say the bound of a gate."""
    return f"{'at most' if gate.is_most else 'at least'} {gate.bound:g}"


def write_report(folder: Path, found: Mapping[str, Any], changed: Sequence[str]) -> None:
    """Write the report as data and as a page."""
    import orjson

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2) + b"\n")
    page = PAGE.format(
        suite=escape(str(found["suite"])),
        engine=escape(str(found["engine"])),
        catalogue=escape(str(found["catalogue"])),
        gates=_table(found["gates"]),
        reliability=_table(found["reliability"]),
        changed="".join(f"<p>{escape(text)}</p>" for text in changed) or "<p>Nothing.</p>",
        cases=_table(found["cases"]),
    )
    (folder / "report.html").write_text(page, encoding="utf-8")


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return "<p>None.</p>"
    head = "".join(f"<th>{escape(str(name))}</th>" for name in rows[0])
    body = "".join(f"<tr>{''.join(_cell(value) for value in row.values())}</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _cell(value: object) -> str:
    if value is False:
        return '<td class="no">no</td>'
    shown = "yes" if value is True else f"{value:.3f}" if isinstance(value, float) else value
    return f"<td>{escape(', '.join(map(str, shown)) if isinstance(shown, list) else str(shown))}</td>"
