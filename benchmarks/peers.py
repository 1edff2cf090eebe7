"""`python -m benchmarks.peers NAME PORT`: the same load on another product that is running here; see the README.

Each request holds one alert that no other has. Only numbers of one session and one machine compare, and what an answer
promises differs: Signoff and Alerta have stored the alert when they answer, Alertmanager and Keep have not.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.load import send, write_requests
from benchmarks.webhooks import datadog

CONNECTIONS = 64
SECONDS = 5.0
REQUESTS = 20_000


def alertmanager(number: int) -> tuple[str, bytes]:
    """Return where Alertmanager takes an alert, and one."""
    labels = {"alertname": "LatencyHigh", "service": "checkout", "env": "prod", "instance": f"web-{number}"}
    annotations = {"summary": "p95 latency of checkout is above 800 ms in eu-west-1"}
    return "/api/v2/alerts", json.dumps([{"labels": labels, "annotations": annotations}]).encode()


def alerta(number: int) -> tuple[str, bytes]:
    """Return where Alerta takes an alert, and one."""
    alert = {
        "environment": "Production",
        "resource": f"web-{number}",
        "event": "LatencyHigh",
        "service": ["checkout"],
        "severity": "critical",
        "text": "p95 latency of checkout is above 800 ms in eu-west-1",
        "tags": ["env:prod", "team:payments"],
    }
    return "/alert", json.dumps(alert).encode()


def keep(number: int) -> tuple[str, bytes]:
    """Return where Keep takes an alert of Datadog, and one."""
    return "/alerts/event/datadog", datadog(number)


PEERS: Mapping[str, Callable[[int], tuple[str, bytes]]] = {"alertmanager": alertmanager, "alerta": alerta, "keep": keep}


def request(path: str, body: bytes) -> bytes:
    """Return a whole request."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return f"{head}\r\n\r\n".encode() + body


def main() -> None:
    """Send to the peer that the arguments name."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers")
    parser.add_argument("name", choices=PEERS)
    parser.add_argument("port", type=int)
    given = parser.parse_args()
    made = [request(*PEERS[given.name](number)) for number in range(REQUESTS)]
    with tempfile.TemporaryDirectory() as folder:
        file = write_requests(Path(folder) / "requests.json", made)
        sent = send(given.port, file, connections=CONNECTIONS, seconds=SECONDS)
    print(f"{given.name}: {sent.rate:,.0f}/s, p50 {sent.p50:.1f} ms, p99 {sent.p99:.1f} ms, {sent.refused} refused")


if __name__ == "__main__":
    main()
