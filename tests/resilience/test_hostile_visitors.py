"""Every route of every listener, taken from the route tables: nobody anonymous, strict headers, nothing from elsewhere.

A route that is added is tested here without a line.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.routing import Mount, Route

from cli.up import Ports, Up, running
from services.notifier.entrypoints import guard
from shared.runtime.web import HEADERS
from tests.resilience.matter import csrf_of
from tests.support.logs import logging_as_before

__all__ = ["logging_as_before"]

HEALTH = frozenset({"/livez", "/readyz", "/metrics"})
WEBHOOKS = "/webhooks/"
STREAMS = ("/live", "/live/i/INC-ABCDEFGH23", "/live/a/INC-ABCDEFGH23", "/api/changes")
"""They answer for ever, so they are opened over the network."""
PUBLIC_PAGES = frozenset({"/login"})
SERVICES = ("ingest", "diagnoser", "executor", "notifier")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")


@dataclass(frozen=True)
class Place:
    """One route with something in each of its parameters."""

    method: str
    path: str


def places(app: object, prefix: str = "", seen: frozenset[int] = frozenset()) -> Iterator[Place]:
    """Yield all routes of an ASGI application, through mounts, wrappers and closures."""
    if id(app) in seen:
        return
    seen |= {id(app)}
    if isinstance(app, Route):
        path = re.sub(r"\{[^}]*\}", "INC-ABCDEFGH23", prefix + app.path)
        for method in sorted(app.methods or ()):
            yield Place(method, path)
    elif isinstance(app, Mount):
        yield from places(app.app, prefix + app.path, seen)
    elif hasattr(app, "routes"):
        for route in app.routes:
            yield from places(route, prefix, seen)
    elif not isinstance(app, str | bytes | int | float | type):
        for part in _parts(app):
            yield from places(part, prefix, seen)


def _parts(app: object) -> Iterable[object]:
    """Return what an application was made of: a wrapper's application, a router that was included."""
    closure = getattr(app, "__closure__", None) or ()
    inner = [getattr(app, name, None) for name in ("_app", "original_router")]
    return [part for part in (*inner, *(cell.cell_contents for cell in closure)) if part is not None]


def is_public(service: str, place: Place) -> bool:
    """Say whether a stranger may have an answer: health, the webhooks, the way in."""
    if place.path in HEALTH:
        return place.method in ("GET", "HEAD")
    return service == "notifier" and (place.path in PUBLIC_PAGES or place.path.startswith("/static"))


@pytest.fixture
async def up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Up]:
    """All four services and the world in this process."""
    monkeypatch.chdir(tmp_path)
    async with running(tmp_path / "data", Ports(0, 0, any_port=True)) as found:
        yield found


def secret_of(name: str) -> str:
    """Return a secret that the start has generated."""
    return (Path.cwd() / "data/secrets" / name).read_text().strip()


def listeners(up: Up) -> dict[str, Any]:
    """Return what answers, by name."""
    return {name: up.composed.service(name).asgi for name in SERVICES} | {"world": up.composed.listeners[0].app}


def visitor(up: Up, name: str, address: str = "127.0.0.1", **headers: str) -> httpx.AsyncClient:
    """Return a client of one listener, by its own name."""
    transport = httpx.ASGITransport(listeners(up)[name], raise_app_exceptions=False, client=(address, 50000))
    return httpx.AsyncClient(transport=transport, base_url=up.url, headers=headers)


def expected(name: str, path: str) -> dict[str, str]:
    """Return the headers that an answer must have."""
    if name != "notifier":
        return dict(HEADERS)
    return {**guard.HEADERS, **({"Cache-Control": "no-cache"} if path.startswith("/static/") else {})}


def check_headers(name: str, path: str, answer: httpx.Response) -> None:
    """Fail unless an answer has the strict headers, each once, and opens nothing to other origins."""
    for header, value in expected(name, path).items():
        assert answer.headers.get_list(header) == [value], (name, path, answer.status_code, header)
    assert not [header for header in answer.headers if header.startswith("access-control-")], (name, path)
    assert "server" not in answer.headers


async def test_no_route_of_any_listener_lets_a_stranger_in_but_health_webhooks_and_login(up: Up) -> None:
    seen: dict[str, int] = {}
    for name, app in listeners(up).items():
        async with visitor(up, name, origin=up.url) as stranger:
            for place in places(app):
                seen[name] = seen.get(name, 0) + 1
                answer = await stranger.request(place.method, place.path)
                check_headers(name, place.path, answer)
                if is_public(name, place):
                    assert answer.status_code not in (401, 403), place
                elif answer.status_code == 303:
                    assert name == "notifier", place
                    assert answer.headers["location"].startswith("/login?next="), place
                else:
                    assert answer.status_code in (401, 403), (name, place, answer.status_code)
    assert all(seen[name] >= least for name, least in FEWEST.items()), seen


FEWEST = {"ingest": 10, "diagnoser": 15, "executor": 8, "notifier": 45, "world": 20}
"""Fewer would mean that the tables are no longer found."""


TOKENS = ("Bearer ", "Bearer x", "bearer", "Basic eDp5", "Bearer \u00e9", "Bearer " + "x" * 9000)


async def test_a_token_that_is_none_opens_no_route(up: Up) -> None:
    for name, app in listeners(up).items():
        async with visitor(up, name) as stranger:
            for token in TOKENS:
                headers = [(b"authorization", token.encode()), (b"origin", up.url.encode())]
                for place in places(app):
                    answer = await stranger.request(place.method, place.path, headers=headers)
                    assert is_public(name, place) or answer.status_code in (303, 401, 403), (name, place)


async def test_the_token_of_a_query_or_of_a_cookie_opens_nothing(up: Up) -> None:
    for name in ("ingest", "diagnoser", "executor", "world"):
        secret = secret_of("world_token" if name == "world" else "service_token")
        async with visitor(up, name) as stranger:
            for place in places(listeners(up)[name]):
                for given in ("token", "access_token", "api_key", "authorization"):
                    headers = {"cookie": f"{given}={secret}"}
                    answer = await stranger.request(place.method, place.path, params={given: secret}, headers=headers)
                    assert is_public(name, place) or answer.status_code == 401, (name, place)


async def test_errors_of_every_listener_have_strict_headers_and_tell_nothing(up: Up) -> None:
    secrets = {name: secret_of(name) for name in ("service_token", "run_token")}
    for name in (*SERVICES, "world"):
        token = secrets["run_token" if name == "notifier" else "service_token"]
        if name == "world":
            token = secret_of("world_token")
        async with visitor(up, name, authorization=f"Bearer {token}", origin=up.url) as known:
            found = {place.path for place in places(listeners(up)[name])}
            for path in sorted(
                {*found, "/nowhere", "/..%2f..%2fetc/passwd", "/%00", "/api/nowhere", "/webhooks/nobody"}
            ):
                for method in METHODS:
                    if path in STREAMS and method in ("GET", "HEAD"):
                        continue
                    answer = await known.request(method, path, content=b"{broken" if method == "POST" else None)
                    check_headers(name, answer.request.url.path, answer)
                    assert "Traceback" not in answer.text, (name, path)
                    assert not any(secret in answer.text for secret in secrets.values()), (name, path)


async def test_an_application_that_fails_answers_500_without_a_word_about_why(
    up: Up, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise ValueError("the inside of the machine")

    stores = [part.store for part in up.composed.parts]
    tokens = {name: secret_of(name) for name in ("service_token", "run_token")}
    for store in stores:
        for method in ("select", "dead", "state"):
            monkeypatch.setattr(store, method, fail)
    failed = set()
    for name in SERVICES:
        token = tokens["run_token" if name == "notifier" else "service_token"]
        async with visitor(up, name, authorization=f"Bearer {token}", origin=up.url) as known:
            for place in places(listeners(up)[name]):
                if place.method == "GET" and place.path not in STREAMS:
                    answer = await known.get(place.path)
                    check_headers(name, place.path, answer)
                    assert "inside of the machine" not in answer.text, place
                    if answer.status_code == 500:
                        failed.add(name)
    assert failed == set(SERVICES)


async def test_a_stream_has_strict_headers_too(up: Up) -> None:
    cookie = await browser(up)
    async with httpx.AsyncClient(base_url=up.url, headers={"cookie": cookie}) as page:
        for path in ("/live", "/api/changes"):
            async with page.stream("GET", path) as answer:
                assert answer.headers["content-type"].startswith("text/event-stream")
                check_headers("notifier", path, answer)


FOREIGN: tuple[dict[str, str], ...] = (
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": ""},
    {"origin": "{own}", "sec-fetch-site": "cross-site"},
    {"origin": "{own}", "sec-fetch-site": "same-site"},
    {"origin": "{own}", "sec-fetch-site": "none"},
    {"origin": "{own}.evil.example"},
    {"origin": "{own}, https://evil.example"},
    {"referer": "{own}/"},
    {},
)
"""What browsers send with forms that are not ours."""
FORM = {"subject": "apr-1", "plan_sha256": "0" * 64, "verb": "approve", "text": "x", "verdict": "right"}


async def test_no_form_of_another_site_changes_anything_on_any_route_even_with_the_token_of_the_session(up: Up) -> None:
    signed_in = await browser(up)
    async with visitor(up, "notifier", cookie=signed_in) as person:
        form = {**FORM, "csrf": csrf_of((await person.get("/")).text)}
    for headers in FOREIGN:
        given = {name: value.format(own=up.url) for name, value in headers.items()}
        async with visitor(up, "notifier", cookie=signed_in, **given) as other:
            for place in changing(up):
                answer = await other.request(place.method, place.path, data=form)
                # A cookie changes nothing through the API, wherever it comes from.
                refused = 401 if place.path.startswith("/api/") else 403
                assert answer.status_code == refused, (place, given, answer.status_code)


async def test_no_form_without_the_token_of_its_session_changes_anything_on_any_route(up: Up) -> None:
    signed_in = await browser(up)
    strangers_token = csrf_of((await visitor(up, "notifier", cookie=await browser(up)).get("/")).text)
    own = {"origin": up.url, "sec-fetch-site": "same-origin"}
    seen = 0
    async with visitor(up, "notifier", cookie=signed_in, **own) as page:
        for place in changing(up):
            if place.path.startswith("/api/") or place.path in PUBLIC_PAGES:
                continue
            seen += 1
            for token in ({}, {"csrf": ""}, {"csrf": "0" * 64}, {"csrf": strangers_token}):
                answer = await page.request(place.method, place.path, data={**FORM, **token})
                assert (answer.status_code, "not of your session" in answer.text) == (409, True), (place, token)
            text = {"content-type": "text/plain"}
            answer = await page.request(place.method, place.path, content=b"verb=approve", headers=text)
            assert answer.status_code == 409, place
    assert seen >= 5


def changing(up: Up) -> list[Place]:
    """Return the routes of the notifier that may change something."""
    return [place for place in places(listeners(up)["notifier"]) if place.method not in ("GET", "HEAD")]


async def browser(up: Up) -> str:
    """Return the cookie of somebody who has signed in."""
    token = secret_of("run_token")
    async with visitor(up, "notifier", authorization=f"Bearer {token}") as operator:
        login = (await operator.post("/api/login-links", json={"person": "sample-approver"})).json()["token"]
    async with visitor(up, "notifier", origin=up.url) as page:
        answer = await page.post("/login", data={"login": login, "next": "/"})
    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "Path=/", "SameSite=lax"} <= set(cookie.split("; "))
    assert "domain" not in cookie.lower()
    return str(cookie.partition(";")[0])


async def test_over_tls_the_cookie_is_bound_to_the_host_and_browsers_come_back_by_tls_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIGNOFF_NOTIFIER__BASE_URL", "https://signoff.example")
    async with running(tmp_path / "data", Ports(0, 0, any_port=True)) as up:
        async with visitor(up, "notifier", authorization=f"Bearer {secret_of('run_token')}") as operator:
            login = (await operator.post("/api/login-links", json={"person": "sample-approver"})).json()["token"]
        own = {"origin": "https://signoff.example", "host": "signoff.example"}
        async with visitor(up, "notifier", **own) as page:
            answer = await page.post("/login", data={"login": login, "next": "/"})
    name, *attributes = answer.headers["set-cookie"].split("; ")
    assert name.startswith("__Host-signoff=")
    assert {"HttpOnly", "Path=/", "SameSite=lax", "Secure"} <= set(attributes)
    assert not any(attribute.lower().startswith("domain") for attribute in attributes)
    assert answer.headers["strict-transport-security"] == "max-age=31536000"


FORWARDING = ("x-forwarded-for", "forwarded", "x-real-ip", "x-forwarded-host", "x-forwarded-proto", "x-client-ip")
WRONG = ("127.0.0.1", "::1", "for=127.0.0.1", "evil.example", "https")


async def test_a_forwarding_header_makes_nobody_local_and_no_host_ours(up: Up) -> None:
    cookie, token = await browser(up), secret_of("run_token")
    for header in FORWARDING:
        for value in WRONG:
            for given in ({"authorization": f"Bearer {token}"}, {"cookie": cookie}):
                async with visitor(up, "notifier", "203.0.113.7", **given, **{header: value}) as far:
                    assert (await far.get("/api/incidents")).status_code == 401
            async with httpx.AsyncClient(base_url=up.url, headers={header: value}) as near:
                answer = await near.get("/")
                assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=%2F")


async def test_what_came_through_a_proxy_is_not_from_this_machine(up: Up) -> None:
    headers = {"authorization": f"Bearer {secret_of('run_token')}"}
    async with httpx.AsyncClient(base_url=up.url, headers=headers) as near:
        assert (await near.get("/api/incidents")).status_code == 200
        for header in FORWARDING[:3]:
            assert (await near.get("/api/incidents", headers={header: "127.0.0.1"})).status_code == 401
