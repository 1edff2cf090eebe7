"""The report of a suite as a page: no script, no library, the same bytes for the same report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

SIZE, EDGE = 260, 34
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Diagnosis: {suite}</title>
<style>body{{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:90rem;padding:0 1rem;color:#1d2330}}
table{{border-collapse:collapse;margin:1rem 0;font-variant-numeric:tabular-nums}}
td,th{{text-align:left;vertical-align:top;padding:.25rem .8rem;border-bottom:1px solid #dde1e8}}
th{{color:#5a6475;font-weight:600}}.no{{color:#b00020;font-weight:600}}
svg text{{font-size:11px;fill:#5a6475}}.cases td{{font-size:13px}}</style>
<h1>Diagnosis: {suite}</h1><p>Engine {engine}, catalogue {catalogue}, calibrator {calibrator}; {count} cases.</p>
<h2>Gates</h2>{gates}
<h2>Right, beside guessing without thought</h2>{scores}
<h2>By family</h2>{families}
<h2>Reliability</h2><p>Of the answers with such a confidence, how many were right. A point below the line claims too
much, one above it too little; its size is the number of cases.</p>{diagram}{reliability}
{parity}<h2>Since the last report</h2>{changed}
<h2>Cases</h2><div class="cases">{cases}</div></html>
"""


def write_report(folder: Path, found: Mapping[str, Any], changed: Sequence[str]) -> None:
    """Write the report as data and as a page."""
    import orjson

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2) + b"\n")
    (folder / "report.html").write_text(page(found, changed), encoding="utf-8")


def page(found: Mapping[str, Any], changed: Sequence[str]) -> str:
    """Return the page."""
    sides = found.get("parity", ())
    plain = {name: escape(str(found[name])) for name in ("suite", "engine", "catalogue", "calibrator")}
    return PAGE.format(
        **plain,
        count=len(found["cases"]),
        gates=table(found["gates"]),
        scores=table(found["scores"]),
        families=table(found["families"]),
        diagram=diagram(found["reliability"]),
        reliability=table(found["reliability"]),
        parity=f"<h2>Engines side by side</h2>{table(sides)}" if sides else "",
        changed="".join(f"<p>{escape(text)}</p>" for text in changed) or "<p>Nothing.</p>",
        cases=table(found["cases"]),
    )


def diagram(bands: Sequence[Mapping[str, float]]) -> str:
    """Return confidence against the share that was right, as a drawing."""
    most = max((band["cases"] for band in bands), default=1)
    span = SIZE - 2 * EDGE
    points = []
    for band in bands:
        x, y = EDGE + span * band["confidence"], SIZE - EDGE - span * band["right"]
        radius = 3 + 8 * (band["cases"] / most) ** 0.5
        told = f"{band['cases']:.0f} cases, confidence {band['confidence']:.2f}, right {band['right']:.2f}"
        points.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="#2f6fde" fill-opacity=".65">'
            f"<title>{told}</title></circle>"
        )
    ticks = "".join(
        f'<text x="{EDGE + span * n / 4:.1f}" y="{SIZE - EDGE + 16}" text-anchor="middle">{n / 4:.2f}</text>'
        f'<text x="{EDGE - 6}" y="{SIZE - EDGE - span * n / 4 + 4:.1f}" text-anchor="end">{n / 4:.2f}</text>'
        for n in range(5)
    )
    low, high = EDGE, SIZE - EDGE
    return (
        f'<svg role="img" aria-label="Reliability diagram" width="{SIZE * 1.5:.0f}" viewBox="0 0 {SIZE} {SIZE}">'
        f'<rect x="{low}" y="{low}" width="{span}" height="{span}" fill="none" stroke="#c4cad4"/>'
        f'<line x1="{low}" y1="{high}" x2="{high}" y2="{low}" stroke="#8a93a3" stroke-dasharray="4 4"/>'
        f'{ticks}<text x="{SIZE / 2}" y="{SIZE - 2}" text-anchor="middle">confidence</text>'
        f'<text x="{low}" y="{low - 10}">right</text>{"".join(points)}</svg>'
    )


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as a table; the first one names the columns."""
    if not rows:
        return "<p>None.</p>"
    head = "".join(f"<th>{escape(str(name).replace('_', ' '))}</th>" for name in rows[0])
    body = "".join(f"<tr>{''.join(_cell(value) for value in row.values())}</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _cell(value: object) -> str:
    if value is False:
        return '<td class="no">no</td>'
    shown = "yes" if value is True else "" if value is None else f"{value:.3f}" if isinstance(value, float) else value
    if isinstance(shown, list | tuple):
        return f"<td>{'<br>'.join(escape(str(one)) for one in shown)}</td>"
    return f"<td>{escape(str(shown))}</td>"
