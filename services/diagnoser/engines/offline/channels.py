"""What kind of thing a metric measures, told from its name and unit alone, in the dialects of many tools."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from services.diagnoser.domain.case import CaseSeries

Direction = Literal["up", "down", "both"]

_DIRECTIONS: Mapping[str, Direction] = {"up": "up", "down": "down", "both": "both"}
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+(?=[a-z]{4})|\d+[a-z]*")
_LABELS = re.compile(r"\{.*\}")
_SHARE_UNITS = frozenset({"%", "percent", "pct"})
_SHARE_WORDS = frozenset({"percent", "pct", "percentage", "utilization", "utilisation"})
_RATIO_UNITS = frozenset({"ratio", "fraction"})
_TIME_UNITS = frozenset({"s", "ms", "us", "ns", "seconds", "milliseconds", "microseconds", "second", "millisecond"})
_GOOD_WORDS = (
    "free freeable avail available availability usable success successful hit hits idle uptime up heartbeat healthy "
    "ready apdex credit balance consumers left remaining expiry ok sr rr"
)
_GOOD = frozenset(_GOOD_WORDS.split())
_BAD = frozenset({"unhealthy", "unavailable", "notready", "messagesready"})
"""What turns a good word round."""


@dataclass(frozen=True, slots=True)
class Channel:
    """A kind of measurement: words that name it, and from where on a change of it matters."""

    name: str
    words: frozenset[str]
    relative: float
    """The smallest change that matters, as a share of the normal level."""
    share: float = 0.0
    """As `relative`, in points of a percentage."""
    without: frozenset[str] = frozenset()
    harmful: Direction = "up"


def _channel(name: str, words: str, relative: float, share: float = 0.0, **more: str) -> Channel:
    harmful: Direction = "both" if more.get("harmful") == "both" else "up"
    return Channel(
        name, frozenset(words.split()), relative, share, frozenset(more.get("without", "").split()), harmful=harmful
    )


CHANNELS = (
    _channel("clock", "clock ntp skew drift timex", 0.5),
    _channel("dns", "dns nxdomain servfail resolver", 0.3),
    _channel("tls", "tls ssl certificate cert handshake", 0.3, without="handshakes"),
    _channel(
        "cache",
        "cache eviction evictions evicted hitrate hitratio keyspace cachehits cachemisses",
        0.1,
        5.0,
        without="latency duration memory mem",
    ),
    _channel("locks", "lock locks deadlock deadlocks blocked", 0.3),
    _channel("retries", "retry retries", 0.3),
    _channel("gc", "gc garbage", 0.3),
    _channel("restarts", "restart restarts crash crashes oomkill oomkills", 0.5),
    _channel(
        "disk_io",
        "iops diskio diskqueue readlatency writelatency readthroughput writethroughput iowait await iotime ioutil "
        "burstbalance diskread diskreads diskwrite diskwrites fsread fsreads fswrite fswrites writetime readtime",
        0.3,
    ),
    _channel(
        "disk",
        "disk filesystem fs storage volume inode inodes",
        0.03,
        1.5,
        without="io iops queue latency throughput read write reads writes util time",
    ),
    _channel("memory", "memory mem rss heap swap workingset oldgen", 0.06, 3.0, without="bandwidth"),
    _channel(
        "cpu",
        "cpu processor load1 load5 load15 load1m load5m load15m loadavg loadaverage averageload systemload nodeload",
        0.15,
        4.0,
        without="memory balancer",
    ),
    _channel(
        "errors",
        "error errors err fail failed failure failures exception exceptions 4xx 5xx availability success timeout "
        "timeouts rejected aborted fault faults up heartbeat throttles throttledrequests healthy unhealthy apdex "
        "circuitbreaker unavailable replicasavailable replicasready availablereplicas readyreplicas notready "
        "statusready unauthorized forbidden denied panics 401 403 404 429 500 502 503 504 sr rr",
        0.2,
        0.3,
        without="receive transmit rx tx",
    ),
    _channel(
        "connections",
        "connection connections pool threads fd fds descriptors socket sockets sockstat ports goroutines backends "
        "numbackends statactivity clients processes procs activerequests activesessions sessionsactive inflight "
        "concurrency concurrentexecutions established inuse timewait",
        0.15,
        4.0,
        without="wait",
    ),
    _channel(
        "queue",
        "queue lag behind backlog pending depth unacked overflow oldestmessage messagesvisible messagesready "
        "iteratorage deadletter dlq",
        0.3,
    ),
    _channel(
        "latency",
        "latency lat duration responsetime resptime response delay gap wait elapsed mrt rrt rt rqtime slowqueries",
        0.15,
        without="size",
    ),
    _channel(
        "network",
        "network net rtt packets packet loss retransmits retransmit retrans dropped bandwidth receive transmit rx tx",
        0.2,
        without="request requests commands",
    ),
    _channel(
        "traffic",
        "request requests rate rps qps tps ops workload throughput hits calls invocations sessions queries commands "
        "transactions messagesin perminute persecond load",
        0.1,
        harmful="both",
    ),
)
OTHER = Channel("other", frozenset(), 0.25, 5.0, harmful="both")
LATENCY = next(channel for channel in CHANNELS if channel.name == "latency")
RESOURCES = frozenset({"cpu", "memory", "disk", "disk_io", "gc"})
"""Channels that belong to a machine or process rather than to the traffic through it."""
HARMS = frozenset({"errors", "latency", "restarts"})
"""Channels in which those who depend on an entity feel it."""
FELT = frozenset({"latency", "errors"})
"""Channels whose harm travels from whoever is called to whoever calls."""
ACTIVE = HARMS | RESOURCES | {"cache", "clock", "connections", "dns", "locks", "network", "queue", "retries", "tls"}
"""Channels in which a shift is trouble by itself; more or less traffic is not."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """How to read one series."""

    channel: Channel
    direction: Direction
    """Which way harm lies."""
    is_share: bool
    """Whether it is a percentage or ratio of a whole."""
    full: float | None
    """The value at which nothing is left; None when unknown. Zero for what counts the rest that is free."""

    def floor(self, level: float) -> float:
        """Return the smallest change that matters. Of what should be whole, a few points do, whatever the level."""
        points = self.channel.share * (self.full / 100.0 if self.full else 1.0) if self.is_share else 0.0
        if points and self.direction == "down":
            return points
        return max(self.channel.relative * abs(level), points, 1e-9)

    def used(self, value: float) -> float | None:
        """Return the share of the capacity in use, or None when the capacity is unknown."""
        if not self.full:
            return None
        share = value / self.full
        return 1.0 - share if self.direction == "down" else share


def words_of(name: str) -> set[str]:
    """Return the words of a metric's name in lower case, and each two neighbours joined."""
    words = [word.lower() for word in _WORDS.findall(_LABELS.sub("", name))]
    return {*words, *(a + b for a, b in pairwise(words))}


def meaning(series: CaseSeries) -> Meaning:
    """Return what a series measures and which way harm lies."""
    words, unit = words_of(series.name), series.unit.lower()
    channel = next((c for c in CHANNELS if words & c.words and not words & c.without), None)
    if channel is None or channel.name == "traffic":
        is_time = unit in _TIME_UNITS or any(re.fullmatch(r"p\d\d+", word) for word in words)
        channel = LATENCY if is_time else channel or OTHER
    is_share = unit in _SHARE_UNITS | _RATIO_UNITS or bool(words & _SHARE_WORDS) or "%" in series.name
    full = series.limit or ((1.0 if unit in _RATIO_UNITS else 100.0) if is_share else None)
    return Meaning(channel, _harm(series, channel, words), is_share, full)


def _harm(series: CaseSeries, channel: Channel, words: set[str]) -> Direction:
    if words & _GOOD and not words & _BAD and channel.harmful == "up":
        return "down"
    told = _DIRECTIONS.get(series.harmful)
    if told is not None and (channel.harmful != "both" or told == "down"):
        return told
    return channel.harmful
