"""Every command that README shows can be run as it stands there."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from cyclopts import CycloptsError

from cli.main import build

PROJECT = Path(__file__).parents[2]
README = PROJECT / "README.md"
SHELLS = {"", "bash", "console", "sh", "shell"}


def commands() -> list[str]:
    """Return the command lines in README's code blocks: no prompt, nothing of the explanation beside them."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)
    lines = [line for language, text in blocks if language in SHELLS for line in text.splitlines()]
    bare = [re.split(r"\s{2,}|\s#", line.strip().removeprefix("$ "))[0] for line in lines]
    return [line for line in bare if line.startswith(("make ", "signoff ", ".venv/bin/signoff ", "git ", ".ci/"))]


def recipe(target: str) -> list[str]:
    """Return what `make TARGET` would run. Raises AssertionError for a target that does not exist."""
    done = subprocess.run(["make", "-n", target], cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def of_signoff(lines: list[str]) -> list[str]:
    """Return the arguments of each call of the installed command."""
    called = re.compile(r"^(?:\S*/)?signoff (.*)$")
    return [match[1] for line in lines if (match := called.match(line))]


def test_readme_shows_how_to_try_it_and_how_to_test_it() -> None:
    assert {"make demo", "make test"} <= set(commands())


def test_every_target_that_readme_names_exists() -> None:
    for command in commands():
        if command.startswith("make "):
            assert recipe(command.split()[1])


def test_every_call_of_signoff_in_readme_and_behind_its_targets_is_understood() -> None:
    targets = {command.split()[1] for command in commands() if command.startswith("make ")}
    behind = [line for target in sorted(targets) for line in recipe(target)]
    app = build()
    for arguments in of_signoff([*commands(), *behind]):
        try:
            app.parse_args(shlex.split(arguments), exit_on_error=False, print_error=False)
        except CycloptsError as error:
            pytest.fail(f"signoff {arguments}: {error}")


def test_ci_runs_the_test_command_of_readme() -> None:
    script = (PROJECT / ".ci/run").read_text()
    assert [line for line in script.splitlines() if line.startswith("exec ")] == ["exec make test"]
    assert ".ci/run" in (PROJECT / ".github/workflows/ci.yml").read_text()
