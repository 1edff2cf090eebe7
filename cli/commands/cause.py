"""`signoff cause ...`: the catalogue of causes. Local; needs no server."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.client import DATA, Data
from cli.commands.incidents import Output
from shared.incident.model import LIVE
from shared.incident.numbers import percent

if TYPE_CHECKING:
    from services.diagnoser.engines.offline.catalogue import Catalogue, Signal


def list_(*, causes: Path | None = None, environment: str = LIVE, data: Data = DATA, output: Output = "table") -> None:
    """List all causes, and how often each was right where people gave verdicts.

    Parameters
    ----------
    causes
        A folder of YAML files to read instead of the shipped catalogue.
    environment
        Whose verdicts; they are read from the server that runs, and left out when none does.
    """
    from cli.output import show as show_rows

    judged = {row["cause"]: row for row in _reliability(data, environment)}
    rows = [
        {"cause": one.id, "title": one.title, "applies_to": one.applies_to, "refines": one.refines}
        | {"judged": judged.get(one.id), "verdicts": _told_verdicts(judged.get(one.id))}
        for one in _load(causes).causes
    ]
    columns = ("cause", "title", "applies_to", "refines", *(["verdicts"] if judged else []))
    show_rows(rows, columns, output)


def show(cause: str, *, causes: Path | None = None, output: Output = "table") -> None:
    """Show one cause."""
    from cli.output import write, write_one
    from services.diagnoser.engines.offline.catalogue import by_id
    from shared.errors import NotFoundError

    known = by_id(_load(causes).causes)
    if cause not in known:
        near = get_close_matches(cause, known, n=2)
        hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else "; see `signoff cause list`"
        raise NotFoundError(f"no cause {cause!r}{hint}")
    one = known[cause]
    if output != "table":
        write_one(one.model_dump(mode="json", exclude_defaults=True), output)
        return
    write(
        one.title,
        f"{one.category}, of a {' or '.join(one.applies_to)}, log-odds {one.weight:g} before anything is seen",
    )
    if one.change:
        write(f"after a {' or '.join(one.change.kinds)} at most {one.change.horizon_minutes:g} min before it began")
    for heading, signals in (
        ("Needed", one.required),
        ("Speaks for it", one.optional),
        ("Speaks against it", one.contra),
    ):
        write(*([""] if signals else []), *([heading] if signals else []))
        for signal in signals:
            write(f"  {' or '.join(_told(way) for way in signal.ways)}")
    write("", "What a person may do")
    for action in one.actions:
        undo = "can be undone" if action.reversible else "cannot be undone"
        write(f"  {action.do} (risk {action.risk}, {undo}); then: {action.verify}")
    write(*(["", "Never"] if one.never else []))
    for never in one.never:
        write(f"  {', '.join(never.verbs)}: {never.why}")
    write("", "How to tell it from")
    for check in one.checks:
        write(f"  {check.against}: {check.check}")


def lint(*, causes: Path | None = None) -> int:
    """Check all files: shape, patterns, channels, facts, checks. Exit code 1 when something is wrong."""
    from cli.output import say, write
    from services.diagnoser.engines.offline.catalogue import problems

    catalogue = _load(causes)
    found = problems(catalogue)
    write(*found)
    say(f"{len(catalogue.causes)} causes, {len(found)} problems, sha256 {catalogue.sha256[:12]}")
    return 1 if found else 0


def _reliability(data: Path, environment: str) -> list[dict[str, Any]]:
    """Return what people's verdicts say, nothing when no server runs."""
    from cli.client import server
    from cli.errors import HintedError
    from shared.errors import UnavailableError

    try:
        found: list[dict[str, Any]] = server(data).get("/api/causes/reliability", environment=environment)
    except (HintedError, UnavailableError):
        return []
    return found


def _told_verdicts(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return ""
    capped = f", at most {percent(row['most'])}" if row["most"] is not None else ""
    return f"said {percent(row['said'])}, was right {row['right']} of {row['judged']}{capped}"


def _load(folder: Path | None) -> Catalogue:
    from services.diagnoser.engines.offline.catalogue import CAUSES, load_catalogue

    return load_catalogue(folder or CAUSES)


def _told(signal: Signal) -> str:
    what = f"log /{signal.log}/" if signal.log else " or ".join(signal.channel or signal.fact).replace("_", " ")
    named = f" named /{signal.named}/" if signal.named else ""
    shape = "" if signal.shape == "any" else f" {signal.shape}"
    side = "" if signal.direction == "harmful" else f" {signal.direction}"
    above = f" from {percent(signal.above)}" if signal.above else ""
    where = "" if signal.where == "self" else f" at {signal.where}"
    return f"{what}{named}{side}{shape}{above}{where} ({signal.weight:g})"
