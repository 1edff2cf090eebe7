"""The fold from a journal to everything the detail page and the API show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydantic import ValidationError

from services.notifier.domain import approvals, detail, executions
from services.notifier.domain.detail import Detail, Take
from services.notifier.domain.overview import apply
from shared.events.approvals import ApprovalDecisionRefused
from shared.events.registry import EVENTS
from shared.lifecycle.timeline import Told, entry

_TAKES: Mapping[str, Take] = {**detail.TAKES, **approvals.TAKES, **executions.TAKES}


def fold(events: Iterable[Told], *, incident_id: str, environment: str) -> Detail:
    """Return the incident of a journal. Total: an unreadable body still has its line in the timeline."""
    found = Detail()
    for event in events:
        found.overview = apply(found.overview, event, incident_id=incident_id, environment=environment)
        found.first.setdefault(event.type, event.time)
        line = entry(event)
        if line is not None:
            found.timeline.setdefault(line.id, line)
        _rule(found, event)
        _take(found, event)
    return found


def _take(found: Detail, event: Told) -> None:
    take = _TAKES.get(event.type)
    if take is None:
        return
    try:
        body = EVENTS[event.type].read(event.body)
    except ValidationError:
        return
    take(body, found, event)


def _rule(found: Detail, event: Told) -> None:
    """A decision is answered by the event that names it, or that it caused; a vote may be refused after it counted."""
    for decision_id in (event.body.get("decision_id"), event.causation):
        decision = found.decisions.get(str(decision_id))
        lapsed = event.type == ApprovalDecisionRefused.type and bool(event.body.get("actor"))
        if decision is not None and (not decision["ruling"] or lapsed):
            decision["ruling"] = event.type
            decision["why"] = str(event.body.get("detail") or event.body.get("why") or "")
