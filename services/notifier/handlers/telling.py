"""Channels: one message for an incident and a channel, always the newest version, and the word that it was posted."""

from __future__ import annotations

from services.notifier.domain.notice import notice
from services.notifier.handlers.incident_state import ChannelState, Turn
from shared.events.approvals import ApprovalRequested
from shared.events.people import NoticePosted
from shared.store.model import Activity, Message, Row

POST = "post"
LEASE = 60.0


ROW = "notice"
"""The row that holds the newest version."""


def tell(turn: Turn) -> None:
    """Make a new version if there is something new to tell, and see that each channel gets the newest."""
    state = turn.state
    if state.overview is None:
        return
    newest = notice(state.overview, turn.config.base_url).model_dump(mode="json") if turn.written else state.notice
    if newest != state.notice:
        state.notice = newest
        state.version += 1
        turn.decision.rows[ROW] = Row({"version": state.version, "notice": newest})
        for name in turn.config.channels(state.environment):
            state.channels.setdefault(name, ChannelState())
    for name, channel in state.channels.items():
        if not channel.activity and channel.posted < state.version:
            _start(turn, name, channel)


def _start(turn: Turn, name: str, channel: ChannelState) -> None:
    state = turn.state
    channel.activity = f"{state.id}/{name}/{state.version}"
    args = {"incident": state.id, "environment": state.environment, "channel": name, "stage": channel.stage}
    turn.decision.activities.append(Activity(id=channel.activity, name=POST, args=args, lease=LEASE))


def posted(turn: Turn, message: Message) -> None:
    """A post ended. A channel that refused this version gets the next one."""
    state = turn.state
    found = next((item for item in state.channels.items() if item[1].activity == message.body["id"]), None)
    if found is None:
        return
    name, channel = found
    channel.activity = ""
    result = message.body["result"]
    if "error" in result:
        channel.posted = state.version
        turn.decision.audit.append({"what": "post_failed", "channel": name, **result["error"]})
        return
    channel.posted = result["version"]
    channel.stage = result["stage"]
    approval = result["approval"]
    if approval and approval not in channel.told:
        channel.told.append(approval)
        _say(turn, approval, caused_by=message.id)


def _say(turn: Turn, approval: str, *, caused_by: str) -> None:
    """Tell the executor where people have been told of its question so far."""
    state = turn.state
    channels = tuple(name for name, channel in state.channels.items() if approval in channel.told)
    payload = NoticePosted(approval_id=approval, channels=channels)
    event_id = f"notifier/notice/{approval}/{len(channels)}"
    state.notices[approval] = {"id": event_id, "body": payload.model_dump(mode="json")}
    turn.emit(payload, event_id=event_id, causation=caused_by)


def asked_again(turn: Turn, message: Message) -> None:
    """The executor asks again whether people were told: give the same answer again."""
    resend = int(message.meta.get("resend", "0"))
    if not resend or message.type != ApprovalRequested.type:
        return
    said = turn.state.notices.get(str(message.body.get("approval_id")))
    if said is not None:
        turn.emit(NoticePosted.read(said["body"]), event_id=said["id"], resend=resend)
