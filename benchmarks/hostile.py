"""How long honest senders wait while a crowd holds connections and never sends a whole request; floor: nobody does."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from benchmarks.bench import BROKER_PROCESSOR, Bench
from benchmarks.crowd import crowd, most
from benchmarks.ingest import CONNECTIONS, requests_for, signoff_on_kafka, start_ingest
from benchmarks.load import Sent, send
from benchmarks.measuring import Row, at_most, interleaved, ratio_row, row

HONEST_RATE = 300.0
CROWDS = (("idle", 1000), ("head", 1000), ("body", 1000), ("broken", 80), ("idle", 5000))
WHAT = {
    "idle": "send nothing",
    "head": "send one byte of a head a second",
    "body": "send one byte of a body a second",
    "broken": "send 50 MB, as much packed, a length that lies, or two lengths",
}
CALM = "calm"


def run(bench: Bench) -> list[Row]:
    """Return the 99th percentile of honest senders at 300 a second beside each crowd."""
    signoff = signoff_on_kafka(bench)
    server = start_ingest(signoff)
    requests = requests_for(bench, signoff)
    seconds = bench.either(3.0, 0.3)

    def calm() -> Sent:
        sent = send(server.port, requests, connections=CONNECTIONS, seconds=seconds, rate=HONEST_RATE)
        assert not sent.refused, f"{sent.refused} of {sent.answered} honest deliveries were refused"
        return sent

    def pressed(kind: str, size: int) -> Sent:
        with crowd(server.port, kind, size, BROKER_PROCESSOR):
            return calm()

    cases: dict[str, Callable[[], Sent]] = {CALM: calm}
    for kind, wanted in CROWDS:
        size = most(int(bench.either(wanted, wanted // 20)))
        cases[f"{size:,} connections {WHAT[kind]}"] = partial(pressed, kind, size)
    calm()
    found = interleaved(cases, int(bench.either(3, 1)))
    floor = [one.p99 for one in found.pop(CALM)]
    rows = [
        ratio_row(f"{name}, p99", "ms", [one.p99 for one in sent], floor, at_most(2.0)) for name, sent in found.items()
    ]
    broken = [float(sum(sent[turn].again for sent in found.values())) for turn in range(len(floor))]
    return [*rows, row("honest connections that broke, all crowds together", "", broken)]
