"""A made-up system in which something may go wrong: who is there, what is measured, and what is normal."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

NOW = 1_790_000_000.0
STEP = 60.0
BASELINE, WINDOW = 360, 30
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0

Curve = Callable[[float], float]
"""Minutes before now (negative) -> by what the normal level is multiplied."""

Measured = tuple[str, str, float, str, float | None]
"""Role, name of the metric, normal level, unit, capacity."""

NAMES = (
    ("shopwindow", "basket", "tariffs", "dispatch", "ledger", "ledger-copy", "hotset", "parcels", "cardhouse", "box"),
    ("portal", "quotes", "ratings", "mailer", "accounts", "accounts-ro", "memo", "outbox", "weatherly", "vm"),
    ("kiosk", "tickets", "seats", "printer", "bookings", "bookings-b", "quickstore", "jobs", "sms-hub", "rack"),
)


def step(factor: float, minute: float) -> Curve:
    """It is `factor` times its level from `minute` on."""
    return lambda at: factor if at >= minute else 1.0


def ramp(factor: float, minute: float) -> Curve:
    """It grows from `minute` on and is `factor` times its level now."""
    return lambda at: 1.0 + (factor - 1.0) * (at - minute) / -minute if at >= minute else 1.0


def spell(factor: float, start: float, end: float) -> Curve:
    """It is `factor` times its level between two minutes, and normal again since."""
    return lambda at: factor if start <= at < end else 1.0


@dataclass(slots=True)
class Incident:
    """What differs from a normal day. Names are roles: `front`, `cart`, `db`, ..., `host-1` to `host-4`."""

    name: str
    family: str
    root: str = ""
    cause: str = ""
    curves: Mapping[str, Curve] = field(default_factory=dict)
    """`role/metric` -> what becomes of it."""
    lines: Sequence[tuple[str, str, int, str, float]] = ()
    """(role, message, how many, level, minutes before now of the first one)."""
    changes: Sequence[Mapping[str, Any]] = ()
    events: Sequence[Mapping[str, Any]] = ()
    state: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """`role/kind` -> fields that differ."""
    raw: Mapping[str, Any] = field(default_factory=dict)
    alert: tuple[str, str] = ("front", "latency_p95_ms")
    without: Sequence[str] = ()
    """`role/metric` that nobody measures; `*/metric` for nobody at all."""
    decoys: Sequence[str] = ()
    """Ids of changes that must not be called the cause."""
    answer: str = "diagnosed"
    """What an honest answer is: `diagnosed`, `inconclusive` or `no_active_fault`."""
    also: Sequence[str] = ()
    """Other roles at which the cause may rightly be placed."""


class System:
    """One variant of the system: its names and its noise."""

    def __init__(self, variant: int) -> None:
        front, cart, price, worker, db, replica, cache, queue, external, host = NAMES[variant % len(NAMES)]
        self.variant = variant
        self.of = {
            "front": front,
            "cart": cart,
            "price": price,
            "worker": worker,
            "db": db,
            "replica": replica,
            "cache": cache,
            "queue": queue,
            "external": external,
        } | {f"host-{n}": f"{host}-{n}{'abcd'[n - 1]}" for n in range(1, 5)}
        self._metrics = self._measured()

    def _measured(self) -> list[Measured]:
        found: list[Measured] = []
        for role, rate in (("front", 220.0), ("cart", 160.0), ("price", 300.0), ("worker", 40.0)):
            found += [
                (role, "requests_per_s", rate, "req/s", None),
                (role, "error_pct", 0.4, "%", None),
                (role, "latency_p95_ms", 120.0, "ms", None),
                (role, "restarts", 0.02, "count", None),
            ]
        found += [("cart", "gc_pause_ms", 20.0, "ms", None), ("cart", "db_pool_in_use", 9.0, "count", 40.0)]
        found += [("front", "retries_per_s", 1.0, "count", None)]
        for role, peer in (("front", "cart"), ("cart", "price"), ("cart", "external")):
            found += [
                (role, f'client_error_pct{{peer="{self.of[peer]}"}}', 0.3, "%", None),
                (role, f'client_latency_p95_ms{{peer="{self.of[peer]}"}}', 90.0, "ms", None),
            ]
        for n in range(1, 5):
            found += [
                (f"host-{n}", "cpu_pct", 30.0, "%", None),
                (f"host-{n}", "mem_used_pct", 48.0, "%", None),
                (f"host-{n}", "disk_used_pct", 55.0, "%", None),
                (f"host-{n}", "rtt_ms", 0.5, "ms", None),
                (f"host-{n}", "packet_loss_pct", 0.05, "%", None),
                (f"host-{n}", "open_fds", 400.0, "count", 1024.0),
                (f"host-{n}", "dns_errors_per_s", 0.05, "count", None),
            ]
        found += [
            ("db", "query_duration_p95_ms", 8.0, "ms", None),
            ("db", "connections", 60.0, "count", 200.0),
            ("db", "cpu_pct", 25.0, "%", None),
            ("db", "disk_queue_depth", 1.2, "count", None),
            ("db", "locks_waiting", 1.0, "count", None),
            ("db", "disk_used_pct", 50.0, "%", None),
            ("replica", "replication_lag_s", 0.6, "s", None),
            ("cache", "hit_ratio_pct", 92.0, "%", None),
            ("cache", "evictions_per_s", 4.0, "count", None),
            ("queue", "queue_depth", 40.0, "count", None),
            ("queue", "consumed_per_s", 35.0, "count", None),
        ]
        return found

    def case(self, incident: Incident) -> dict[str, Any]:
        """Return the incident as an `rca-case/1`."""
        chance = random.Random(f"{incident.name}/{self.variant}")
        missing = set(incident.without)
        role, metric = incident.alert
        alert = {"id": "a1", "entity": self.of[role], "metric": metric, "at": NOW - 4 * MINUTE, "status": "firing"}
        return {
            "schema": "rca-case/1",
            "case_id": f"{incident.name}-{self.variant}",
            "source": "dev",
            "alerts": [alert | {"title": f"{metric} of {self.of[role]}"}],
            "topology": self._topology(),
            "metrics": [
                self._series(n, row, incident.curves, chance)
                for n, row in enumerate(self._metrics)
                if f"{row[0]}/{row[1]}" not in missing and f"*/{row[1]}" not in missing
            ],
            "logs": self._lines(incident, chance),
            "logs_baseline": self._usual(chance, NOW - 2 * WINDOW * STEP),
            "changes": [self._named(one) for one in incident.changes],
            "events": [self._named(one) for one in incident.events],
            "raw": {
                "state": [*self._state(incident)],
                "pods": self._pods(incident),
                "on_call": [{"team": "platform", "primary": "ada", "owns": [self.of["front"]]}],
                **self._named(incident.raw),
            },
        }

    def expected(self, incident: Incident) -> dict[str, Any]:
        """Return what is true of the incident."""
        roots = [self.of[role] for role in (incident.root, *incident.also) if role]
        return {
            "case_id": f"{incident.name}-{self.variant}",
            "root_entities": roots,
            "cause": incident.cause or incident.answer,
            "healthy": incident.answer == "no_active_fault",
            "knows_enough": incident.answer != "inconclusive",
            "decoys": list(incident.decoys),
            "system": "dev",
            "family": incident.family,
        }

    def _named(self, value: Any) -> Any:  # noqa: ANN401 -- any JSON
        """Put the names of this variant where `{role}` stands, and times where minutes before now do (`minute`)."""
        if isinstance(value, str):
            for role, name in self.of.items():
                value = value.replace(f"{{{role}}}", name)
            return value
        if isinstance(value, Mapping):
            found = {key: self._named(inner) for key, inner in value.items() if key != "minute"}
            return found | ({"at": NOW + value["minute"] * MINUTE} if "minute" in value else {})
        return [self._named(one) for one in value] if isinstance(value, list | tuple) else value

    def _topology(self) -> dict[str, Any]:
        kinds = {"db": "database", "replica": "database", "cache": "cache", "queue": "queue", "external": "external"}
        hosts = {f"host-{n}": "host" for n in range(1, 5)}
        calls = ("front cart", "cart price", "cart db", "cart cache", "cart external", "price replica", "worker queue")
        places = ("front host-1", "front host-2", "cart host-2", "cart host-3", "price host-3", "worker host-4")
        edges = [(*pair.split(), "calls") for pair in calls] + [(*pair.split(), "runs_on") for pair in places]
        edges += [("cart", "queue", "publishes"), ("replica", "db", "calls")]
        return {
            "entities": [{"id": name, "kind": (kinds | hosts).get(role, "service")} for role, name in self.of.items()],
            "edges": [{"src": self.of[a], "dst": self.of[b], "kind": kind} for a, b, kind in edges],
        }

    def _series(
        self, number: int, measured: Measured, curves: Mapping[str, Curve], chance: random.Random
    ) -> dict[str, Any]:
        role, name, level, unit, limit = measured
        plain = name
        for other, called in self.of.items():
            plain = plain.replace(f'"{called}"', f'"{other}"')
        curve = curves.get(f"{role}/{plain}", step(1.0, 0.0))
        total = BASELINE + WINDOW
        daily = 0.12 if name == "requests_per_s" else 0.03
        values = []
        for place in range(total):
            at = float(place - total)
            wave = 1.0 + daily * math.sin((NOW / MINUTE + at) / 1440.0 * 2 * math.pi)
            value = max(level * wave * (1.0 + 0.04 * chance.gauss(0, 1)) * curve(at), 0.0)
            values.append(round(min(value, 100.0) if unit == "%" else value, 4))
        return {
            "id": f"m{number}",
            "entity": self.of[role],
            "name": name,
            "unit": unit,
            "step_s": STEP,
            "baseline": values[:BASELINE],
            "window": values[BASELINE:],
            "window_t0": NOW - WINDOW * STEP,
            "limit": limit,
        }

    def _usual(self, chance: random.Random, start: float) -> list[dict[str, Any]]:
        told = (
            ("front", "GET /start served in {n} ms", 60),
            ("cart", "basket {n} priced", 50),
            ("worker", "job {n} done", 40),
        )
        rare = (("front", "client {n} closed the connection early", 4, "warn"), ("cart", "slow call {n} ms", 5, "warn"))
        found = []
        for role, text, count, level in (*((*one, "info") for one in told), *rare):
            for _ in range(count + chance.randrange(-count // 8, count // 8 + 1)):
                at = start + chance.random() * WINDOW * STEP
                found.append(self._line(role, text, level, at, chance))
        return sorted(found, key=lambda line: line["at"])

    def _line(self, role: str, text: str, level: str, at: float, chance: random.Random) -> dict[str, Any]:
        message = self._named(text).replace("{n}", str(chance.randrange(10, 9000)))
        return {"entity": self.of[role], "at": round(at, 1), "level": level, "msg": message}

    def _lines(self, incident: Incident, chance: random.Random) -> list[dict[str, Any]]:
        found = self._usual(chance, NOW - WINDOW * STEP)
        for role, text, count, level, minute in incident.lines:
            for number in range(count):
                at = NOW + minute * MINUTE * (1.0 - (number + 0.5) / count)
                found.append(self._line(role, text, level, at, chance))
        return sorted(found, key=lambda line: line["at"])

    def _pods(self, incident: Incident) -> list[dict[str, Any]]:
        short = {key.split("/")[0] for key, fields in incident.state.items() if "ready" in fields}
        lacking = {role: n for role, n in (("price", 3), ("worker", 4)) if role in short}
        places = (("front", 1), ("front", 2), ("cart", 2), ("cart", 3), ("price", 3), ("worker", 4))
        return [
            {
                "pod": f"{self.of[role]}-{n}",
                "entity": self.of[role],
                "host": self.of[f"host-{n}"],
                "restarts": 0,
                "ready": n != lacking.get(role),
            }
            for role, n in places
        ]

    def _state(self, incident: Incident) -> list[dict[str, Any]]:
        usual: dict[str, dict[str, Any]] = {
            **{
                f"{role}/runtime": {"pods": 2, "ready": 2, "restarts_1h": 0}
                for role in ("front", "cart", "price", "worker")
            },
            **{
                f"{role}/tls": {"leaf_not_after": NOW + 60 * DAY, "issuer_not_after": NOW + 900 * DAY}
                for role in ("front", "price", "external")
            },
            **{f"host-{n}/ntp": {"synchronised": True, "offset_ms": 0.4} for n in range(1, 5)},
            **{f"host-{n}/ports": {"ephemeral_used": 900, "ephemeral_limit": 28000} for n in range(1, 5)},
            "cart/pool": {"to": self.of["db"], "used": 9, "max": 40},
            "external/quota": {"api": "v1", "limit_per_min": 600, "used_per_min": 210},
            "db/instance": {"state": "available", "connections_max": 200, "last_failover_days": 90},
            "db/backup": {"state": "finished"},
        }
        return [
            {
                "at": NOW,
                "entity": self.of[key.split("/")[0]],
                "kind": key.split("/")[1],
                **fields,
                **incident.state.get(key, {}),
            }
            for key, fields in usual.items()
        ]
