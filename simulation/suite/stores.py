"""What goes wrong in what is stored, and at those who are needed."""

from __future__ import annotations

from simulation.suite.parts import ERRORS, change, deploy, felt
from simulation.suite.system import Incident, ramp, step


def data() -> list[Incident]:
    """Return incidents of stores, queues and caches."""
    slow = {"db/query_duration_p95_ms": step(40.0, -18), "cart/latency_p95_ms": step(4.0, -17), **felt(-17, 1.0, 3.0)}
    return [
        Incident(
            "slow-query",
            "data",
            "db",
            "data.slow_query",
            {**slow, "db/cpu_pct": step(3.4, -18)},
            (("db", "slow query: {n} ms, sequential scan", 40, "warn", -18.0),),
            (deploy("d1", -1500),),
            decoys=("d1",),
        ),
        Incident(
            "locks",
            "data",
            "db",
            "data.lock_contention",
            {**slow, "db/locks_waiting": step(30.0, -18)},
            (("cart", "{db}: lock wait timeout exceeded", 40, "error", -16.0),),
        ),
        Incident(
            "migration",
            "data",
            "db",
            "data.migration",
            {**slow, "db/locks_waiting": step(25.0, -18)},
            changes=(change("s1", "migration", -19, "{db}", "add a column to orders"),),
        ),
        Incident(
            "replica-lag",
            "data",
            "replica",
            "data.replica_lag",
            {"replica/replication_lag_s": ramp(900.0, -22)},
            (("price", "stale read from {replica}", 30, "warn", -15.0),),
            alert=("replica", "replication_lag_s"),
        ),
        Incident(
            "backlog",
            "data",
            "queue",
            "data.queue_backlog",
            {"queue/queue_depth": ramp(60.0, -25), "cart/requests_per_s": step(1.9, -26)},
            alert=("queue", "queue_depth"),
        ),
        Incident(
            "consumer-gone",
            "data",
            "queue",
            "data.consumer_stopped",
            {
                "queue/queue_depth": ramp(80.0, -24),
                "queue/consumed_per_s": step(0.02, -24),
                "worker/requests_per_s": step(0.02, -24),
            },
            alert=("queue", "queue_depth"),
        ),
        Incident(
            "poison",
            "data",
            "queue",
            "data.poison_message",
            {"queue/queue_depth": ramp(30.0, -20), "worker/error_pct": step(50.0, -20)},
            (("worker", "cannot decode message {n} of {queue}, redelivered", 80, "error", -20.0),),
            alert=("worker", "error_pct"),
            also=("worker",),
        ),
        Incident(
            "cache",
            "data",
            "cache",
            "data.cache_stampede",
            {
                "cache/hit_ratio_pct": step(0.4, -16),
                "cache/evictions_per_s": step(30.0, -16),
                "cart/latency_p95_ms": step(3.0, -15),
                **felt(-15, 1.0, 2.5),
            },
        ),
    ]


def dependencies() -> list[Incident]:
    """Return incidents of those who are needed, and those who ask."""
    away = {
        'cart/client_error_pct{peer="external"}': step(150.0, -15),
        "cart/error_pct": step(30.0, -15),
        **felt(-14, 20.0, 1.0),
    }
    return [
        Incident(
            "third-party",
            "dependency",
            "external",
            "dependency.third_party_outage",
            away,
            (("cart", "{external} answered 503 after {n} ms", 70, "error", -15.0),),
            (deploy("d1", -200),),
            raw={"status_pages": [{"provider": "{external}", "minute": -8, "status": "partial outage"}]},
            alert=ERRORS,
            decoys=("d1",),
        ),
        Incident(
            "rate-limit",
            "dependency",
            "external",
            "dependency.rate_limited",
            away,
            (("cart", "{external} answered 429 too many requests", 70, "error", -15.0),),
            state={"external/quota": {"used_per_min": 600}},
            alert=ERRORS,
        ),
        Incident(
            "callee-down",
            "dependency",
            "price",
            "dependency.outage",
            {
                'cart/client_error_pct{peer="price"}': step(220.0, -13),
                "price/requests_per_s": step(0.02, -13),
                "cart/error_pct": step(40.0, -13),
                **felt(-13, 30.0, 1.0),
            },
            (("cart", "connect to {price}: connection refused", 80, "error", -13.0),),
            alert=ERRORS,
        ),
        Incident(
            "surge",
            "traffic",
            "front",
            "traffic.surge",
            {
                "front/requests_per_s": step(4.0, -12),
                "front/latency_p95_ms": step(3.0, -12),
                "cart/requests_per_s": step(3.0, -12),
            },
            also=("cart",),
        ),
        Incident(
            "retry-storm",
            "traffic",
            "front",
            "traffic.retry_storm",
            {
                "front/retries_per_s": step(80.0, -16),
                "cart/requests_per_s": step(3.0, -16),
                "cart/latency_p95_ms": step(3.0, -16),
                **felt(-16),
            },
            also=("cart",),
        ),
    ]
