"""The demo as a person sees it: the printed link, a phone, one tap."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from tests.support.browser import complaints, open_browser, open_phone, violations
from tests.support.signoff import Signoff

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

CLOSED_SECONDS = 180_000


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without JavaScript"])
async def test_a_person_opens_the_printed_link_on_a_phone_approves_and_sees_the_fix_verified(
    signoff: Signoff, *, javascript: bool
) -> None:
    signoff.up("--replay", "high_cpu")
    link = signoff.wait_for("up", "/a/apr-", limit=90).split()[-1]
    assert "?login=" in link
    async with open_browser() as browser, open_phone(browser, javascript=javascript) as phone:
        page = await phone.new_page()
        wrong = complaints(page)
        await page.goto(link)
        await page.get_by_role("button", name=re.compile("Continue as")).click()
        await expect(page.get_by_role("button", name="Approve")).to_be_visible()
        assert "login=" not in page.url
        found = await violations(page) if javascript else []
        await page.get_by_role("button", name="Approve").click()
        # On a live page the executor may have ruled before anybody reads that the decision was submitted.
        await expect(page.get_by_text(re.compile("Submitted:|Approved by")).first).to_be_visible()
        signoff.wait_for("up", "incident.closed", limit=CLOSED_SECONDS / 1000)
        if not javascript:
            await page.reload()
        await expect(page.get_by_text("Approved by SAMPLE approver").first).to_be_visible()
        await expect(page.get_by_text("Verification passed").first).to_be_visible()
        found += await violations(page) if javascript else []
        assert not found
        assert not wrong
    [incident] = signoff.json("incidents", "list")
    assert incident["stage"] == "closed"
    [verified] = signoff.json("incidents", "show", incident["id"])["verifications"]
    assert verified["outcome"] == "passed"
    assert float(verified["observed"][-1].split()[0]) < 70
    assert [call["applied"] for call in signoff.json("world", "ledger")] == [True]
