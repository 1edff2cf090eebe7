"""What goes wrong in programs and in the resources they take."""

from __future__ import annotations

from simulation.suite.parts import BROKEN, ERRORS, THROWS, change, deploy, event, felt
from simulation.suite.system import NOW, Incident, ramp, step


def deployments() -> list[Incident]:
    """Return incidents of a change that does harm."""
    flag = change("f1", "flag", -15, "{cart}", "new totals for everybody")
    config = change("k1", "config", -15, "{cart}", "time limits of calls")
    return [
        Incident(
            "bad-deploy",
            "deployment",
            "cart",
            "deployment.bad_deploy",
            BROKEN,
            (THROWS,),
            (deploy("d1", -16),),
            alert=ERRORS,
        ),
        Incident(
            "bad-deploy-among-others",
            "deployment",
            "cart",
            "deployment.bad_deploy",
            BROKEN,
            (THROWS,),
            (
                deploy("d1", -16),
                deploy("d2", -190, "{price}"),
                deploy("d3", -8, "{worker}"),
                change("k2", "config", -400, "{front}", "colours"),
            ),
            alert=ERRORS,
            decoys=("d2", "d3", "k2"),
        ),
        Incident(
            "crash-loop",
            "deployment",
            "worker",
            "deployment.crash_loop",
            {"worker/restarts": step(300.0, -20), "worker/requests_per_s": step(0.3, -20)},
            (("worker", "panic: cannot start: unknown mode {n}", 30, "error", -20.0),),
            events=(event("pod", -6, "{worker}", "Back-off restarting failed container"),),
            state={"worker/runtime": {"ready": 0, "restarts_1h": 14}},
            alert=("worker", "restarts"),
        ),
        Incident(
            "image-missing",
            "deployment",
            "price",
            "deployment.image_missing",
            events=(event("pod", -7, "{price}", "ImagePullBackOff: image not found"),),
            state={"price/runtime": {"ready": 1}},
            alert=("price", "pods_ready"),
        ),
        Incident(
            "bad-flag", "configuration", "cart", "configuration.bad_flag", BROKEN, (THROWS,), (flag,), alert=ERRORS
        ),
        Incident(
            "bad-config",
            "configuration",
            "cart",
            "configuration.bad_config",
            BROKEN,
            (("cart", "invalid value in setting call.limit: {n}", 60, "error", -14.0),),
            (config, deploy("d1", -300)),
            alert=ERRORS,
            decoys=("d1",),
        ),
        Incident(
            "lost-permission",
            "configuration",
            "worker",
            "configuration.missing_secret_or_permission",
            {"worker/error_pct": step(60.0, -18)},
            (("worker", "storage: access denied for key {n}", 70, "error", -18.0),),
            alert=("worker", "error_pct"),
        ),
        Incident(
            "certificate",
            "configuration",
            "price",
            "configuration.certificate_expired",
            {
                'cart/client_error_pct{peer="price"}': step(200.0, -12),
                "cart/error_pct": step(40.0, -12),
                **felt(-12, 30.0, 1.0),
            },
            (("cart", "calling {price}: certificate has expired", 80, "error", -12.0),),
            (deploy("d1", -100),),
            state={"price/tls": {"leaf_not_after": NOW - 720}},
            alert=ERRORS,
            decoys=("d1",),
        ),
        Incident(
            "probe",
            "configuration",
            "price",
            "configuration.probe_misconfigured",
            events=(event("pod", -5, "{price}", "Readiness probe failed: timeout after 1 s"),),
            state={"price/runtime": {"ready": 0}},
            alert=("price", "pods_ready"),
        ),
    ]


def resources() -> list[Incident]:
    """Return incidents of resources that run out."""
    busy = {f"host-{n}/cpu_pct": step(2.9, -20) for n in (2, 3)}
    return [
        Incident(
            "leak",
            "resource_leak",
            "host-3",
            "resource_leak.memory",
            {"host-3/mem_used_pct": ramp(1.95, -150), "price/latency_p95_ms": ramp(4.0, -30), **felt(-12, 1.0, 2.0)},
        ),
        Incident(
            "leaking-connections",
            "resource_leak",
            "cart",
            "resource_leak.connections",
            {"cart/db_pool_in_use": ramp(4.3, -120), "cart/latency_p95_ms": ramp(6.0, -15), **felt(-10, 1.0, 3.0)},
            (("cart", "could not acquire connection from pool within {n} ms", 30, "error", -8.0),),
            state={"cart/pool": {"used": 40}},
            also=(),
        ),
        Incident(
            "descriptors",
            "resource_leak",
            "host-2",
            "resource_leak.descriptors",
            {"host-2/open_fds": ramp(2.5, -90), **felt(-9, 20.0, 1.0)},
            (("front", "accept: too many open files", 50, "error", -9.0),),
            alert=ERRORS,
        ),
        Incident(
            "out-of-memory",
            "resource_leak",
            "worker",
            "resource_leak.out_of_memory",
            {"worker/restarts": step(200.0, -12)},
            events=(event("pod", -4, "{worker}", "container OOMKilled"),),
            state={"worker/runtime": {"ready": 1, "restarts_1h": 6}},
            alert=("worker", "restarts"),
        ),
        Incident(
            "traffic-takes-cpu",
            "saturation",
            "host-3",
            "saturation.cpu_by_traffic",
            {
                **busy,
                "cart/requests_per_s": step(2.6, -21),
                "front/requests_per_s": step(2.4, -21),
                "cart/latency_p95_ms": step(5.0, -19),
                **felt(-19),
            },
            also=("host-2", "cart", "front"),
        ),
        Incident(
            "noisy-neighbour",
            "saturation",
            "host-3",
            "saturation.cpu_contention",
            {"host-3/cpu_pct": step(3.2, -22), "price/latency_p95_ms": step(3.0, -21), **felt(-20, 1.0, 2.0)},
            also=("price",),
        ),
        Incident(
            "disk-full",
            "saturation",
            "host-4",
            "saturation.disk_full",
            {"host-4/disk_used_pct": ramp(1.81, -200), "worker/error_pct": step(30.0, -6)},
            (("worker", "write failed: no space left on device", 40, "error", -6.0),),
            (deploy("d1", -60, "{worker}"),),
            alert=("worker", "error_pct"),
            decoys=("d1",),
        ),
        Incident(
            "disk-io",
            "saturation",
            "db",
            "saturation.disk_io",
            {"db/disk_queue_depth": step(14.0, -18), **felt(-17, 1.0, 3.0), "cart/latency_p95_ms": step(3.0, -17)},
        ),
        Incident(
            "garbage",
            "saturation",
            "cart",
            "saturation.garbage_collection",
            {"cart/gc_pause_ms": step(15.0, -16), "cart/latency_p95_ms": step(3.5, -16), **felt(-15, 1.0, 3.0)},
        ),
        Incident(
            "pool",
            "saturation",
            "cart",
            "saturation.connection_pool",
            {
                "cart/db_pool_in_use": step(4.4, -13),
                "cart/latency_p95_ms": step(8.0, -13),
                "cart/error_pct": step(20.0, -12),
                **felt(-12, 15.0),
            },
            (("cart", "timed out acquiring a connection from pool after {n} ms", 60, "error", -12.0),),
            state={"cart/pool": {"used": 40}},
        ),
        Incident(
            "connection-limit",
            "saturation",
            "db",
            "saturation.connection_limit",
            {"db/connections": step(3.3, -15), "cart/error_pct": step(30.0, -14), **felt(-14, 20.0, 1.0)},
            (("cart", "{db}: too many connections for role {n}", 70, "error", -14.0),),
            alert=ERRORS,
        ),
        Incident(
            "no-room",
            "saturation",
            "price",
            "saturation.scheduling_capacity",
            events=(event("pod", -9, "{price}", "FailedScheduling: insufficient memory"),),
            state={"price/runtime": {"pods": 3, "ready": 2}},
            alert=("price", "pods_ready"),
        ),
    ]
