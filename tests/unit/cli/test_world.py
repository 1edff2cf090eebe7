from __future__ import annotations

from cli.commands.world import lines


def test_a_post_reads_as_in_the_channel() -> None:
    fields = {"Incident": "p95 &gt; 900 ms", "Risk": "low"}
    post = {"text": "A &amp; B", "fields": fields, "link": "http://127.0.0.1:8700/i/INC-1", "thread": ["open"]}
    assert lines(post) == [
        "A & B",
        "  Incident: p95 > 900 ms",
        "  Risk: low",
        "  http://127.0.0.1:8700/i/INC-1",
        "    open",
    ]
