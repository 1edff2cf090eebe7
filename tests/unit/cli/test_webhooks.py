from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.commands.webhooks import parse
from shared.errors import NotFoundError


def test_a_body_is_shown_as_the_event_that_it_would_become(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    body = tmp_path / "body.json"
    body.write_text('{"title": "[P2] [Triggered] disk is full", "alert_id": "42"}')
    parse(body, source="datadog", output="json")
    [row] = json.loads(capsys.readouterr().out)
    assert (row["event"], row["title"], row["source_key"]) == ("delivery.received", "disk is full", "monitor::42:")
    assert not {"receipt", "mac", "raw"} & set(row)


def test_a_file_of_lines_is_shown_line_by_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bodies = tmp_path / "bodies.jsonl"
    bodies.write_text('{"title": "a"}\n\n{"broken\n[{"title": "b"}, {"title": "c"}]\n')
    parse(bodies, source="generic", output="jsonl")
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row.get("title") or row["why"] for row in rows] == ["a", "broken_json", "b", "c"]


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no-such-file"):
        parse(tmp_path / "no-such-file", source="generic")
