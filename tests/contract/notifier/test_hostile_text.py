"""Whatever a sender, a machine or a person wrote is shown as text: on every page, in Slack, on the terminal."""

from __future__ import annotations

import io
import sys
from html.parser import HTMLParser
from typing import Any

import pytest

from shared.events.payload import Payload
from shared.incident.visible import one_line, visible
from shared.runbooks.plan import digest
from tests.contract.notifier.conftest import Running, World
from tests.support.hostile import STEERING, in_portions
from tests.support.kinds import eventually
from tests.unit.notifier.story import APPROVAL, INCIDENT, asked, executed, granted, opened, plan, until_asked

pytestmark = pytest.mark.slow

TEXT = frozenset(
    [
        "title",
        "description",
        "statement",
        "summary",
        "text",
        "detail",
        "template",
        "name",
        "label",
        "impact",
        "why",
        "expected_effect",
        "entity",
        "host",
        "metric",
        "unit",
        "check",
        "condition",
        "observed",
        "value",
        "services",
        "ruled_out",
        "contradictions",
        "unexplained",
        "confidence_from",
        "changed",
        "cause",
        "only_now",
        "only_then",
        "missing",
        "next_checks",
        "query",
        "transition",
        "labels",
        "do",
        "verify",
        "verbs",
        "verification",
        "behind",
    ]
)
"""Fields of events that hold what others wrote."""
PAGES = ("/", f"/i/{INCIDENT}", f"/a/{APPROVAL}")
HARMLESS = "harmless"
EACH = pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in in_portions()])


def written(value: Any, text: str, name: str = "") -> Any:  # noqa: ANN401 -- any JSON value
    """Return a value with `text` in every field that others write."""
    if isinstance(value, dict):
        return {key: written(inner, text, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [written(inner, text, name) for inner in value]
    return text if name in TEXT and isinstance(value, str) else value


def story(text: str) -> tuple[list[Payload], list[Payload]]:
    """Return an incident in which every text is `text`: up to the question, and from the ruling to the end."""
    made = plan()
    step = made.steps[0].model_copy(update={"name": text, "impact": text, "arguments": {text: text}})
    shown = made.model_copy(update={"title": text, "steps": (step,)}).text()
    question = asked(text=shown).model_copy(update={"plan_sha256": digest(shown)})
    asking: list[Payload] = [opened(link=f"javascript:{text}"), *until_asked()[1:-1], question]
    return [_all(payload, text) for payload in asking], [_all(payload, text) for payload in (granted(), *executed())]


def _all(payload: Payload, text: str) -> Payload:
    return type(payload).model_validate(written(payload.model_dump(mode="json"), text))


class Markup(HTMLParser):
    """The tags of a page with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, frozenset[str]]] = []
        self.targets: list[str] = []
        self.text: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, frozenset(name for name, _ in attrs)))
        self.targets += [value or "" for name, value in attrs if name in ("href", "src", "action")]

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def handle_comment(self, data: str) -> None:
        self.tags.append((f"comment {data}", frozenset()))


async def pages(running: Running) -> dict[str, str]:
    """Return all pages of the incident."""
    browser = await running.browser()
    found = {path: (await browser.get(path)).text for path in PAGES}
    await browser.aclose()
    return found


@EACH
async def test_the_markup_of_a_page_is_the_same_whatever_the_texts_are(running: Running, text: str) -> None:
    asking, doing = story(text)
    await running.tell(*asking)
    await running.journaled(len(asking))
    while_it_asks = await pages(running)
    await running.tell(*doing)
    await running.journaled(len(asking) + len(doing))
    when_it_is_over = await pages(running)
    for path, page in (*while_it_asks.items(), *when_it_is_over.items()):
        found, known = Markup(page), Markup(page.replace(escaped_of(page, text), HARMLESS))
        assert not set(page) & STEERING, path
        assert visible(text) in "".join(found.text), path
        assert all(target.startswith(("/", "#", "data:,")) for target in found.targets), path
        assert found.tags == known.tags, path


def escaped_of(page: str, text: str) -> str:
    """Return the text as the page has it."""
    from markupsafe import escape

    found = str(escape(visible(text)))
    assert found in page
    return found


async def test_the_api_gives_every_text_as_it_is(running: Running) -> None:
    for name, text in in_portions():
        number = f"INC-{name.replace(' ', '').upper()[:10]:0<10}"
        await running.tell(*[opened(text)], incident=number)
        [entry] = await running.journaled(1, number)
        assert entry["body"]["title"] == text


@EACH
async def test_slack_and_the_terminal_get_text_that_mentions_nobody_and_steers_nothing(
    running: Running, world: World, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    out = io.StringIO()
    monkeypatch.setattr(sys, "stderr", out)
    await running.tell(*story(text)[0])

    async def told() -> bool:
        return "APPROVAL LINK" in out.getvalue() and any("Approve?" in post["text"] for post in world.posts)

    await eventually(told)
    for post in world.posts:
        for said in (post["text"], post["line"], *post["fields"], *post["fields"].values()):
            assert not set(said) & (STEERING | set("<>"))
            assert all(part.startswith(("amp;", "lt;", "gt;")) for part in said.split("&")[1:])
    assert not set(out.getvalue()) & (STEERING | set("\t\r"))
    titled = [line for line in out.getvalue().splitlines() if line.strip() and "APPROVAL LINK" not in line]
    assert titled
    assert all("[SIMULATED]" in line and one_line(text) in line for line in titled)
