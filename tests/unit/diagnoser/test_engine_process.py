from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson

from services.diagnoser.domain.finding_out import Conclusion
from services.diagnoser.engines.__main__ import serve
from tests.support.cases import case, lines, ramp, series

PROJECT = Path(__file__).parents[3]
MEBIBYTES = 90


PROGRAM = """
import pathlib, re, resource, runpy, sys
runpy.run_module("services.diagnoser.engines", run_name="__main__")
status = pathlib.Path("/proc/self/status")
# Linux hands the peak of the process that forked on to its child, so the kernel's own account of the memory is read.
peak = re.search(r"VmHWM:\\s*(\\d+)", status.read_text())[1] if status.exists() else 0
sys.stderr.write(str(peak or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))
"""


def asked(*requests: bytes) -> list[dict[str, Any]]:
    replies = io.BytesIO()
    serve(io.BytesIO(b"\n".join(requests) + b"\n"), replies)
    return [orjson.loads(line) for line in replies.getvalue().splitlines()]


def request(name: str, one: object) -> bytes:
    return orjson.dumps({"id": name, "case": one})


def test_each_case_gets_its_conclusion_in_order() -> None:
    leak = case({"web-a/mem.used_pct": ramp(40.0, -60), "web-a/cpu_pct": ramp(50.0, -40)})
    first, second = asked(request("1", leak), request("2", case()))
    assert (first["id"], second["id"]) == ("1", "2")
    assert Conclusion.model_validate(first["conclusion"]).result.status == "diagnosed"
    assert Conclusion.model_validate(second["conclusion"]).result.status == "no_active_fault"


def test_a_broken_request_is_answered_and_the_next_one_works() -> None:
    *broken, good = asked(b'{"id": "1", "case": []}', b'{"id": "2"}', b"{", request("4", case()))
    assert [(reply["id"], reply["error"]["reason"]) for reply in broken] == [
        ("1", "unreadable"),
        ("2", "unreadable"),
        ("", "unreadable"),
    ]
    assert all(reply["error"]["detail"] for reply in broken)
    assert "conclusion" in good


def test_the_child_answers_ends_with_its_input_and_stays_small() -> None:
    large = case()
    large["metrics"] = [series(f"web-{n}", "cpu_pct", 40.0, unit="%") for n in range(50)]
    for one in large["metrics"]:
        one["baseline"] = one["baseline"] * 4
    large["logs"] = lines("web-a", "request {n} took {n} ms", 20_000)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=PROJECT,
        input=request("1", case()) + b"\n" + request("2", large) + b"\n",
        capture_output=True,
        env={"OPENBLAS_NUM_THREADS": "1", "PATH": ""},
        timeout=30,
        check=True,
    )
    assert [orjson.loads(line)["id"] for line in done.stdout.splitlines()] == ["1", "2"]
    assert int(done.stderr) / 1024 < MEBIBYTES
