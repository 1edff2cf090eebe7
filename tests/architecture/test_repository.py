"""What must be true of the repository as a whole."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
LINES_MAX = 400
SHARED_PER_SERVICES = 0.6


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", *patterns],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [PROJECT / name for name in listed.stdout.splitlines() if (PROJECT / name).is_file()]


def text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def test_no_module_is_longer_than_the_house_allows() -> None:
    long = {path.name: n for path in tracked("*.py") if (n := len(text_of(path).splitlines())) > LINES_MAX}
    assert not long


def test_every_suppression_gives_its_reason() -> None:
    bare = re.compile(r"#\s*(noqa:\s*[A-Z0-9, ]+|type:\s*ignore\[[a-z, -]+\])\s*$", re.MULTILINE)
    found = [f"{path.name}: {m[0]}" for path in tracked("*.py") for m in bare.finditer(text_of(path))]
    assert not found


def test_no_file_names_a_machine_path_or_a_registry() -> None:
    words = ["/wo" + "rk/", "pypi" + ".org", "python" + "hosted", "registry.npm" + "js", "repo1.ma" + "ven"]
    found = [f"{path.name}: {word}" for path in tracked() for word in words if word in text_of(path)]
    assert not found


@pytest.mark.parametrize("name", ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_every_path_a_document_names_exists(name: str) -> None:
    document = PROJECT / name
    named = re.findall(r"`((?:[a-z_]+/)+[a-z_.-]*)`", document.read_text())
    missing = [path for path in named if not (PROJECT / path).exists()]
    assert not missing


def test_every_target_of_the_makefile_is_documented() -> None:
    makefile = (PROJECT / "Makefile").read_text()
    [phony] = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    documented = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    assert set(phony.split()) == documented


def test_shared_stays_small_beside_the_services() -> None:
    def lines(folder: str) -> int:
        return sum(len(text_of(path).splitlines()) for path in tracked(f"{folder}/*.py"))

    assert lines("shared") <= SHARED_PER_SERVICES * lines("services")
