"""A very small engine behind the same protocol: the entity whose memory rose most is the cause.

With a folder as argument it says there which cases it took (`taken`, a line for each process) and waits while `hold` is
there; `die` makes it end when it has taken a case.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

CAUSE = "resource_leak.memory"


def conclude(case: Any) -> dict[str, Any]:  # noqa: ANN401 -- JSON
    rises = []
    for series in case.get("metrics", ()):
        before = [value for value in series["baseline"] if value is not None]
        if "memory" in series["name"] and before and series["window"]:
            rise = series["window"][-1] - sum(before) / len(before)
            rises.append((rise, series))
    rises.sort(key=lambda found: -found[0])
    if not rises or rises[0][0] < 20:
        return {"result": {"status": "inconclusive", "statement": "no memory rises", "missing": ["memory"]}}
    rise, series = rises[0]
    evidence = {
        "id": "M01",
        "kind": "metric",
        "entity": series["entity"],
        "series_id": series["id"],
        "summary": f"memory of {series['entity']} rose by {rise:.0f}",
    }
    cause = {"entity": series["entity"], "cause": CAUSE, "confidence": 0.9, "cites": ["M01"]}
    lines = [line for line in case.get("logs", ()) if line["entity"] == series["entity"]]
    logs = [{"template": line["msg"][:400], "count": 1, "baseline_count": 0} for line in lines[:5]]
    result = {
        "status": "diagnosed",
        "category": "resource_leak",
        "statement": f"memory of {series['entity']} leaks",
        "confidence": 0.9,
        "causes": [cause],
    }
    return {"result": result, "evidence": [evidence], "logs": logs}


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    for line in sys.stdin:
        asked = json.loads(line)
        if folder is not None:
            with (folder / "taken").open("a") as file:
                file.write(f"{os.getpid()} {asked['case'].get('case_id')}\n")
            if (folder / "die").exists():
                sys.exit(3)
            while (folder / "hold").exists():
                time.sleep(0.01)
            if (folder / "babble").exists():
                print("no JSON", flush=True)  # noqa: T201 -- the protocol is standard output
                continue
        if asked["case"].get("case_id") == "refuse":
            answer: dict[str, Any] = {"error": {"reason": "bad_case", "detail": "it says so"}}
        elif asked["case"].get("case_id") == "environment":
            statement = json.dumps(dict(os.environ))
            answer = {"conclusion": {"result": {"status": "inconclusive", "statement": statement}}}
        else:
            answer = {"conclusion": conclude(asked["case"])}
        print(json.dumps({"id": asked["id"], **answer}), flush=True)  # noqa: T201 -- as above


main()
