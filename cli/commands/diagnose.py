"""`signoff diagnose`."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from cli.commands.incidents import Output
from cli.diagnosis import EngineName
from cli.project import FIXTURES


def diagnose(case: str, *, engine: EngineName = "offline", output: Output = "table") -> None:
    """Say what is wrong in a scenario or a case file. Needs no server and writes nothing.

    Parameters
    ----------
    case
        A scenario (its world five minutes after the first alert), or a file with an `rca-case/1`, plain or gzip.
    engine
        Who diagnoses: code alone, or a model beside it; `recorded` replays stored replies.
    """
    from cli.diagnosis import conclude_case
    from cli.output import write_json, write_line

    conclusion = conclude_case(_case(case), engine)
    if output == "table":
        _tell(conclusion.model_dump(mode="json"))
        return
    shown = conclusion.model_dump(mode="json")
    (write_json if output == "json" else write_line)({**shown["result"], "evidence": shown["evidence"]})


def _case(name: str) -> Mapping[str, Any]:
    from shared.errors import NotFoundError
    from simulation.scenario import load_scenario, scenario_names

    names = scenario_names(FIXTURES)
    path = Path(name)
    if name in names:
        from simulation.case import case_of

        return case_of(load_scenario(FIXTURES, name))
    if path.is_file():
        from cli.case_files import read_object

        return read_object(path)
    near = get_close_matches(name, [*names, *(str(p) for p in path.parent.glob("*") if p.is_file())], n=3)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"scenarios are: {', '.join(names) or 'none'}"
    raise NotFoundError(f"no scenario and no file {name!r}; {hint}")


def _tell(conclusion: Mapping[str, Any]) -> None:
    from cli.explaining import made_by
    from cli.output import show, write
    from shared.incident.numbers import percent

    result = conclusion["result"]
    write(result["statement"])
    write(f"{result['status'].replace('_', ' ')}, confidence {percent(result['confidence'])}")
    for told in made_by(result):
        write(told)
    if result["causes"]:
        write("")
        rows = [{**cause, "confidence": percent(cause["confidence"])} for cause in result["causes"]]
        show(rows, ("cause", "entity", "confidence", "cites"), "table")
    for heading, name in (("Findings", "findings"), ("Ruled out", "ruled_out")):
        if result[name]:
            write("", heading)
        for item in result[name]:
            write(f"  {item['statement']}  [{', '.join(item['cites'])}]")
    for heading, name in (("Missing", "missing"), ("Next checks", "next_checks")):
        if result[name]:
            write("", heading)
        for text in result[name]:
            write(f"  {text}")
    write("", "Evidence")
    for item in conclusion["evidence"]:
        write(f"  {item['id']}  {item['summary']}")
