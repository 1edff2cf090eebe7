from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import Route

from services.notifier.entrypoints import api
from services.notifier.entrypoints.guard import HEADERS
from tests.contract.notifier.conftest import BASE, RUN_TOKEN, Running, csrf_of
from tests.unit.notifier.story import APPROVAL, HOSTILE, INCIDENT, asked, opened, until_asked

UNFURL = {"user-agent": "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", "range": "bytes=0-1024"}


def every_route(running: Running) -> Iterator[tuple[str, str]]:
    """Yield (method, path) of all routes, with something in each place."""
    app = running.service.asgi._app  # type: ignore[attr-defined]  # the guard's inside
    assert isinstance(app, FastAPI)
    for route in [*app.routes, *api.router.routes]:
        if isinstance(route, Route | APIRoute):
            path = route.path.replace(":path", "")
            for name in route.param_convertors:
                path = path.replace("{" + name + "}", INCIDENT)
            for method in sorted((route.methods or set()) - {"HEAD"}):
                yield method, path


async def test_every_route_but_health_login_and_statics_turns_strangers_away(running: Running) -> None:
    public = {"/livez", "/readyz", "/metrics", "/login"}
    async with running.client() as stranger:
        seen = 0
        for method, path in every_route(running):
            if path in public:
                continue
            seen += 1
            answer = await stranger.request(method, path, headers={"origin": BASE, "content-length": "0"})
            if method == "GET" and not path.startswith("/api/"):
                assert answer.status_code == 303, path
                assert answer.headers["location"].startswith("/login?next=")
            else:
                assert answer.status_code in (401, 403), (method, path, answer.status_code)
    assert seen >= 30


async def test_every_answer_has_strict_headers(running: Running) -> None:
    browser = await running.browser()
    paths = ["/", "/nowhere", "/i/INC-NONE", "/login", "/readyz", "/static/console.css", "/api/me", "/a/none"]
    for path in paths:
        answer = await browser.get(path)
        expected = {**HEADERS, **({"Cache-Control": "no-cache"} if path.startswith("/static") else {})}
        assert expected.items() <= {name: answer.headers.get(name) for name in expected}.items(), path
    await browser.aclose()


async def test_another_host_name_is_not_served(running: Running) -> None:
    async with running.operator() as operator:
        rebound = await operator.get("/api/incidents", headers={"host": "evil.example:8700"})
        other_port = await operator.get("/api/incidents", headers={"host": "127.0.0.1:9999"})
        named = await operator.get("/api/incidents", headers={"host": "localhost:8700"})
        health = await operator.get("/readyz", headers={"host": "10.0.0.7:8700"})
    assert rebound.status_code == other_port.status_code == 421
    assert named.status_code == health.status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example", "sec-fetch-site": "cross-site"},
        {"origin": "null", "sec-fetch-site": "cross-site"},
        {"origin": "null"},
        {"origin": BASE, "sec-fetch-site": "same-site"},
        {"origin": "", "sec-fetch-site": "none"},
    ],
)
async def test_a_form_of_another_site_changes_nothing(running: Running, headers: dict[str, str]) -> None:
    await running.tell(*until_asked())
    await running.journaled(6)
    browser = await running.browser()
    token = csrf_of((await browser.get(f"/a/{APPROVAL}")).text)
    form = {"csrf": token, "subject": APPROVAL, "plan_sha256": "0" * 64, "verb": "approve"}
    answer = await browser.post(f"/i/{INCIDENT}/decisions", data=form, headers=headers)
    assert answer.status_code == 403
    assert not await said_anything(running)
    await browser.aclose()


def cookie_of(browser: httpx.AsyncClient) -> str:
    """Return the cookie header of a browser."""
    return "; ".join(f"{name}={value}" for name, value in browser.cookies.items())


async def said_anything(running: Running) -> bool:
    """Say whether any decision is in the journal."""
    return any(entry["type"] == "decision.submitted" for entry in await running.journaled(1))


async def test_a_form_whose_session_has_ended_says_that_nothing_was_submitted(running: Running) -> None:
    async with running.client() as stranger:
        form = {"csrf": "0" * 64, "verb": "note", "text": "typed at three"}
        answer = await stranger.post(f"/i/{INCIDENT}/requests", data=form, headers={"origin": BASE})
    assert answer.status_code == 401
    assert "nothing was submitted" in answer.text
    assert 'href="/"' in answer.text


async def test_the_login_page_leads_back_and_names_who_is_signed_in(running: Running) -> None:
    async with running.client() as stranger:
        page = await stranger.get(f"/login?next=/a/{APPROVAL}")
    assert f'<a href="/a/{APPROVAL}">open the page again</a>' in page.text
    browser = await running.browser()
    page = await browser.get(f"/login?login=used&next=/a/{APPROVAL}")
    assert "You are signed in as SAMPLE approver" in page.text
    assert "used already" in page.text
    assert "signoff login" not in page.text
    await browser.aclose()


@pytest.mark.parametrize("csrf", ["", "0" * 64])
async def test_a_form_without_the_token_of_its_session_changes_nothing(running: Running, csrf: str) -> None:
    await running.tell(*until_asked())
    await running.journaled(6)
    browser = await running.browser()
    form = {"csrf": csrf, "subject": APPROVAL, "plan_sha256": "0" * 64, "verb": "approve"}
    answer = await browser.post(f"/i/{INCIDENT}/decisions", data=form)
    assert answer.status_code == 409
    assert not await said_anything(running)
    await browser.aclose()


async def test_the_token_of_another_session_is_not_taken(running: Running) -> None:
    await running.tell(*until_asked())
    await running.journaled(6)
    browser, other = await running.browser(), await running.browser("sample-second-approver")
    token = csrf_of((await other.get(f"/a/{APPROVAL}")).text)
    form = {"csrf": token, "subject": APPROVAL, "plan_sha256": "0" * 64, "verb": "approve"}
    assert (await browser.post(f"/i/{INCIDENT}/decisions", data=form)).status_code == 409
    await browser.aclose()
    await other.aclose()


async def test_a_cookie_changes_nothing_through_the_api(running: Running) -> None:
    await running.tell(*until_asked())
    await running.journaled(6)
    browser = await running.browser()
    answer = await browser.post(f"/api/incidents/{INCIDENT}/decisions", json={"verb": "approve"})
    assert answer.status_code == 401
    assert (await browser.get("/api/me")).json()["person"] == "sample-approver"
    await browser.aclose()


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
@pytest.mark.parametrize("headers", [{}, UNFURL, {"sec-purpose": "prefetch"}])
async def test_looking_at_an_approval_link_changes_nothing(
    running: Running, method: str, headers: dict[str, str]
) -> None:
    await running.tell(*until_asked())
    await running.journaled(6)
    async with running.operator() as operator:
        token = (await operator.post("/api/login-links", json={"person": "sample-approver"})).json()["token"]
    browser = await running.browser()
    machine = running.client()
    for client in (browser, machine):
        for path in (f"/a/{APPROVAL}", f"/a/{APPROVAL}?login={token}", f"/login?login={token}&next=/a/{APPROVAL}"):
            await client.request(method, path, headers=headers, follow_redirects=True)
    assert not await said_anything(running)
    page = await machine.get(f"/login?login={token}")
    assert "Continue as SAMPLE approver" in page.text
    await browser.aclose()
    await machine.aclose()


async def test_a_login_link_works_once_and_leads_where_it_was_going(running: Running) -> None:
    await running.tell(*until_asked())
    await running.journaled(6)
    async with running.operator() as operator:
        token = (await operator.post("/api/login-links", json={"person": "sample-approver"})).json()["token"]
    async with running.client(origin=BASE) as browser:
        asked_for = await browser.get(f"/a/{APPROVAL}?login={token}")
        assert asked_for.status_code == 303
        page = await browser.get(asked_for.headers["location"])
        assert "Continue as SAMPLE approver" in page.text
        accepted = await browser.post("/login", data={"login": token, "next": f"/a/{APPROVAL}"})
        assert accepted.headers["location"] == f"/a/{APPROVAL}"
        cookie = accepted.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert (await browser.get(f"/a/{APPROVAL}")).status_code == 200
        again = await browser.post("/login", data={"login": token, "next": "/"})
    assert again.status_code == 409
    assert "used already" in again.text


async def test_a_login_never_leads_to_another_site(running: Running) -> None:
    async with running.operator() as operator:
        token = (await operator.post("/api/login-links", json={"person": "sample-approver"})).json()["token"]
    async with running.client(origin=BASE) as browser:
        answer = await browser.post("/login", data={"login": token, "next": "//evil.example/"})
    assert answer.headers["location"] == "/"


async def test_only_who_started_the_server_signs_others_in(running: Running) -> None:
    async with running.operator() as operator:
        session = (await operator.post("/api/sessions", json={"person": "sample-responder"})).json()["token"]
        unknown = await operator.post("/api/sessions", json={"person": "nobody"})
    async with running.client(session) as responder:
        assert (await responder.get("/api/me")).json()["person"] == "sample-responder"
        assert (await responder.post("/api/sessions", json={"person": "sample-approver"})).status_code == 409
        assert (await responder.post("/api/login-links", json={"person": "sample-approver"})).status_code == 409
        assert (await responder.post("/api/sign-out")).status_code == 200
        assert (await responder.get("/api/me")).status_code == 401
    assert unknown.status_code == 404
    assert "sample-approver" in unknown.json()["error"]


@pytest.mark.parametrize(
    "given",
    [
        {"address": "10.1.2.3"},
        {"x-forwarded-for": "10.1.2.3"},
        {"forwarded": "for=10.1.2.3"},
        {"address": "::ffff:8.8.8.8"},
    ],
)
async def test_tokens_of_this_machine_count_on_this_machine_only(running: Running, given: dict[str, str]) -> None:
    browser = await running.browser()
    cookie = cookie_of(browser)
    await browser.aclose()
    async with running.client(RUN_TOKEN, **given) as far:
        assert (await far.get("/api/incidents")).status_code == 401
    async with running.client(**given) as far:
        answer = await far.get("/", headers={"cookie": cookie})
    assert answer.status_code == 303


async def test_signing_out_ends_the_session(running: Running) -> None:
    browser = await running.browser()
    token = csrf_of((await browser.get("/")).text)
    cookie = cookie_of(browser)
    assert (await browser.post("/sign-out", data={"csrf": token})).status_code == 303
    await browser.aclose()
    async with running.client() as later:
        assert (await later.get("/", headers={"cookie": cookie})).status_code == 303


async def test_what_senders_wrote_is_shown_as_text_everywhere(running: Running) -> None:
    first: list[Any] = [opened(HOSTILE, link="javascript:alert(3)"), *until_asked()[1:-1], asked(title=HOSTILE)]
    await running.tell(*first)
    await running.journaled(6)
    browser = await running.browser()
    for path in ("/", f"/i/{INCIDENT}", f"/a/{APPROVAL}"):
        text = (await browser.get(path)).text
        assert "alert(1)" in text, path
        assert "<script>alert" not in text, path
        assert "<img" not in text, path
        assert "javascript:" not in text, path
    await browser.aclose()


async def test_a_title_cannot_make_a_page_look_other_than_it_is(running: Running) -> None:
    title = "disk\x1b[2J full \u202eelbisrever\u202c on web\u200b-3"
    await running.tell(opened(title), *until_asked()[1:])
    await running.journaled(6)
    browser = await running.browser()
    for path in ("/", f"/i/{INCIDENT}"):
        text = (await browser.get(path)).text
        assert "disk\\u001b[2J full \\u202eelbisrever\\u202c on web\\u200b-3" in text, path
        assert not set("\x1b\u202e\u202c\u200b") & set(text), path
    await browser.aclose()


async def test_a_large_body_is_refused_before_it_is_read(running: Running) -> None:
    browser = await running.browser()
    answer = await browser.post(f"/i/{INCIDENT}/requests", data={"text": "x" * 70_000})
    assert answer.status_code == 413
    await browser.aclose()


async def test_no_page_and_no_answer_holds_a_secret(running: Running) -> None:
    await running.tell(*until_asked())
    await running.journaled(6)
    browser = await running.browser()
    cookie = next(iter(dict(browser.cookies).values()))
    answers: list[httpx.Response] = [await browser.get(path) for path in ("/", f"/i/{INCIDENT}", f"/a/{APPROVAL}")]
    async with running.operator() as operator:
        paths = ("/api/incidents", f"/api/incidents/{INCIDENT}", f"/api/incidents/{INCIDENT}/events", "/api/me")
        answers += [await operator.get(path) for path in paths]
    for answer in answers:
        assert RUN_TOKEN not in answer.text
        assert cookie not in answer.text
        assert "PRIVATE KEY" not in answer.text
    await browser.aclose()


class TestAServerOfSomebodyElse:
    @pytest.fixture
    def changes(self) -> dict[str, Any]:
        return {"operator": "sample-second-approver"}

    async def test_a_login_link_for_nobody_by_name_is_for_who_started_the_server(self, running: Running) -> None:
        async with running.operator() as operator:
            token = (await operator.post("/api/login-links", json={"person": ""})).json()["token"]
        async with running.client() as browser:
            page = await browser.get(f"/login?login={token}")
        assert "Continue as SAMPLE second approver" in page.text
