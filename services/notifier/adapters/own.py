"""The notifier's own control routes, asked like those of a peer."""

from __future__ import annotations

import httpx

from services.notifier.adapters.peers import HTTPPeer
from shared.runtime.secrets import random_secret
from shared.runtime.web import service_asgi
from shared.store.control import care_routes
from shared.store.port import Store


def own_peer(store: Store, name: str) -> HTTPPeer:
    """Return this service as a peer of itself, in process."""
    token = random_secret()
    routes = service_asgi(care_routes(store), token=token, problems=dict)
    client = httpx.AsyncClient(
        transport=httpx.ASGITransport(routes),
        base_url=f"http://{name}",
        headers={"Authorization": f"Bearer {token}"},
    )
    return HTTPPeer(name, client)
