"""`signoff incidents replay`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from cyclopts import Parameter

from cli.client import DATA, Data, incident_path, server
from cli.commands.incidents import Output
from cli.errors import Exit, HintedError

Flag = Annotated[bool, Parameter(negative=())]


def replay(
    incident: str, *, diff: Flag = False, causes: Path | None = None, data: Data = DATA, output: Output = "table"
) -> int:
    """Run the evidence of each investigation of an incident through today's engine; the same evidence, the same bytes.

    A model is not asked again: in every step, answers and the summary included, it says what it said. Exit code 1 when
    something comes out differently: engine, catalogue, calibrator, or what the model would be asked, are others than
    they were.

    Parameters
    ----------
    incident
        Its id, or any unique beginning of it.
    diff
        Print what differs.
    causes
        The folder of a catalogue of yours, instead of the shipped one.
    """
    from cli.diagnosis import rerunner
    from cli.output import write, write_one
    from cli.rerunning import as_it_was, differences, is_same, rerun

    client = server(data)
    known = client.get(f"{incident_path(incident)}/investigations")
    if not known:
        raise HintedError(
            f"nothing that {incident} rests on is kept any more, or nobody has investigated it",
            Exit.USAGE,
            ("full data are kept for 30 days; what was concluded", f"signoff incidents show {incident}"),
        )
    told, again = [], rerunner(causes)
    for name in known:
        kept = client.get(f"/api/evidence/{quote(name)}")
        before, now = as_it_was(kept), rerun(kept, *again)
        same, steps = is_same(before, now), [*now.get("steps", ())]
        told.append({"investigation": name, "same": same, "steps": steps, "differences": differences(before, now)})
    if output == "table":
        for one in told:
            of = f" ({', '.join(one['steps'])})" if one["steps"] else ""
            write(f"{one['investigation']}{of}: {'the same, byte for byte' if one['same'] else 'differs now'}")
            write(*(f"  {line}" for line in one["differences"] if diff))
    else:
        write_one({"incident": incident, "investigations": told}, output)
    return Exit.DONE if all(one["same"] for one in told) else Exit.FAILED
