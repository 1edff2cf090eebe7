"""The recipe in docs/add-a-cause.md does what it says, block by block."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import orjson
import pytest

from cli.main import main
from tests.support.cases import case, lines, series, step

PROJECT = Path(__file__).parents[3]
RECIPE = (PROJECT / "docs/add-a-cause.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+) ?(\S*)\n(.*?)^```$", RECIPE, re.MULTILINE | re.DOTALL)


def without_licence() -> dict[str, Any]:
    """Return a case in which requests fail because the licence of a library has expired, says the log."""
    found = case()
    errors = series("intake", "error_pct", 0.4, unit="%", curve=step(25.0, -12))
    entities = [*found["topology"]["entities"], {"id": "intake", "kind": "service"}]
    return found | {
        "case_id": "licence",
        "metrics": [*found["metrics"], errors],
        "logs": lines("intake", "licence of codec expired, refusing image {n}", 60, level="error", minutes=12.0),
        "logs_baseline": lines("intake", "image {n} stored", 60),
        "topology": found["topology"] | {"entities": entities},
        "alerts": [found["alerts"][0] | {"entity": "intake", "metric": "error_pct", "title": "uploads fail"}],
    }


def command(text: str) -> tuple[str, ...]:
    words = shlex.split(text)
    assert words[0] == "signoff"
    return tuple(words[1:])


def runs(*, slow: bool) -> list[str]:
    said = [
        line for kind, _, body in BLOCKS if kind == "sh" for line in body.splitlines() if line.startswith("signoff")
    ]
    return [line for line in said if (" eval run " in line) == slow]


def execute(line: str) -> int:
    with pytest.raises(SystemExit) as done:
        main(list(command(line)))
    return int(done.value.code or 0)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(PROJECT / "services/diagnoser/causes", tmp_path / "my-causes")
    (tmp_path / "cases").mkdir()
    (tmp_path / "truths").mkdir()
    (tmp_path / "cases/licence.json").write_bytes(orjson.dumps(without_licence()))
    return tmp_path


def written(folder: Path, kind: str) -> None:
    for one, name, body in BLOCKS:
        if one == kind:
            (folder / name).write_text(body)


def first(folder: Path, name: str) -> dict[str, Any]:
    return dict(orjson.loads((folder / name).read_bytes())["licence"]["ranked"][0])


def reached(line: str, capsys: pytest.CaptureFixture[str]) -> float:
    """Return the share that is right at once, as the command prints it."""
    capsys.readouterr()
    assert execute(f"{line} -o json") == 0
    return float(orjson.loads(capsys.readouterr().out)["scores"]["all"]["ac_1"])


def test_a_cause_is_written_down_checked_and_recognised(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, scored, lint, after, again = runs(slow=False)
    written(folder, "json")
    assert execute(before) == 0
    assert (first(folder, "before.json")["entity"], first(folder, "before.json")["cause"]) == ("intake", "unknown")
    assert first(folder, "before.json")["confidence"] <= 0.60
    assert reached(scored, capsys) == 0.0

    written(folder, "yaml")
    assert execute(lint) == 0, capsys.readouterr().out
    assert execute(after) == 0
    found = first(folder, "after.json")
    assert (found["entity"], found["cause"]) == ("intake", "configuration.licence_expired")
    assert 0.60 < found["confidence"] <= 0.79
    assert reached(again, capsys) == 1.0


def test_a_word_that_means_nothing_is_named_by_lint(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(folder, "yaml")
    path = folder / "my-causes/licence.yaml"
    path.write_text(path.read_text().replace("channel: [errors], weight", "channel: [erorrs], weight"))
    assert execute(runs(slow=False)[2]) == 1
    assert "configuration.licence_expired: no channel 'erorrs'" in capsys.readouterr().out


@pytest.mark.nightly
def test_it_takes_nothing_from_the_others(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(folder, "yaml")
    plain, own = runs(slow=True)
    assert execute(plain) == 0
    assert execute(own) == 0
    told = capsys.readouterr().out
    assert "configuration.licence_expired" not in told
    assert told.count("ahead of trivial guesses, entity") == 2
