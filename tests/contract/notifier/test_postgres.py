"""The same notifier on PostgreSQL: journal, list, one-time logins, decisions, streams of changes."""

from __future__ import annotations

import asyncio

import pytest

from services.notifier.adapters.sessions import StoredSessions
from tests.contract.notifier.conftest import Running, csrf_of
from tests.unit.notifier.story import APPROVAL, INCIDENT, asked, executed, granted, until_asked

pytestmark = pytest.mark.postgres


@pytest.fixture
def location(postgres_url: str) -> str:
    return postgres_url


async def test_a_story_from_alert_to_summary(running: Running) -> None:
    question = asked()
    await running.tell(*until_asked()[:-1], question)
    await running.stage("awaiting_approval")
    browser = await running.browser()
    page = await browser.get(f"/a/{APPROVAL}")
    form = {"csrf": csrf_of(page.text), "subject": APPROVAL, "plan_sha256": question.plan_sha256, "verb": "approve"}
    assert (await browser.post(f"/i/{INCIDENT}/decisions", data=form)).status_code == 303
    assert "Submitted:" in (await browser.get(f"/a/{APPROVAL}")).text
    envelope, _ = (await running.decisions())[0]
    await running.tell(granted(envelope.id), *executed())
    await running.stage("closed")
    assert "✓ Approved" in (await browser.get(f"/a/{APPROVAL}")).text
    async with running.operator() as operator:
        (row,) = (await operator.get("/api/incidents", params={"environment": "sim:night-shift-1a212dd423e"})).json()
        detail = (await operator.get("/api/incidents/INC-AB")).json()
    assert row["stage"] == "closed"
    assert detail["summary"]
    assert await running.store.last_change() > 0
    await browser.aclose()


async def test_a_login_is_accepted_once_however_many_try(running: Running) -> None:
    sessions = StoredSessions(running.store, session_seconds=60)
    login = await sessions.invite("sample-approver")
    accepted = await asyncio.gather(*(sessions.accept(login) for _ in range(20)))
    assert sorted(filter(None, accepted)) == ["sample-approver"]
