from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from cli.catalogue import COMMANDS, GROUPS
from cli.main import build, main

PROJECT = Path(__file__).parents[3]
PLACES = {
    **{name: place for name, (place, _) in COMMANDS.items()},
    **{f"{group} {name}": place for group, (_, inner) in GROUPS.items() for name, (place, _) in inner.items()},
}


@pytest.mark.parametrize("command", PLACES)
def test_every_command_is_there_and_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    module, _, function = PLACES[command].partition(":")
    assert callable(getattr(importlib.import_module(f"cli.commands.{module}"), function))

    build()([*command.split(), "--help"], exit_on_error=False)

    shown = capsys.readouterr().out
    assert f"signoff {command}" in shown
    assert "--data PATH  " not in shown or re.search(r"--data PATH +[A-Z]", shown), "nobody is told what --data is"
    assert "--empty-" not in shown


@pytest.mark.parametrize(
    "arguments, said",
    [
        pytest.param(["aprove"], "error: unknown command 'aprove'; did you mean 'approve'?", id="a mistyped command"),
        pytest.param(["incidents", "lst"], "error: unknown command 'lst'; did you mean 'list'?", id="in a group"),
        pytest.param(["up", "--prot", "1"], "error: Unknown option: --prot. Did you mean --port?", id="an option"),
        pytest.param(["replay", "--via", "fax"], 'error: Invalid value "fax"', id="a value that is no choice"),
        pytest.param(["reject", "INC-1"], "error: ", id="a required option left out"),
    ],
)
def test_wrong_usage_exits_2_and_says_where_help_is(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)

    captured = capsys.readouterr()
    assert ended.value.code == 2
    assert captured.out == ""
    assert captured.err.startswith(said)
    assert re.search(r"\n  → see: signoff .*--help\n$", captured.err)


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_every_command_that_a_document_names_exists(document: str) -> None:
    text = (PROJECT / document).read_text()
    named = re.findall(r"\bsignoff ((?:[a-z-]+ ?)+)", " ".join(re.findall(r"`([^`]+)`", text)))
    unknown = [words for words in named if not any(f"{words} ".startswith(f"{known} ") for known in [*PLACES, *GROUPS])]
    assert not unknown
