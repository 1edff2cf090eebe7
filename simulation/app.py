"""The world's HTTP interface: for the command (`/runs`), and for its own providers (`/runs/{run}/...`)."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

import orjson
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from shared.errors import NotFoundError, RefusedError, SignoffError
from shared.events.envelope import iso
from shared.runtime.web import StrictHeaders
from simulation.driver import Life, World
from simulation.scenario import load_scenario, scenario_names

Handler = Callable[[World, Request], Awaitable[object]]


def _answer(value: object, status: int = 200) -> Response:
    return Response(orjson.dumps(value, default=_plain), status, media_type="application/json")


def _plain(value: object) -> object:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else str(value)


def _life(world: World, request: Request) -> Life:
    return world.life(request.path_params["run"])


def _about(world: World, life: Life) -> dict[str, Any]:
    clock = life.run.clock
    return {
        "run": life.run.id,
        "environment": f"sim:{life.run.id}",
        "scenario": life.run.scenario.name,
        "title": life.run.scenario.title,
        "speed": clock.speed,
        "started_at": iso(clock.wall0),
        "now": iso(world.now(life)),
        "problems": world.problems(life),
        "refused": world.is_refused(life),
    }


async def _scenarios(world: World, _: Request) -> object:
    found = [load_scenario(world.fixtures, name) for name in scenario_names(world.fixtures)]
    return [{"name": s.name, "title": s.title, "description": s.description} for s in found]


async def _runs(world: World, _: Request) -> object:
    return [_about(world, life) for life in reversed(world.lives.values())]


async def _begin(world: World, request: Request) -> object:
    asked = await request.json()
    life = world.begin(
        str(asked["scenario"]),
        speed=float(asked.get("speed", 1.0)),
        via="topic" if asked.get("via") == "topic" else "webhook",
        seed=asked.get("seed"),
    )
    return _about(world, life)


async def _run(world: World, request: Request) -> object:
    return _about(world, _life(world, request))


async def _ledger(world: World, request: Request) -> object:
    return [
        {
            "at": iso(done.at),
            "provider": "simulated-infrastructure",
            "call": done.verb,
            "target": done.target,
            "arguments": done.arguments,
            "token": done.token,
            "applied": done.applied,
            "detail": done.detail,
        }
        for done in _life(world, request).run.done
    ]


async def _state(world: World, request: Request) -> object:
    life = _life(world, request)
    run, at = life.run, world.now(life)
    minute = run.scenario.begins_minute + (at - run.clock.wall0) / 60
    return {
        **_about(world, life),
        "minute": round(minute, 2),
        "pressures": {spec.id: round(run.pressure(spec.id, minute), 4) for spec in run.scenario.pressures},
        "monitors": [
            {
                "id": m.id,
                "title": m.title,
                "entity": m.entity,
                "metric": m.metric,
                "mean": round(run.mean(m, at), 3),
                "firing": m.id in life.firing,
            }
            for m in run.scenario.monitors
        ],
    }


async def _slack(world: World, request: Request) -> object:
    return [{"marker": marker, **post} for marker, post in _life(world, request).slack.items()]


async def _post(world: World, request: Request) -> object:
    asked = await request.json()
    world.post(_life(world, request), str(asked.pop("marker")), asked)
    return {}


async def _clock(world: World, request: Request) -> object:
    life = _life(world, request)
    return {"now": world.now(life), "pace": life.run.clock.speed}


async def _series(world: World, request: Request) -> object:
    life = _life(world, request)
    asked = await request.json()
    return life.run.series(asked["entities"], asked["start"], min(asked["end"], world.now(life)))


async def _logs(world: World, request: Request) -> object:
    life = _life(world, request)
    asked = await request.json()
    return life.run.logs(asked["entities"], asked["start"], min(asked["end"], world.now(life)), asked["limit"])


async def _monitors(world: World, request: Request) -> object:
    life = _life(world, request)
    return [
        {"id": m.id, "title": m.title, "entity": m.entity} for m in life.run.scenario.monitors if m.id in life.firing
    ]


async def _changes(world: World, request: Request) -> object:
    life = _life(world, request)
    asked = await request.json()
    return life.run.changes(asked["start"], min(asked["end"], world.now(life)))


async def _hosts(world: World, request: Request) -> object:
    return _life(world, request).run.hosts((await request.json())["names"])


async def _topology(world: World, request: Request) -> object:
    return _life(world, request).run.topology()


async def _processes(world: World, request: Request) -> object:
    life = _life(world, request)
    host = (await request.json())["host"]
    found = life.run.processes(host, world.now(life))
    if found is None:
        raise NotFoundError(f"no host {host!r}")
    return found


async def _call(world: World, request: Request) -> object:
    asked = await request.json()
    done = world.call(_life(world, request), asked["verb"], asked["target"], asked["arguments"], asked["token"])
    return {"applied": done.applied, "detail": done.detail}


async def _record(world: World, request: Request) -> object:
    record = _life(world, request).run.record((await request.json())["token"])
    return asdict(record) if record else None


async def _on_call(world: World, request: Request) -> object:
    return [entry.model_dump() for entry in _life(world, request).run.scenario.on_call]


async def _articles(world: World, request: Request) -> object:
    return [entry.model_dump() for entry in _life(world, request).run.scenario.articles]


_ROUTES: list[tuple[str, str, Handler]] = [
    ("GET", "/scenarios", _scenarios),
    ("GET", "/runs", _runs),
    ("POST", "/runs", _begin),
    ("GET", "/runs/{run}", _run),
    ("GET", "/runs/{run}/ledger", _ledger),
    ("GET", "/runs/{run}/state", _state),
    ("GET", "/runs/{run}/slack", _slack),
    ("POST", "/runs/{run}/slack", _post),
    ("GET", "/runs/{run}/clock", _clock),
    ("POST", "/runs/{run}/series", _series),
    ("POST", "/runs/{run}/logs", _logs),
    ("GET", "/runs/{run}/monitors", _monitors),
    ("POST", "/runs/{run}/changes", _changes),
    ("POST", "/runs/{run}/hosts", _hosts),
    ("GET", "/runs/{run}/topology", _topology),
    ("POST", "/runs/{run}/processes", _processes),
    ("POST", "/runs/{run}/calls", _call),
    ("POST", "/runs/{run}/record", _record),
    ("GET", "/runs/{run}/on-call", _on_call),
    ("GET", "/runs/{run}/articles", _articles),
]


def build_world_app(world: World, token: str) -> ASGIApp:
    """Return the world's listener. Everything but `/livez` and `/readyz` needs the bearer token."""

    def endpoint(handler: Handler, method: str) -> Callable[[Request], Awaitable[Response]]:
        async def handle(request: Request) -> Response:
            given = request.headers.get("authorization", "").removeprefix("Bearer ")
            if not hmac.compare_digest(given.encode(), token.encode()):
                return JSONResponse({"error": "the world's token is needed"}, 401)
            try:
                value = await handler(world, request)
            except NotFoundError as error:
                return JSONResponse({"error": str(error)}, 404)
            except RefusedError as error:
                return JSONResponse({"error": str(error)}, 400)
            except (KeyError, TypeError, ValueError) as error:
                return JSONResponse({"error": f"not understood: {type(error).__name__} {error}"}, 400)
            except SignoffError as error:
                return JSONResponse({"error": str(error)}, 500)
            return _answer(value, 201 if method == "POST" and handler is _begin else 200)

        return handle

    async def alive(_: Request) -> Response:
        return JSONResponse({"world": "ready"})

    routes = [Route(path, endpoint(handler, method), methods=[method]) for method, path, handler in _ROUTES]
    return StrictHeaders(Starlette(routes=[*routes, Route("/livez", alive), Route("/readyz", alive)]))
