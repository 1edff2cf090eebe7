"""Each part stopped at each place where it waits: what was acknowledged is there, what was done was done once."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.resilience.await_points import ROOT, Point
from tests.resilience.conftest import Enter
from tests.resilience.report import Line

pytestmark = [pytest.mark.crash, pytest.mark.timeout(3600)]

PARTS: Mapping[str, tuple[str, int]] = {
    "webhooks": ("a webhook taken, its alert decided and investigated; sqlite, embedded", 60),
    "work": ("intake, transitions, relay and activities; sqlite, embedded", 60),
    "calls": ("an approved call and its verification; sqlite, embedded, simulated world", 100),
    "posts": ("a question posted; sqlite, embedded, simulated world", 45),
    "work-postgres": ("intake, transitions, relay and activities; postgres, embedded", 80),
}
"""Story -> what it shows, and how many points it has at least."""
HEARTS = {
    "webhooks": ("entrypoints/webhooks.py", "bus/embedded.py", "bus/intake.py", "bus/relay.py"),
    "work": ("bus/embedded.py", "bus/intake.py", "bus/relay.py", "store/worker.py"),
    "calls": ("actions/calling.py", "handlers/preparing.py", "handlers/rechecking.py", "handlers/reading.py"),
    "posts": ("handlers/posting.py", "channels/slack.py"),
    "work-postgres": ("postgres/runner.py", "postgres/leader.py", "bus/intake.py", "bus/relay.py", "store/worker.py"),
}
"""Story -> files of the product that must be among what waits in it."""


def explored(
    names: Sequence[str], folder: Path, count: int, *more: str, again: int = 0, url: str = ""
) -> dict[str, Any]:
    """Stop the stories at so many of their points, and what follows each at so many of its own."""
    options = [f"--count={count}", f"--again={again}", *([f"--url={url}"] if url else []), *more]
    return run(folder, random.SystemRandom().randrange(2**32), dict.fromkeys(names, options))


def run(folder: Path, seed: int, stories: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Run a program for each story, all at once since they mostly wait, and print what they found."""
    programs = {
        name: subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.resilience.await_stories",
                str(folder / name),
                name,
                f"--seed={seed}",
                *options,
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for name, options in stories.items()
    }
    found: dict[str, Any] = {}
    for name, program in programs.items():
        said, trouble = program.communicate()
        assert program.returncode == 0, trouble.decode()[-4000:]
        one = found[name] = orjson.loads(said)
        print(f"{name}: {len(one['points'])} points, {len(one['ended'])} ended there, seed {seed}")  # noqa: T201 -- how to do it again
    return found


def verify(found: Mapping[str, Any], enter: Enter, count: int, again: int = 0) -> None:
    """Assert that all went well everywhere, and put it into the report."""
    line = partial(Line, lost=0, duplicated=0, within="60 s", seed="drawn")
    for name, one in found.items():
        what, least = PARTS[name]
        points = [Point(**point) for point in one["points"]]
        assert len(points) >= least, f"{name}: {len(points)} points"
        for heart in HEARTS[name]:
            assert any(heart in point.place for point in points), f"{name} never waits in {heart}"
        broken = ["\n".join(end) for end in one["broken"]]
        assert not broken, f"{name}: {len(broken)} of {len(one['ended'])} ends were not mended\n" + "\n".join(broken)
        once, twice = (sum(len(ends) == lives for ends in one["ended"]) for lives in (1, 2))
        if count:
            assert (once, twice) == (count, count * again), one["not_met"]
        assert once >= 0.9 * len(points) or count, one["not_met"]
        enter(line("F1", "killed at points where tasks wait", what, f"{count or 'all'} of all"))
        if again:
            fault = "killed where tasks wait, and the next start as well, where its own tasks wait"
            enter(line("F3", fault, what, f"{twice} pairs"))


HERE = ("webhooks", "work", "calls", "posts")
"""Stories that need no server."""
FEW, MANY, ALL = 2, 12, 0


def test_ended_wherever_a_task_waits_once_or_twice_each_part_is_mended_by_its_next_start(
    tmp_path: Path, enter: Enter
) -> None:
    verify(explored(HERE, tmp_path, FEW, again=1), enter, FEW, 1)


@pytest.mark.postgres
def test_ended_wherever_a_task_waits_work_on_a_server_is_mended_by_the_next_start(
    tmp_path: Path, postgres_url: str, enter: Enter
) -> None:
    verify(explored(["work-postgres"], tmp_path, 1, url=postgres_url), enter, 1)


@pytest.mark.nightly
def test_ended_at_every_point_each_part_is_mended_by_its_next_start(tmp_path: Path, enter: Enter) -> None:
    verify(explored(HERE, tmp_path, ALL), enter, ALL)


@pytest.mark.nightly
@pytest.mark.postgres
def test_ended_at_every_point_work_on_a_server_is_mended_by_the_next_start(
    tmp_path: Path, postgres_url: str, enter: Enter
) -> None:
    verify(explored(["work-postgres"], tmp_path, ALL, url=postgres_url), enter, ALL)


@pytest.mark.nightly
def test_ended_again_and_again_while_it_is_mended_each_part_is_mended_at_last(tmp_path: Path, enter: Enter) -> None:
    verify(explored(HERE, tmp_path, MANY, again=4), enter, MANY, 4)


@pytest.mark.nightly
@pytest.mark.postgres
def test_ended_again_and_again_work_on_a_server_is_mended_at_last(
    tmp_path: Path, postgres_url: str, enter: Enter
) -> None:
    verify(explored(["work-postgres"], tmp_path, MANY, again=2, url=postgres_url), enter, MANY, 2)


@pytest.mark.nightly
def test_standing_still_at_any_point_for_longer_than_leases_changes_nothing(tmp_path: Path, enter: Enter) -> None:
    for name, one in explored(HERE, tmp_path, ALL, "--pause").items():
        assert not one["broken"], "\n".join(map("\n".join, one["broken"]))
        assert len(one["ended"]) >= 0.9 * len(one["points"]), one["not_met"]
        fault = "stands still where a task waits, for longer than any lease"
        enter(Line("F6", fault, PARTS[name][0], "0", 0, 0, within="60 s"))


@pytest.mark.nightly
def test_what_would_be_done_twice_is_found(tmp_path: Path) -> None:
    found = explored(["careless"], tmp_path, ALL)["careless"]
    assert found["broken"]
    assert all("done twice" in said for _, said in found["broken"])
