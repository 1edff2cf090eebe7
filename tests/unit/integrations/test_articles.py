"""What is written about an incident is found by its words, and nothing else is."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from shared.errors import UnavailableError
from shared.integrations.articles import FolderKnowledge, best, passages
from shared.integrations.reading import Passage

HANDBOOK = """# Shop

The shop sells things.

## Restarts

Restart one host at a time, `web-1` first.

## Nothing yet
"""


def titles(found: list[Passage]) -> list[str]:
    return [passage.title for passage in found]


def test_each_heading_of_a_text_is_a_passage_and_its_title_says_of_what() -> None:
    found = list(passages("shop.md", HANDBOOK))

    assert [(one.title, one.text) for one in found] == [
        ("Shop", "The shop sells things."),
        ("Shop: Restarts", "Restart one host at a time, `web-1` first."),
    ]


def test_the_marks_that_close_a_heading_are_no_part_of_it_however_many_there_are() -> None:
    long = "# " * 90_000
    began = time.process_time()
    found = list(passages("a.md", f"# Shop ##\n\nIt sells.\n\n## b{long}x\n\nLong.\n"))
    assert time.process_time() - began < 2.0
    assert [one.title for one in found] == ["Shop", f"Shop: b{long}x"]


def test_a_text_without_headings_is_one_passage_that_is_called_by_its_file() -> None:
    assert list(passages("notes/pool.md", "Raise the pool.\n")) == [
        Passage("notes/pool.md", "notes/pool.md", "Raise the pool.")
    ]


@pytest.mark.parametrize(
    "words, found",
    [
        pytest.param(["web-1", "restarts"], ["Restarts", "Hosts"], id="what holds more of the rare words comes first"),
        pytest.param(["WEB-1 is slow", "hosts"], ["Hosts", "Restarts"], id="a word in a title counts more"),
        pytest.param(["web-1"], ["Hosts", "Restarts"], id="a joined name counts with its parts"),
        pytest.param(["pool", "unheard"], [], id="one word of its text says nothing"),
        pytest.param(["database"], ["Database"], id="one word of its title is enough"),
        pytest.param(["the", "for", "of"], [], id="words that stand everywhere say nothing"),
        pytest.param([], [], id="no words find nothing"),
    ],
)
def test_passages_are_found_by_the_words_they_share_with_what_is_asked(words: list[str], found: list[str]) -> None:
    there = [
        Passage("Restarts", "a", "of a host, web-1 first: restarts cost time"),
        Passage("Hosts", "b", "web-1 is a host"),
        Passage("Database", "c", "the pool for connections"),
    ]

    assert titles(best(there, words, limit=5)) == found


def test_no_more_is_found_than_is_asked_for() -> None:
    there = [Passage(f"Page {number}", str(number), "pool connections") for number in range(9)]

    assert titles(best(there, ["pool", "connections"], limit=2)) == ["Page 0", "Page 1"]


async def test_a_folder_is_searched_with_all_below_it_and_without_what_is_hidden(tmp_path: Path) -> None:
    for name in ("hosts/web.md", ".git/web.md", "hosts/web.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"# Restarts\nweb-1 \xff first\n")
    knowledge = FolderKnowledge("live", {"knowledge_folder": tmp_path})

    assert await knowledge.search(["web-1", "restarts"]) == [Passage("Restarts", "hosts/web.md", "web-1 \ufffd first")]


async def test_a_folder_that_is_not_there_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="missing is not there"):
        await FolderKnowledge("live", {"knowledge_folder": tmp_path / "missing"}).search(["web-1"])
