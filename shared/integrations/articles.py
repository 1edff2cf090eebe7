"""Written knowledge in a folder of Markdown files, such as a checkout of a team's handbook."""

from __future__ import annotations

import asyncio
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from shared.errors import UnavailableError
from shared.integrations.reading import KnowledgeProvider, Passage

FILES_MAX = 2000
FILE_CHARACTERS = 200_000
"""What is read of one file; what follows is left out."""
IN_TITLE = 2
"""How often a word counts that stands in the title."""
SHARED_LEAST = 2
"""A passage that shares fewer words with what is asked for says nothing of it."""
WORD_LEAST = 3
EVERYWHERE = re.compile(r"about|above|after|and|are|below|for|from|has|have|into|its|not|over|than|that|the|this|with")
_HEADING = re.compile(r"^#{1,6}[ \t]+(.+)$", re.MULTILINE)
_WORD = re.compile(r"[^\W_]+(?:[-_.][^\W_]+)*")


class FolderKnowledge(KnowledgeProvider):
    """The files `*.md` under `settings["knowledge_folder"]`, read anew for each search, hidden ones left out."""

    def __init__(self, environment: str, settings: Mapping[str, Any]) -> None:
        del environment
        self._folder = Path(settings["knowledge_folder"])

    async def search(self, words: Sequence[str], *, limit: int = 5) -> list[Passage]:
        """Return the passages that fit best. Raises UnavailableError for a folder that is not there."""
        return await asyncio.to_thread(lambda: best(list(self._passages()), words, limit=limit))

    def _passages(self) -> Iterator[Passage]:
        if not self._folder.is_dir():
            raise UnavailableError(f"the folder of written knowledge {self._folder} is not there")
        found = sorted(path for path in self._folder.rglob("*.md") if path.is_file())
        links = [path.relative_to(self._folder) for path in found]
        for link in [link for link in links if not any(part.startswith(".") for part in link.parts)][:FILES_MAX]:
            with (self._folder / link).open(encoding="utf-8", errors="replace") as file:
                yield from passages(link.as_posix(), file.read(FILE_CHARACTERS))


def passages(link: str, text: str) -> Iterator[Passage]:
    """Return the passages of a Markdown text, one for each heading, with the text's first heading in each title."""
    headings = list(_HEADING.finditer(text))
    first = _title(headings[0]) if headings else link
    for heading, after in zip([None, *headings], [*headings, None], strict=True):
        body = text[heading.end() if heading else 0 : after.start() if after else len(text)].strip()
        title = first if heading is None or _title(heading) == first else f"{first}: {_title(heading)}"
        if body:
            yield Passage(title, link, body)


def _title(heading: re.Match[str]) -> str:
    """Return a heading without the marks that may close it."""
    return heading[1].rstrip(" \t#") or heading[1].strip()


def best(found: Sequence[Passage], words: Sequence[str], *, limit: int) -> list[Passage]:
    """Return the passages that hold most of the words, rare ones counting more; in the order of the titles for equals.

    A word weighs the logarithm of how few passages hold it (inverse document frequency, Spärck Jones 1972).
    """
    asked = _words(" ".join(words))
    titles = [_words(passage.title) for passage in found]
    held = [asked & (title | _words(passage.text)) for title, passage in zip(titles, found, strict=True)]
    spread = Counter(word for some in held for word in some)

    judged: list[tuple[float, Passage]] = []
    for passage, title, some in zip(found, titles, held, strict=True):
        counts = {word: IN_TITLE if word in title else 1 for word in sorted(some)}
        if sum(counts.values()) >= SHARED_LEAST:
            weight = sum(count * math.log1p(len(found) / spread[word]) for word, count in counts.items())
            judged.append((-weight, passage))
    judged.sort(key=lambda pair: (pair[0], pair[1].title, pair[1].link))
    return [passage for _, passage in judged[:limit]]


def _words(text: str) -> frozenset[str]:
    """Return the words of a text in small letters: joined names and their parts, none that stand everywhere."""
    whole = _WORD.findall(text.lower())
    parts = (part for word in whole for part in re.split(r"[-_.]", word))
    return frozenset(word for word in (*whole, *parts) if len(word) >= WORD_LEAST and not EVERYWHERE.fullmatch(word))
