"""Datadog monitors, with the recommended template or the default body of the webhooks integration.

Sources: the vendor's webhooks page for variables and transitions; captured bodies for what the page does not say. The
default body has no monitor id, transition or scope: they are read from the title's brackets and the monitor link. The
title is never a key, because unresolved template variables change it between transitions; only when nothing else
identifies the alert does its bare name serve.
"""

from __future__ import annotations

import functools
import html
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from services.ingest.domain.datadog_title import read_title
from services.ingest.domain.parsed import AlertFound, NotUnderstood, Parsed, total
from services.ingest.domain.reading import (
    DESCRIPTION_MAX,
    LABEL_NAME_MAX,
    LINK_MAX,
    TITLE_MAX,
    epoch,
    labels,
    mapping,
    prose,
    read_json,
    severity,
    word,
)
from services.ingest.domain.trusted import trusted_alert
from shared.incident.alert import fingerprint
from shared.incident.enums import AlertStatus

SOURCE = "datadog"

_ID_LENGTH_MIN = 3
"""Shorter event ids are typing mistakes of a template, such as a literal `ID`."""
_MONITOR_LINK = re.compile(r"https?://[^\s)\"']{0,200}/monitors[/#](\d{1,30})[^\s)\"']{0,800}")
_RECOVERED = ("recovered", "resolved", "ok")
_TAGS_MAX = 20_000
_SCOPE_MAX = 1000
_VALUES_MAX = 500
_TAGS_REMEMBERED = 500


@total
def parse(body: bytes, headers: Mapping[str, str], received_at: datetime) -> Parsed:
    """Return what a Datadog body is."""
    del headers
    fields = read_json(body)
    if not isinstance(fields, dict):
        raise NotUnderstood("not_an_object", "expected one JSON object, as the recommended payload gives")
    if "detail-type" in fields or "detail" in fields:
        raise NotUnderstood("forwarded", "this is an event of a cloud event bus; send webhooks here directly")
    return (_alert(fields, received_at),)


def _alert(fields: Mapping[str, Any], received_at: datetime) -> AlertFound:
    head = read_title(html.unescape(word(fields.get("title"), 2 * TITLE_MAX)))
    text = html.unescape(prose(fields.get("text"), DESCRIPTION_MAX) or prose(fields.get("body"), DESCRIPTION_MAX))
    text = text.replace("%%%", "").strip()
    link = word(fields.get("link"), LINK_MAX) or _link(word(fields.get("body"), 100_000))
    transition = word(fields.get("alert_transition")) or head.transition
    scope = _scope(word(fields.get("alert_scope"), _SCOPE_MAX) or _group(link) or head.group)
    org = word(mapping(fields.get("org")).get("id")) or word(fields.get("org_id"))
    monitor = word(fields.get("alert_id")) or _monitor(link)
    key = _key(org, monitor, scope, word(fields.get("aggreg_key")), head.name)
    if not key:
        raise NotUnderstood("no_identity", "neither monitor id, aggregation key nor title; use the recommended payload")
    tags = _labels(_tags(fields.get("tags")), scope)
    own_time = epoch(word(fields.get("date"))) or epoch(word(fields.get("last_updated")))
    event_id = word(fields.get("id"))
    priority = word(fields.get("alert_priority")) or head.priority
    return AlertFound(
        trusted_alert(
            fingerprint=fingerprint(SOURCE, key),
            source=SOURCE,
            source_key=key,
            cycle=word(fields.get("alert_cycle_key")) or None,
            status=_status(transition, word(fields.get("alert_type"))),
            transition=transition,
            is_test=head.is_test,
            title=(head.name or text.partition("\n")[0] or f"monitor {monitor}")[:TITLE_MAX],
            description=text,
            severity=severity(priority, "warning" if "warn" in transition.lower() else ""),
            services=tuple(sorted(set(tags.get("service", "").split("|")) - {""})),
            host=word(fields.get("hostname")) or tags.get("host", "").partition("|")[0] or None,
            metric=word(fields.get("alert_metric")) or None,
            labels=dict(tags),
            link=link or None,
            occurred_at=own_time or received_at,
            has_own_time=own_time is not None,
        ),
        delivery_key=f"{org}:{event_id}" if len(event_id) >= _ID_LENGTH_MIN else None,
    )


def _status(transition: str, alert_type: str) -> AlertStatus:
    if transition:
        return AlertStatus.RECOVERED if transition.lower().endswith(_RECOVERED) else AlertStatus.FIRING
    return AlertStatus.RECOVERED if alert_type == "success" else AlertStatus.FIRING


def _link(text: str) -> str:
    match = _MONITOR_LINK.search(text)
    return match[0][:LINK_MAX] if match else ""


def _monitor(link: str) -> str:
    match = _MONITOR_LINK.match(link)
    return match[1] if match else ""


def _group(link: str) -> str:
    try:
        query = urlsplit(link).query or urlsplit(link).fragment.partition("?")[2]
    except ValueError:
        return ""
    return unquote(parse_qs(query).get("group", [""])[0])


def _scope(scope: str) -> str:
    """Return a scope in one spelling: parts sorted, lower case, without the "everything" star."""
    parts = {part.strip().lower() for part in scope[:_SCOPE_MAX].split(",")}
    return ",".join(sorted(parts - {"", "*"}))


def _key(org: str, monitor: str, scope: str, aggregate: str, name: str) -> str:
    if monitor:
        return f"monitor:{org}:{monitor}:{scope}"
    if aggregate:
        return f"aggregate:{org}:{aggregate}"
    return f"name:{org}:{name}:{scope}" if name else ""


def _tags(tags: object) -> str:
    """Return the tags as one text; a template may also send them as a list."""
    if isinstance(tags, list):
        return ",".join(word(tag) for tag in tags)[:_TAGS_MAX]
    return word(tags, _TAGS_MAX)


@functools.lru_cache(_TAGS_REMEMBERED)
def _labels(tags: str, scope: str) -> Mapping[str, str]:
    """Return tags as labels; several values of one key are joined by `|`, a tag without value becomes `tag=true`.

    A monitor sends the same tags with each of its alerts, so what they are is remembered.
    """
    found: dict[str, list[str]] = {}
    for tag in [*tags.split(","), *scope.split(",")]:
        name, colon, text = tag.strip().partition(":")
        value = word(text) if colon else "true"
        values = found.setdefault(word(name, LABEL_NAME_MAX + 1), [])
        if value and value not in values:
            values.append(value)
    return labels((name, "|".join(values)[:_VALUES_MAX]) for name, values in found.items())


TEMPLATE = """{
  "id": "$ID",
  "alert_id": "$ALERT_ID",
  "alert_cycle_key": "$ALERT_CYCLE_KEY",
  "aggreg_key": "$AGGREG_KEY",
  "alert_transition": "$ALERT_TRANSITION",
  "alert_type": "$ALERT_TYPE",
  "alert_priority": "$ALERT_PRIORITY",
  "alert_query": "$ALERT_QUERY",
  "alert_scope": "$ALERT_SCOPE",
  "alert_metric": "$ALERT_METRIC",
  "event_type": "$EVENT_TYPE",
  "title": "$EVENT_TITLE",
  "body": "$EVENT_MSG",
  "text": "$TEXT_ONLY_MSG",
  "tags": "$TAGS",
  "hostname": "$HOSTNAME",
  "date": "$DATE",
  "last_updated": "$LAST_UPDATED",
  "link": "$LINK",
  "snapshot": "$SNAPSHOT",
  "org": {"id": "$ORG_ID", "name": "$ORG_NAME"}
}"""
"""The payload to paste into the webhooks integration. Every variable is quoted, so that an empty one stays JSON."""
