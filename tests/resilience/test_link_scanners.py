"""Whatever opens an approval link without being a person who presses a button decides nothing and uses nothing up.

Mail gateways, chat previews and browsers that look ahead open every link they see, some with the cookies of a person
who is signed in. Each request here is one of theirs; afterwards every table of both services is as it was.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from services.notifier.adapters.tables import TABLES
from tests.resilience.house import BASE, RUN_TOKEN, House
from tests.resilience.matter import Matter, asked
from tests.support.kinds import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

AGENTS = (
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "Slackbot 1.0 (+https://api.slack.com/robots)",
    "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
    "TelegramBot (like TwitterBot)",
    "WhatsApp/2.23.20.0",
    "Twitterbot/1.0",
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    "LinkedInBot/1.0 (compatible; Mozilla/5.0)",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) SkypeUriPreview Preview/0.5",
    "Mozilla/5.0 (compatible; MicrosoftPreview/2.0; +https://aka.ms/MicrosoftPreview)",
    "Mozilla/5.0 (Windows NT 10.0) Safelinks",
    "Mozilla/5.0 (compatible; Proofpoint URL Defense)",
    "Mozilla/5.0 (compatible; Barracuda Sentinel)",
    "Google-Safety",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "curl/8.5.0",
)
WAYS: tuple[dict[str, str], ...] = (
    {},
    {"sec-purpose": "prefetch;prerender", "purpose": "prefetch"},
    {"x-moz": "prefetch"},
    {"x-purpose": "preview"},
    {"range": "bytes=0-1024", "accept": "*/*"},
    {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "referer": "https://mail.example/"},
    {"sec-fetch-site": "same-origin", "origin": BASE},
    {"x-http-method-override": "POST", "x-method-override": "POST"},
)
METHODS = ("GET", "HEAD", "OPTIONS")
SIDE_BY_SIDE = 8
STRIDE = 11
"""Every eleventh of all combinations comes next, so that few requests hold each agent, way, link and method."""


def links(matter: Matter, login: str, csrf: str) -> tuple[str, ...]:
    """Return what a scanner may find: the link as it is posted, and what a page or a guess makes of it."""
    form = f"csrf={csrf}&subject={matter.approval}&plan_sha256={matter.question['plan_sha256']}&verb=approve"
    return (
        f"/a/{matter.approval}",
        f"/a/{matter.approval}?login={login}",
        f"/login?login={login}&next=/a/{matter.approval}",
        f"/i/{matter.incident}/decisions?{form}",
        f"/api/incidents/{matter.incident}/decisions?verb=approve",
        f"/i/{matter.incident}",
        f"/a/{matter.approval}?_method=POST&{form}",
    )


async def everything(house: House, matter: Matter) -> list[Any]:
    """Return all that the services keep about an incident, with every session, login and dead letter."""
    await house.journaled(matter.incident)
    return [
        *[await house.journal.select(select(table)) for table in TABLES],
        await house.journal.state(f"incident/{matter.incident}"),
        await house.store.state(f"incident/{matter.incident}"),
        await house.store.audit(f"incident/{matter.incident}"),
        await house.journal.audit(f"incident/{matter.incident}"),
        await house.journal.dead(),
        await house.store.dead(),
        [one.id for one in matter.heard()],
    ]


@pytest.mark.parametrize(
    "count",
    [
        pytest.param(1_000, id="a thousand"),
        pytest.param(10_000, id="ten thousand", marks=[pytest.mark.nightly, pytest.mark.timeout(600)]),
    ],
)
async def test_who_only_looks_decides_nothing(house: House, count: int) -> None:
    matter = await asked(house)
    person = await house.browser("ann")
    csrf = (await person.get(f"/a/{matter.approval}")).text.partition('name="csrf" value="')[2][:64]
    async with house.client(RUN_TOKEN) as operator:
        login = (await operator.post("/api/login-links", json={"person": "ann"})).json()["token"]

    async def is_noticed() -> bool:
        return bool((await matter.state())["approval"]["noticed"])

    await eventually(is_noticed)  # That is the last that happens by itself.
    before = await everything(house, matter)

    answers: Counter[int] = Counter()
    requests = itertools.islice(
        itertools.cycle(itertools.product(AGENTS, WAYS, links(matter, login, csrf), METHODS, (True, False))),
        0,
        count * STRIDE,
        STRIDE,
    )
    stranger = house.client()

    async def scan() -> None:
        for agent, way, link, method, signed_in in requests:
            client: httpx.AsyncClient = person if signed_in else stranger
            answer = await client.request(method, link, headers={"user-agent": agent, **way}, follow_redirects=True)
            answers[answer.status_code] += 1

    await asyncio.gather(*(scan() for _ in range(SIDE_BY_SIDE)))
    await stranger.aclose()
    assert sum(answers.values()) == count
    assert set(answers) <= {200, 401, 403, 404, 405}, answers
    assert await everything(house, matter) == before
    assert not any(one.type.startswith("approval.decision") for one in matter.heard())
    await matter.nothing_happened("Approval requested")
    # The login link was opened again and again, and still works for the person it is for.
    async with house.client() as browser:
        accepted = await browser.post("/login", data={"login": login, "next": "/"}, headers={"origin": BASE})
    assert accepted.status_code == 303
