from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).parents[3]


def run(tmp_path: Path, body: str) -> subprocess.CompletedProcess[str]:
    test = tmp_path / "test_it.py"
    test.write_text(f"import pytest\n{body}\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(test)]
    plugin = ["-p", "tests.conftest"]
    return subprocess.run([*command, *plugin], cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("@pytest.mark.skip\ndef test_a(): pass\ndef test_b(): pass", id="a mark"),
        pytest.param("def test_a(): pytest.skip('no server')\ndef test_b(): pass", id="a call"),
        pytest.param("pytest.skip('no library', allow_module_level=True)", id="a whole module"),
        pytest.param("@pytest.mark.xfail\ndef test_a(): assert False", id="an expected failure"),
    ],
)
def test_a_skipped_test_fails_the_run_and_is_named(body: str, tmp_path: Path) -> None:
    done = run(tmp_path, body)
    assert done.returncode == 1
    assert "SKIPPED TESTS FAIL THE RUN" in done.stdout


def test_a_run_without_skips_passes(tmp_path: Path) -> None:
    assert run(tmp_path, "def test_b(): pass").returncode == 0
