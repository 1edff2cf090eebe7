"""A replay whose webhooks ingest refuses: its world has another secret for one of two vendors."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from cli.project import FIXTURES
from cli.up import Ports, running
from shared.runtime.clock import wall
from shared.runtime.server import Listener, bind
from simulation.app import build_world_app
from simulation.driver import Address, World
from tests.support.logs import logging_as_before
from tests.support.signoff import Signoff

__all__ = ["logging_as_before"]

PROBLEM = (
    "ingest answered 401 at {}/webhooks/datadog: "
    '{{"error":"not authentic; a simulated run needs the replay secret and its run id"}}'
)
SAID = """\
{problem}; the world sends it again
error: ingest has not taken what the replay sent: {problem}
  → see its secrets and the world's: signoff config show --reveal --data {data}
"""


@pytest.mark.slow
async def test_it_says_soon_what_was_refused_and_why(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with running(data, Ports(0, 0, any_port=True)) as up:
        right = (data / "secrets" / "pagerduty_replay").read_text().strip()
        others = Address(up.webhook_url, up.webhook_url, {"datadog": "another", "pagerduty": right}, "another")
        other = World(tmp_path, FIXTURES, others, wall)
        listener = Listener(bind("127.0.0.1", 0, name="world"), build_world_app(other, "token"))
        await listener.start()
        await other.start()
        run_file = data / "run.json"
        here = {"world_url": f"http://127.0.0.1:{listener.port}", "world_token": "token"}
        run_file.write_text(json.dumps(json.loads(run_file.read_text()) | here))

        done = await asyncio.to_thread(Signoff(data).run, "replay", "high_cpu", "--speed", "200", "--wait", limit=60)

        await other.stop()
        await listener.stop()
    said = done.stderr.partition("\n")[2]
    assert (done.returncode, said) == (5, SAID.format(problem=PROBLEM.format(up.webhook_url), data=data))
