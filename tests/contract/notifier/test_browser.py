"""The console in a real Chromium."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from shared.events.approvals import ApprovalVoteRecorded
from shared.events.investigations import QuestionAnswered, SummarySentence
from shared.incident.actor import Actor
from shared.incident.evidence import Finding
from shared.runtime.server import Listener, bind
from tests.contract.notifier.conftest import Running
from tests.support.browser import DESKTOP, PHONE, SMALL_PHONE, complaints, open_browser, open_phone, violations
from tests.support.kinds import eventually
from tests.unit.notifier.story import APPROVAL, INCIDENT, asked, concluded, executed, granted, signed, until_asked

pytestmark = pytest.mark.browser
LOST = """() => {
    document.dispatchEvent(new Event("htmx:sse:before:connection"));
    return document.getElementById("live").textContent;
}"""
"""What the badge says when a page that was live connects anew."""


@dataclass
class Site:
    """Where the console listens."""

    url: str
    running: Running

    async def link(self, person: str = "sample-approver") -> str:
        """Return the link of the question, with a login."""
        async with self.running.operator() as operator:
            headers = {"host": self.url.removeprefix("http://")}
            answer = await operator.post("/api/login-links", json={"person": person}, headers=headers)
        return f"{self.url}/a/{APPROVAL}?login={answer.json()['token']}"


@pytest.fixture
def listening() -> Any:  # noqa: ANN401 -- a socket
    return bind("127.0.0.1", 0, name="console")


@pytest.fixture
def changes(listening: Any) -> dict[str, Any]:  # noqa: ANN401 -- a socket
    return {"base_url": f"http://127.0.0.1:{listening.getsockname()[1]}", "terminal": False}


@pytest.fixture
async def site(running: Running, changes: dict[str, Any], listening: Any) -> AsyncIterator[Site]:  # noqa: ANN401 -- a socket
    listener = Listener(listening, running.service.asgi)
    await listener.start()
    yield Site(changes["base_url"], running)
    await listener.stop()


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with open_browser() as opened:
        yield opened


@pytest.mark.parametrize("javascript", [True, False])
async def test_a_person_approves_on_a_phone(site: Site, browser: Browser, *, javascript: bool) -> None:
    await site.running.tell(*until_asked())
    await site.running.stage("awaiting_approval")
    async with open_phone(browser, javascript=javascript) as phone:
        page = await phone.new_page()
        errors = complaints(page)
        await page.goto(await site.link())
        await page.get_by_role("button", name="Continue as SAMPLE approver").click()
        await expect(page.get_by_role("heading", name="Restart shop on web-3?")).to_be_visible()
        assert "login=" not in page.url
        if javascript:
            await expect(page.locator("#live")).to_have_text("live")
        await page.get_by_role("button", name="Approve").click()
        await expect(page.get_by_text("Submitted:")).to_be_visible()
        await expect(page.get_by_role("button", name="Approve")).to_have_count(0)
        envelope, _ = (await site.running.decisions())[0]
        await site.running.tell(granted(envelope.id), *executed())
        await site.running.stage("closed")
        if not javascript:
            await page.reload()
        await expect(page.get_by_text("✓ Approved")).to_be_visible()
        await expect(page.get_by_text("Verification passed")).to_be_visible()
        await expect(page.get_by_text("It leaked memory and was restarted.")).to_be_visible()
        assert not errors


async def test_risk_why_what_and_both_buttons_are_on_the_first_screen(site: Site, browser: Browser) -> None:
    diagnosis = concluded().result.model_copy(
        update={
            "statement": "Memory of night-web-03 grows without end since deploy of bookshop v2.14.0. "
            "request.latency_p95 of bookshop went from 181 ms to 755 ms.",
            "findings": tuple(
                Finding(statement=statement, cites=("e1", "e2"))
                for statement in (
                    "deploy of bookshop v2.14.0 came 3 min before it began and reached night-web-03, not web-01, -02",
                    "process.rss of night-web-03 has grown without a break from 5.58 GB to 13.1 GB",
                    "gc.pause_ms of night-web-03 went from 18.2 ms to 427 ms",
                    "cpu.percent of night-web-03 has grown without a break from 40.7 % to 93 %",
                )
            ),
        }
    )
    request = asked().model_copy(
        update={
            "impact": "Requests in flight on this host fail; the load balancer takes it out for about 20 s",
            "expected_effect": "Memory falls below 70 % within two minutes and latency follows",
        }
    )
    story = [*until_asked()[:3], concluded().model_copy(update={"result": diagnosis}), until_asked()[4], request]
    await site.running.tell(*story)
    await site.running.stage("awaiting_approval")
    async with open_phone(browser) as phone:
        page = await phone.new_page()
        await page.goto(await site.link())
        await page.get_by_role("button", name="Continue as").click()
        for shown in (
            page.get_by_text("Medium risk"),
            page.get_by_role("heading", name="Why"),
            page.get_by_text("Likely (87\u00a0%)"),
            page.get_by_role("heading", name="What will happen"),
            page.get_by_text("Requests in flight on this host fail"),
            page.get_by_text("Not possible; if it does not help, a person takes over"),
            page.get_by_role("button", name="Reject"),
            page.get_by_role("button", name="Approve"),
        ):
            await expect(shown).to_be_in_viewport(ratio=1)
        for name in ("Reject", "Approve"):
            box = await page.get_by_role("button", name=name).bounding_box()
            assert box
            assert box["height"] >= 44
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await page.set_viewport_size({"width": SMALL_PHONE[0], "height": SMALL_PHONE[1]})
        for shown in (
            page.get_by_text("Likely (87\u00a0%)"),
            page.get_by_role("heading", name="What will happen"),
            page.get_by_role("button", name="Approve"),
        ):
            await expect(shown).to_be_in_viewport(ratio=1)


async def test_what_is_read_never_lies_under_the_buttons(site: Site, browser: Browser) -> None:
    await site.running.tell(*until_asked())
    await site.running.stage("awaiting_approval")
    async with open_phone(browser, size=SMALL_PHONE) as phone:
        page = await phone.new_page()
        await page.goto(await site.link())
        await page.get_by_role("button", name="Continue as").click()
        await page.get_by_text("Exact steps").click()
        last = page.get_by_text("Plan", exact=False).last
        await last.scroll_into_view_if_needed()
        text, buttons = await last.bounding_box(), await page.locator("form.decide").bounding_box()
        assert text
        assert buttons
        assert text["y"] + text["height"] <= buttons["y"]
        await expect(page.get_by_role("button", name="Approve")).to_be_in_viewport(ratio=1)


async def test_an_update_keeps_what_a_person_is_doing(site: Site, browser: Browser) -> None:
    await site.running.tell(*until_asked()[:-1], asked(needed=2))
    await site.running.stage("awaiting_approval")
    async with open_phone(browser) as phone:
        page = await phone.new_page()
        await page.goto(await site.link())
        await page.get_by_role("button", name="Continue as").click()
        await expect(page.locator("#live")).to_have_text("live")
        assert await page.evaluate(LOST) == "reconnecting"
        await page.get_by_text("Exact steps").click()
        await page.get_by_text("Add a reason").click()
        await page.get_by_label("Reason").fill("because")
        await site.running.tell(
            ApprovalVoteRecorded(
                approval_id=APPROVAL,
                actor=Actor(kind="person", id="sample-second-approver", name="SAMPLE second approver"),
                via="page:local",
                decision_id="other",
                have=1,
                needed=2,
                signed=signed(person="sample-second-approver"),
            )
        )
        await expect(page.get_by_text("Approved by SAMPLE second approver: 1 of 2 people")).to_be_visible()
        await expect(page.locator("pre")).to_be_visible()
        await expect(page.get_by_label("Reason")).to_have_value("because")
        await expect(page.get_by_label("Reason")).to_be_focused()


@pytest.mark.parametrize(
    "size,dark",
    [
        pytest.param(PHONE, False, id="a phone by day"),
        pytest.param(PHONE, True, id="a phone at night"),
        pytest.param(SMALL_PHONE, False, id="a small phone"),
        pytest.param(DESKTOP, True, id="a desk at night"),
    ],
)
async def test_axe_finds_nothing_on_any_page(
    site: Site, browser: Browser, size: tuple[int, int], *, dark: bool
) -> None:
    await site.running.tell(*until_asked())
    await site.running.stage("awaiting_approval")
    async with open_phone(browser, dark=dark, size=size) as phone:
        page = await phone.new_page()
        errors = complaints(page)
        await page.goto(await site.link())
        assert not await violations(page)
        await page.get_by_role("button", name="Continue as").click()
        await expect(page).to_have_url(re.compile(rf"/a/{APPROVAL}$"))
        found = {"question": await violations(page)}
        for path in ("/", f"/i/{INCIDENT}", "/nowhere", "/login"):
            await page.goto(site.url + path)
            found[path] = await violations(page)
        await site.running.tell(granted(), *executed())
        await site.running.stage("closed")
        for path in ("/", f"/i/{INCIDENT}", f"/a/{APPROVAL}"):
            await page.goto(site.url + path)
            found[f"{path} when closed"] = await violations(page)
        assert not {path: bad for path, bad in found.items() if bad}
        assert [error for error in errors if "404" not in error] == []


@pytest.mark.parametrize("javascript", [True, False])
async def test_a_person_asks_and_reads_the_answer_with_its_citations(
    site: Site, browser: Browser, *, javascript: bool
) -> None:
    await site.running.tell(*until_asked())
    await site.running.stage("awaiting_approval")
    link = (await site.link()).replace(f"/a/{APPROVAL}", f"/i/{INCIDENT}")
    async with open_phone(browser, javascript=javascript) as phone:
        page = await phone.new_page()
        errors = complaints(page)
        await page.goto(link)
        await page.get_by_role("button", name="Continue as").click()
        await expect(page.get_by_text("Signoff does not run these.")).to_be_visible()
        await page.get_by_label("Question").fill("what <i>changed</i>?")
        await page.get_by_role("button", name="Ask").click()
        await expect(page.locator("#ask").get_by_text("what <i>changed</i>?")).to_be_visible()
        await expect(page.get_by_text("Waits for the answer.")).to_be_visible()
        [(_, question)] = await site.running.requests()
        sentence = SummarySentence(text="shop v2 was deployed 20 min before.", cites=("e2",))
        answer = QuestionAnswered(
            question_id=question["request_id"],
            text=sentence.text,
            sentences=(sentence,),
            not_checked=("logs: no answer within 20 s",),
            investigation_id="inv-1",
        )
        await site.running.tell(answer)
        asked_there = page.locator("#ask")

        async def told() -> bool:
            if not javascript:
                await page.reload()
            return bool(await asked_there.get_by_text(sentence.text).count())

        await eventually(told)
        await expect(asked_there.get_by_text("shop v2 was deployed 20 min before.")).to_be_visible()
        await expect(asked_there.get_by_text("Not checked: logs: no answer within 20 s")).to_be_visible()
        await asked_there.get_by_role("link", name="Evidence e2").click()
        await expect(page.locator("#ev-e2")).to_be_in_viewport()
        if javascript:
            assert await violations(page) == []
        assert errors == []


@pytest.mark.parametrize("javascript", [True, False])
async def test_a_person_says_by_keyboard_which_cause_of_the_catalogue_it_was(
    site: Site, browser: Browser, *, javascript: bool
) -> None:
    await site.running.tell(*until_asked())
    await site.running.stage("awaiting_approval")
    link = (await site.link()).replace(f"/a/{APPROVAL}", f"/i/{INCIDENT}")
    async with open_phone(browser, javascript=javascript) as phone:
        page = await phone.new_page()
        await page.goto(link)
        await page.get_by_role("button", name="Continue as").click()
        choice = page.get_by_label("Which cause it really was, if you know")
        await choice.focus()
        await page.keyboard.type("db.slow")
        await expect(choice).to_have_value("db.slow_query")
        await page.get_by_role("button", name="It was wrong").press("Enter")
        [(_, said)] = await site.running.requests()
        assert (said["verdict"], said["cause"]) == ("wrong", "db.slow_query")
