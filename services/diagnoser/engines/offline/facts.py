"""Facts as systems state them: pools, certificates, clocks, pods, events. Each is bad or fine, and current or past.

The kinds are the words of the catalogue.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_TROUBLE = (
    "certificate_expired clock_off config_missing connections_exhausted crash_loop disk_full image_missing "
    "instance_down network_trouble no_endpoints node_down node_pressure oom_killed pods_not_ready pool_exhausted "
    "ports_exhausted probe_failing quota_exhausted replica_lag slo_burning unschedulable volume_missing"
)
SERIOUS = frozenset(_TROUBLE.split())
"""Kinds that are trouble by themselves."""
_OTHERS = (
    "backup_running dominant_statement failed_over monitor_alerting planned_work provider_outage quota_reached "
    "restarting scaled_to_zero scaling_limited waits_on_cpu waits_on_io waits_on_lock waits_on_wal"
)
KINDS = SERIOUS | frozenset(_OTHERS.split())
OF_NODES = frozenset({"node_down", "node_pressure"})
"""Kinds that only a machine has."""

_EVENTS = r"""
volume_missing unbound immediate persistentvolumeclaim|provisioningfailed|failedattachvolume|failedbinding
quota_reached exceeded quota
oom_killed oom.?kill|out of memory|memory limit exceeded
image_missing imagepull|errimage|pull.{0,20}image|image .{0,60}not found
config_missing createcontainerconfig|(secret|configmap|serviceaccount).{0,60}not found|permission denied
config_missing access ?denied|forbidden
unschedulable failedscheduling|unschedulable|insufficient (cpu|memory)
probe_failing (liveness|readiness|startup) probe failed|unhealthy
crash_loop crashloop|back-?off restarting
node_down node.{0,40}(not ?ready|unreachable|down|lost|terminated|reboot)|nodenotready
node_pressure (memory|disk|pid) ?pressure|evict
certificate_expired certificate.{0,60}(expired|renewal failed|not renewed)|x509.{0,40}expired
replica_lag replica(tion)?.{0,30}\blag|falling behind
failed_over fail-?over|failed over|promot(ed|ion)
disk_full (storage|disk|volume).{0,30}(\bfull\b|exhaust)|no space left|(storage|disk).{0,40}\blow\b
disk_full out of (free |disk |storage )?(disk|storage|space)|insufficient (disk|storage)
disk_full consumed.{0,30}storage
connections_exhausted too many (connections|clients|sessions)|connection slots|max_connections
connections_exhausted connections\b.{0,60}\b(maximum|limit|exhaust\w*)
connections_exhausted (maximum|limit|exhaust\w*)\b.{0,60}\bconnections\b|new connections?.{0,20}(refused|rejected)
connections_exhausted no (more )?connections accepted
quota_exhausted quota.{0,40}(exceeded|exhausted|reached)|rate limit|throttl
network_trouble packet loss|partition|link (flap|down)|network.{0,40}(degraded|loss|unreachable|latency)|bgp|mtu
scaling_limited (max|maximum).{0,30}(replicas|size|capacity).{0,20}(reached)?|scaling limited|unable to scale
provider_outage outage|degraded|partial|disruption|investigating|identified
backup_running backup|snapshot|vacuum
"""
_MEANINGS = [
    (kind, re.compile(words, re.IGNORECASE))
    for kind, words in (line.split(" ", 1) for line in _EVENTS.split("\n")[1:-1])
]
"""What words of events mean; the first that fits counts."""
_BY_EVENT_KIND = {"backup": "backup_running", "status_page": "provider_outage"}
OVER = re.compile(
    r"(?i)\b(recovered|resolved|completed?|finished|succeeded|successful(ly)?|restored|is available|operational|renewed"
    r"|now (running|ready)|back to normal|joined|renewal ok)\b|\bnode ready\b"
)
_POD_SUFFIX = re.compile(r"(-[a-f0-9]{6,10}|-[bcdfghjklmnpqrstvwxz2456789]{6,10})?-[a-z0-9]{4,5}$|-\d{1,3}$")


@dataclass(frozen=True, slots=True)
class Fact:
    """One statement of a system about a part of it. `at` is epoch seconds, None when it does not say."""

    number: int
    kind: str
    entity: str
    text: str
    is_bad: bool
    is_current: bool = True
    at: float | None = None
    peer: str = ""
    """Whom else it is about: the database of a pool, the interface of a quota."""
    is_event: bool = False
    is_text: bool = False
    """Whether its meaning was read from words of people, as with events, and not from a field."""

    @property
    def counts(self) -> bool:
        """Whether it tells of trouble that there is now."""
        return self.is_bad and self.is_current


def items(value: object) -> list[Mapping[str, Any]]:
    """Return the objects of a list; of anything else none."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def word(item: Mapping[str, Any], key: str) -> str:
    """Return the text of a field, or nothing."""
    value = item.get(key)
    return value if isinstance(value, str) else ""


def brief(value: float | None) -> str:
    """Return a number in three digits."""
    return f"{value or 0.0:.3g}"


def instances(ready: float | None, wanted: float | None, which: str = "") -> str:
    """Say how many instances are ready; `which` names it when it is about one."""
    return f"{brief(ready)} of {brief(wanted)} instances ready{f': {which}' if which else ''}"


def event(entity: str, text: str, kind: str, at: float | None) -> Fact:
    """Return what an event tells, read from its words; its kind is empty when they are not understood.

    What has changed over has not gone back when that is complete.
    """
    said = next((name for name, words in _MEANINGS if words.search(text)), "")
    name = _BY_EVENT_KIND.get(kind, said)
    is_over = name != "failed_over" and OVER.search(text) is not None
    told = f"{name.replace('_', ' ')}{' is over' if is_over else ''}, says an event"
    return Fact(0, name, entity, told, not is_over, at=at, is_event=True, is_text=True)


def behind_its_name(entity: str, *, is_empty: bool) -> Fact:
    """Return that no instance answers for a name, or that some do."""
    return Fact(0, "no_endpoints", entity, f"{'no' if is_empty else 'some'} instance behind its name", is_empty)


def workload(pod: str) -> str:
    """Return the name of what a pod is an instance of."""
    return _POD_SUFFIX.sub("", pod.rsplit("/", maxsplit=1)[-1])
