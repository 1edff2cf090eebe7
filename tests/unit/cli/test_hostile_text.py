"""What senders wrote steers no terminal and writes no line of ours, whichever command shows it."""

from __future__ import annotations

import json
import logging

import pytest

from cli.errors import tell
from cli.explaining import explained, line
from cli.output import say, show, write, write_json, write_line
from shared.errors import RefusedError
from shared.incident.visible import one_line
from shared.telemetry.logging import configure_logging
from shared.telemetry.redacting import Redactor
from tests.support.hostile import EVERYTHING, STEERING
from tests.unit.telemetry.test_logging import Terminal

OUTSIDE = STEERING | set("\t\r")


@pytest.mark.parametrize("text", EVERYTHING)
def test_a_line_of_a_command_is_one_visible_line(capsys: pytest.CaptureFixture[str], text: str) -> None:
    write(line({"at": "2026-11-24T02:59:30", "type": "incident.opened", "text": text}), text)
    write(*explained("summary.written", {"summary": {"sentences": [{"text": text}]}}))
    say(text)
    tell(RefusedError(f"refused: {text}"))
    found = capsys.readouterr()
    assert not (set(found.out) | set(found.err)) & OUTSIDE
    assert found.out.count("\n") == 3
    assert found.err == f"{one_line(text)}\nerror: refused: {one_line(text)}\n"


@pytest.mark.parametrize("text", EVERYTHING)
def test_a_cell_of_a_table_begins_no_row_and_means_no_markup(capsys: pytest.CaptureFixture[str], text: str) -> None:
    show([{"title": text, "services": [text]}], ("title", "services"), "table")
    found = capsys.readouterr().out
    assert not set(found) & OUTSIDE
    heading, row = found.splitlines()
    assert heading.split() == ["TITLE", "SERVICES"]
    assert row.count(one_line(text).rstrip()) == 2


@pytest.mark.parametrize("text", EVERYTHING)
def test_json_on_a_terminal_is_visible_and_means_the_same(capsys: pytest.CaptureFixture[str], text: str) -> None:
    write_line({"title": text})
    write_json({"title": text})
    found = capsys.readouterr().out
    assert not set(found) & OUTSIDE
    assert [json.loads(found.splitlines()[0]), json.loads(found.partition("\n")[2])] == [{"title": text}] * 2


@pytest.mark.parametrize("text", EVERYTHING)
def test_a_log_line_on_a_terminal_is_one_line_without_sequences_of_senders(text: str) -> None:
    out = Terminal()
    configure_logging(Redactor(), stream=out)
    logging.getLogger("signoff.test").warning("not kept: %s", text, extra={"facts": {"title": text}, "title": text})
    found = out.getvalue()
    for ours in ("\x1b[0m", "\x1b[1m", "\x1b[2m"):
        found = found.replace(ours, "")
    found = found.replace("\x1b[3", "")  # What is left of the renderer: the beginnings of its colours.
    assert not set(found) & OUTSIDE
    assert found.count("\n") == 1
