"""One replay through the installed command, and what is known of its incident afterwards."""

from __future__ import annotations

import json
import re
import urllib.request
from dataclasses import dataclass
from typing import Any

from tests.support.signoff import Signoff, until

SPEED = "60"


@dataclass(frozen=True, slots=True)
class Replayed:
    """How a replay ended: exit code, the entries it printed, what it said beside them."""

    signoff: Signoff
    code: int
    told: list[dict[str, Any]]
    said: str

    @property
    def environment(self) -> str:
        """The environment of the run."""
        found = re.search(r"sim:[a-z0-9-]+", self.said)
        assert found, self.said
        return found[0]

    def incident(self) -> dict[str, Any]:
        """The one incident of the run, as `incidents list` has it."""
        listed = self.signoff.json("incidents", "list")
        [found] = [incident for incident in listed if incident["environment"] == self.environment]
        return dict(found)

    def detail(self) -> dict[str, Any]:
        """The incident as `incidents show` has it."""
        return dict(self.signoff.json("incidents", "show", self.incident()["id"]))

    def ledger(self) -> list[dict[str, Any]]:
        """The calls that reached the world."""
        return list(self.signoff.json("world", "ledger", self.environment.removeprefix("sim:")))

    def slack(self) -> list[dict[str, Any]]:
        """The messages that the simulated Slack holds, each with its thread."""
        world = json.loads((self.signoff.data / "run.json").read_text())
        url = f"{world['world_url']}/runs/{self.environment.removeprefix('sim:')}/slack"
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {world['world_token']}"})  # noqa: S310 -- loopback
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 -- loopback
            return list(json.loads(answer.read()))

    def until_stage(self, stage: str, *, limit: float = 120.0) -> None:
        """Wait for a stage of the incident."""

        def reached() -> bool | None:
            return self.incident()["stage"] == stage or None

        until(reached, limit=limit, what=f"stage {stage}")


def replay(signoff: Signoff, *arguments: str, approve: str = "auto") -> Replayed:
    """Replay high_cpu fast, to its end or to its question."""
    done = signoff.run(
        "replay", "high_cpu", "--approve", approve, "--speed", SPEED, "--wait", "-o", "jsonl", *arguments
    )
    told = [json.loads(line) for line in done.stdout.splitlines() if line.strip()]
    return Replayed(signoff, done.returncode, told, done.stderr)


def replay_until_asked(signoff: Signoff) -> Replayed:
    """Replay high_cpu until it waits for an approval."""
    replayed = replay(signoff, approve="never")
    assert replayed.code == 6, replayed.said
    return replayed
