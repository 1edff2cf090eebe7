"""Which requests come from our own pages: host names, origins, this machine. Pure; the answer to DNS rebinding."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}
_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")
_LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the console is: the hosts it answers to, the origins its forms come from, its cookie."""

    base_url: str
    hosts: frozenset[str]
    is_secure: bool
    cookie: str

    def origins(self) -> frozenset[str]:
        """Return the origins of our own pages."""
        scheme = "https" if self.is_secure else "http"
        return frozenset(f"{scheme}://{host}" for host in self.hosts)


def place_of(base_url: str, more_hosts: Iterable[str] = ()) -> Place:
    """Return the place of a base URL. A loopback address is served under its other names too."""
    parts = urlsplit(base_url)
    port = parts.port or _PORTS.get(parts.scheme, 80)
    name = f"[{parts.hostname}]" if parts.hostname and ":" in parts.hostname else parts.hostname or ""
    names = _LOOPBACK_NAMES if name in _LOOPBACK_NAMES else (name,)
    hosts = {f"{each}:{port}" for each in names}
    if port == _PORTS.get(parts.scheme):
        hosts |= set(names)
    is_secure = parts.scheme == "https"
    # Cookies know no ports: two consoles on one machine would sign each other out under one name.
    cookie = "__Host-signoff" if is_secure else f"signoff-{port}"
    return Place(base_url.rstrip("/"), frozenset(hosts | set(more_hosts)), is_secure, cookie)


def is_own(place: Place, headers: Mapping[str, str]) -> bool:
    """Say whether a request that may change something comes from a page of ours.

    Browsers that send `Sec-Fetch-Site` cannot be made to lie in it; others send `Origin` with every form.
    """
    site = headers.get("sec-fetch-site")
    if site is not None and site != "same-origin":
        return False
    return headers.get("origin") in place.origins()


def is_this_machine(client: str | None, headers: Mapping[str, str]) -> bool:
    """Say whether a request comes from this machine and through no proxy, which would make strangers look local."""
    if client is None or any(name in headers for name in _FORWARDED):
        return False
    try:
        return ipaddress.ip_address(client).is_loopback
    except ValueError:
        return False


def own_path(path: str) -> str:
    """Return `path` if it is a path of ours to go to, else the front page."""
    is_path = path.startswith("/") and not path.startswith("//") and path.isprintable() and "\\" not in path
    return path if is_path else "/"
