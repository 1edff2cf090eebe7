"""What people are told of an incident in a channel: one message, edited in place."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from services.notifier.domain import wording
from services.notifier.domain.overview import Overview
from shared.incident.model import is_simulated
from shared.incident.numbers import percent

TEXT_MAX = 600


class Notice(BaseModel):
    """One version of the message. `line` goes to the thread, where people hear of it, when there is a new `stage`."""

    model_config = ConfigDict(frozen=True)

    text: str
    fields: dict[str, str]
    link: str
    simulated: bool
    line: str
    stage: str
    """Of the incident, or that a question waits for so long that people are reminded of it."""
    approval: str = ""
    """The question that this version asks."""


def notice(overview: Overview, base_url: str) -> Notice:
    """Return what to tell of an incident now."""
    incident, asked = overview.incident, overview.approval
    stage = wording.stage(overview)
    head = f"{incident.id} · {incident.severity.value.upper()} · {stage}"
    text = f"Approve? {asked.title} ({head})" if asked else f"{head} · {incident.title}"
    reminded = overview.reminded if asked else ""
    fields = {"Incident": incident.title, "Stage": stage, "Services": ", ".join(incident.services) or "-"}
    if overview.cause and overview.diagnosis in wording.NO_CAUSE:
        fields["Diagnosis"] = wording.cause(overview)
    elif overview.cause:
        fields["Likely cause"] = f"{overview.cause} ({percent(overview.confidence)})"
    if asked:
        fields["What will happen"] = asked.impact or asked.title
        fields["Risk"] = f"{wording.risk(asked.risk)}, {'' if asked.reversible else 'not '}reversible"
        fields |= {"Reminder": reminded} if reminded else {}
        fields["Expires"] = f"{asked.expires_at:%H:%M:%S} UTC"
    if overview.verified:
        fields["Verification"] = overview.verified
    path = f"/a/{asked.id}" if asked else f"/i/{incident.id}"
    return Notice(
        text=text[:TEXT_MAX],
        fields={name: value[:TEXT_MAX] for name, value in fields.items()},
        link=base_url.rstrip("/") + path,
        simulated=is_simulated(incident.environment),
        line=f"{head} · {reminded}" if reminded else head,
        stage=f"{incident.stage.value}, reminded" if reminded else incident.stage.value,
        approval=asked.id if asked else "",
    )
