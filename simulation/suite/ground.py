"""What goes wrong in networks and in what everything runs on."""

from __future__ import annotations

from simulation.suite.parts import ERRORS, change, event, felt
from simulation.suite.system import Incident, step


def network() -> list[Incident]:
    """Return incidents of the network."""
    lossy = {"host-3/packet_loss_pct": step(120.0, -16), "price/latency_p95_ms": step(3.0, -16), **felt(-15, 1.0, 2.0)}
    return [
        Incident("loss", "network", "host-3", "network.packet_loss", lossy),
        Incident(
            "delay",
            "network",
            "host-3",
            "network.delay",
            {"host-3/rtt_ms": step(160.0, -16), "price/latency_p95_ms": step(3.0, -16), **felt(-15, 1.0, 2.0)},
        ),
        Incident(
            "dns",
            "network",
            "host-2",
            "network.dns_failure",
            {"host-2/dns_errors_per_s": step(400.0, -14), "cart/error_pct": step(20.0, -14), **felt(-14, 20.0, 1.0)},
            (("cart", "getaddrinfo {db}: no such host", 60, "error", -14.0),),
            alert=ERRORS,
            also=("cart",),
        ),
        Incident(
            "partition",
            "network",
            "price",
            "network.partition",
            {
                'cart/client_error_pct{peer="price"}': step(150.0, -12),
                "cart/error_pct": step(30.0, -12),
                **felt(-12, 25.0, 1.0),
            },
            (("cart", "connect to {price}: no route to host", 60, "error", -12.0),),
            events=(event("network", -12, "{price}", "partition between two racks"),),
            alert=ERRORS,
        ),
    ]


def infrastructure() -> list[Incident]:
    """Return incidents of machines, clocks and planned work."""
    return [
        Incident(
            "node-down",
            "infrastructure",
            "host-3",
            "infrastructure.node_down",
            {"price/requests_per_s": step(0.4, -10), "price/error_pct": step(30.0, -10), **felt(-9, 15.0, 1.0)},
            events=(event("node", -10, "{host-3}", "node NotReady, unreachable"),),
            state={"price/runtime": {"ready": 1}},
            alert=ERRORS,
        ),
        Incident(
            "clock",
            "infrastructure",
            "host-2",
            "infrastructure.clock_skew",
            {"front/error_pct": step(20.0, -15)},
            (("front", "token used before issued, not yet valid", 70, "error", -15.0),),
            state={"host-2/ntp": {"synchronised": False, "offset_ms": 42000}},
            alert=ERRORS,
        ),
        Incident(
            "failover",
            "infrastructure",
            "db",
            "infrastructure.failover",
            {"cart/error_pct": step(40.0, -11), **felt(-11, 25.0, 1.0)},
            (("cart", "{db}: cannot execute in a read-only transaction", 80, "error", -11.0),),
            events=(event("database", -11, "{db}", "failover: another instance was promoted"),),
            state={"db/instance": {"last_failover_days": 0.008}},
            alert=ERRORS,
        ),
        Incident(
            "backup",
            "infrastructure",
            "db",
            "infrastructure.backup_overlap",
            {"db/disk_queue_depth": step(10.0, -20), "cart/latency_p95_ms": step(2.5, -19), **felt(-19, 1.0, 2.0)},
            state={"db/backup": {"state": "running"}},
        ),
        Incident(
            "cron",
            "infrastructure",
            "worker",
            "infrastructure.scheduled_job",
            {"host-4/cpu_pct": step(3.2, -14), "worker/latency_p95_ms": step(4.0, -13)},
            changes=(change("c1", "cron", -15, "{worker}", "monthly export"),),
            alert=("worker", "latency_p95_ms"),
            also=("host-4",),
        ),
    ]
