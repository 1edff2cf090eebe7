"""Secrets in every form that is known by its form or its name, each with a core that must be found nowhere."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass

NAMED = (
    "password={}", "DB_PASSWORD: {}", 'password="{} with blanks"', "passwd='{}'", "pwd={};user=shop", '"secret": "{}"',
    '\\"client_secret\\": \\"{} x\\"', "aws_secret_access_key = {}", "AccountKey={};EndpointSuffix=x", "api_key={}",
    "X-Api-Key: {}", "apiKey: '{}'", "API key: {}", "private-key={}", "signing_key={}", "access_token={}",
    "refreshToken={}", "passphrase: {}", "credentials={}", "Authorization: Token {}", "Authorization: {}",
    "Proxy-Authorization: Digest {}", "Set-Cookie: sid={}; Path=/; HttpOnly", "Cookie: a=1; sid={}", "session_id={}",
    "X-Hub-Signature: {}", "redis --requirepass-token {} --port 1", "mysql --password {} -h db", 'token="{}',
    "encryption_key={}", "ssh-key: {}", "shared_key={}",
)  # fmt: skip
SHAPED = (
    "Authorization: Bearer {}", "basic {}", "postgresql://shop:{}@orders-db/shop", "https://{}@git.example/x.git",
    "https://a.example/cb?code=1&access_token={}&x=1", "https://a.example/?sig={}", "/a/apr-1?login={}",
    "-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----\n{}",
    "-----BEGIN PGP PRIVATE KEY BLOCK-----\n{}\n-----END PGP PRIVATE KEY BLOCK-----",
    "https://hooks.slack.com/services/T0/B0/{}", "ghp_{}", "github_pat_{}", "glpat-{}", "xoxb-{}", "xapp-{}",
    "sk_live_{}", "sk-ant-{}", "AIza{}", "npm_{}", "hvs.{}", "whsec_{}", "pypi-{}", "eyJhbGciOiJI.{}.c2ln",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Seed:
    """A secret as it stands in a text, and the part of it that nobody may ever see."""

    text: str
    core: str


def seeds(seed: int = 1) -> Iterator[Seed]:
    """Yield one secret of each form, all different."""
    chance = random.Random(seed)
    for number, form in enumerate((*NAMED, *SHAPED)):
        core = f"s33d{number:03}{chance.randbytes(14).hex()}"
        yield Seed(form.format(core), core)


def places_of(core: str, data: str) -> int:
    """Return how often a secret stands in a text, as it is or in base64."""
    packed = base64.b64encode(core.encode()).decode().rstrip("=")
    return data.count(core) + data.count(packed[: len(packed) - 2])


def bodies(text: str) -> dict[str, bytes]:
    """Return a body of each source with a text in every field."""
    datadog = {
        "id": f"e {text}", "alert_id": "", "aggreg_key": text, "alert_cycle_key": text, "alert_transition": text,
        "alert_metric": text, "title": f"[Triggered] {text}", "text": text, "hostname": text,
        "tags": [text, f"note:{text}", "token:abcdef"], "link": f"https://a.example/?x={text}",
    }  # fmt: skip
    data = {
        "id": text, "type": "incident", "status": "triggered", "title": text, "service": {"id": "P", "summary": text},
        "html_url": text, "priority": {"summary": text},
    }  # fmt: skip
    pagerduty = {"event": {"id": text, "event_type": "incident.triggered", "data": data}}
    alert = {
        "title": text, "key": text, "description": text, "services": [text], "host": text, "metric": text,
        "cycle": text, "labels": {"note": text, "password": "abcdef"}, "link": text, "status": text,
    }  # fmt: skip
    found = {"datadog": datadog, "pagerduty": pagerduty, "generic": alert}
    return {source: json.dumps(body).encode() for source, body in found.items()}
