from __future__ import annotations

from pathlib import Path

import pytest

from cli.main import main

WRONG = """
causes:
  - id: data.example
    title: Example of {entity}
    category: saturation
    applies_to: [service]
    weight: -2
    required:
      - { channel: [cpuu], weight: 2 }
"""


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as done:
        main(["cause", *arguments])
    return (int(done.value.code or 0), *capsys.readouterr())


def test_the_shipped_catalogue_is_listed_shown_and_clean(capsys: pytest.CaptureFixture[str]) -> None:
    assert "saturation.disk_full" in run(capsys, "list")[1]
    code, said, _ = run(capsys, "show", "saturation.disk_full")
    assert (code, "Needed" in said, "How to tell it from" in said) == (0, True, True)
    assert run(capsys, "lint")[0] == 0


def test_a_wrong_folder_exits_1_and_names_what_is_wrong(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "data.yaml").write_text(WRONG)
    code, said, _ = run(capsys, "lint", "--causes", str(tmp_path))
    assert (code, "no channel 'cpuu'" in said) == (1, True)


def test_a_mistyped_cause_is_not_found_and_near_ones_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, problem = run(capsys, "show", "saturation.disk_fulll")
    assert (code, "did you mean 'saturation.disk_full'" in problem) == (3, True)
