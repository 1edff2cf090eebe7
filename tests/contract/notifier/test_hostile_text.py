"""Whatever a sender, a machine or a person wrote is shown as text: on every page, in Slack, on the terminal."""

from __future__ import annotations

import io
import sys
from html.parser import HTMLParser
from typing import Any

import pytest

from shared.events.payload import INCIDENTS, Payload
from shared.events.registry import EVENTS
from shared.incident.visible import one_line, visible
from shared.lifecycle.timeline import UNTOLD
from shared.runbooks.plan import digest
from tests.contract.notifier.conftest import Running, World
from tests.support.filled import filled
from tests.support.hostile import STEERING, in_portions
from tests.support.kinds import eventually
from tests.unit.notifier.story import (
    APPROVAL,
    APPROVER,
    EXECUTION,
    INCIDENT,
    asked,
    executed,
    granted,
    opened,
    plan,
    signed,
    until_asked,
)

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
    asking, doing = story(text)
    await running.tell(*asking)

    async def is_asked() -> bool:
        return "APPROVAL LINK" in out.getvalue() and any("Approve?" in post["text"] for post in world.posts)

    async def is_over() -> bool:
        return any("closed" in post["text"] for post in world.posts) and "✓ closed" in out.getvalue()

    await eventually(is_asked)
    await running.tell(*doing)
    await eventually(is_over)
    for post in world.posts:
        for said in (post["text"], post["line"], *post["fields"], *post["fields"].values()):
            assert not set(said) & (STEERING | set("<>"))
            assert all(part.startswith(("amp;", "lt;", "gt;")) for part in said.split("&")[1:])
    assert not set(out.getvalue()) & (STEERING | set("\t\r"))
    titled = [line for line in out.getvalue().splitlines() if line.strip() and "APPROVAL LINK" not in line]
    assert titled
    assert all("[SIMULATED]" in line and one_line(text) in line for line in titled)


def everything(text: str) -> list[Payload]:
    """Return an event of every type about an incident, with the text in whatever field may hold any."""
    given = {"approval_id": APPROVAL, "execution_id": EXECUTION, "plan_sha256": digest(plan().text())}
    rulings: dict[str, dict[str, Any]] = {
        "approval.granted": {"actors": [APPROVER], "signed": signed()},
        "approval.vote_recorded": {"actor": APPROVER, "signed": signed()},
        "approval.rejected": {"actor": APPROVER, "signed": signed("reject")},
    }
    types = {name: payload for name, payload in EVENTS.items() if payload.topic == INCIDENTS}
    del types["approval.requested"]  # Its plan is bytes with a digest, and has its own texts in the story above.
    return [
        filled(
            name,
            text,
            **{field: value for field, value in given.items() if field in payload.model_fields},
            **rulings.get(name, {}),
        )
        for name, payload in types.items()
    ]


async def test_whatever_a_service_can_say_of_an_incident_is_shown_as_text(running: Running) -> None:
    browser = await running.browser()
    for name, text in in_portions():
        number = f"INC-{name.replace(' ', '').upper()[:10]:0<10}"
        told = [*until_asked(), granted(), *executed()[:2], *everything(text)]
        await running.tell(*told, incident=number)
        await running.journaled(len(told), number)
        async with running.operator() as operator:
            lines = (await operator.get(f"/api/incidents/{number}")).json()["timeline"]
        assert {payload.type for payload in told} <= {line["type"] for line in lines} | UNTOLD.keys()
        for path in ("/", f"/i/{number}"):
            page = (await browser.get(path)).text
            found, known = Markup(page), Markup(page.replace(escaped_of(page, text), HARMLESS))
            assert not set(page) & STEERING, (path, name)
            assert visible(text) in "".join(found.text), (path, name)
            assert all(target.startswith(("/", "#", "data:,")) for target in found.targets), (path, name)
            assert found.tags == known.tags, (path, name)
    await browser.aclose()
