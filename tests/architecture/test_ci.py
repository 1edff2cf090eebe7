"""The script that CI runs is green on what is here, and red for each kind of thing that may be wrong with it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
QUICK = "tests/architecture/test_readme.py"
"""The tests of the copy; what only helps tests is there whole, because benchmarks use it too."""
LIMIT = 900

Break = Callable[[Path], None]


def append(name: str, text: str) -> Break:
    def change(project: Path) -> None:
        with (project / name).open("a") as file:
            file.write(text)

    return change


def replace(name: str, old: str, new: str) -> Break:
    def change(project: Path) -> None:
        text = (project / name).read_text()
        assert old in text
        (project / name).write_text(text.replace(old, new))

    return change


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with a few quick tests; it shares the virtual environment, which is not made anew."""
    copy = tmp_path_factory.mktemp("ci") / "project"
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        left_out = Path(name).name.startswith("test_") and name != QUICK
        if (PROJECT / name).is_file() and not left_out:
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, copy / name)
    for name in ("pyproject.toml", "requirements.txt", "requirements-dev.txt"):
        os.utime(copy / name, (0, 0))
    (copy / ".venv").symlink_to(PROJECT / ".venv")
    return copy


def ci(project: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([project / ".ci/run"], cwd="/", capture_output=True, text=True, timeout=LIMIT, check=False)


@pytest.mark.nightly
@pytest.mark.timeout(LIMIT)
def test_ci_is_green(project: Path) -> None:
    done = ci(project)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]


@pytest.mark.nightly
@pytest.mark.timeout(LIMIT)
@pytest.mark.parametrize(
    "path,change,says",
    [
        pytest.param("shared/errors.py", append("shared/errors.py", "import os\n"), "F401", id="lint"),
        pytest.param("shared/errors.py", append("shared/errors.py", "X = {  }\n"), "would be reformatted", id="format"),
        pytest.param(
            "shared/errors.py",
            append("shared/errors.py", '\n\nNUMBER: int = "one"\n'),
            "Incompatible types",
            id="types",
        ),
        pytest.param(
            "shared/errors.py",
            replace(
                "shared/errors.py",
                "import ClassVar\n",
                "import ClassVar\n\nimport services.ingest  # noqa: F401 -- a rule is broken on purpose\n",
            ),
            "shared knows nobody BROKEN",
            id="import rules",
        ),
        pytest.param(
            "tests/unit/test_skipped.py",
            append("tests/unit/test_skipped.py", "import pytest\n\n\n@pytest.mark.skip\ndef test_it() -> None: ...\n"),
            "SKIPPED TESTS FAIL THE RUN",
            id="a skipped test",
        ),
        pytest.param(
            "README.md",
            replace("README.md", "make demo", "make demonstration"),
            "test_readme",
            id="a command of README",
        ),
    ],
)
def test_ci_is_red(path: str, change: Break, says: str, project: Path) -> None:
    before = (project / path).read_bytes() if (project / path).exists() else None
    change(project)
    try:
        done = ci(project)
    finally:
        if before is None:
            (project / path).unlink()
        else:
            (project / path).write_bytes(before)
    assert done.returncode != 0
    assert says in done.stdout + done.stderr
