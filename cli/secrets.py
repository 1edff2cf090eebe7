"""Secrets of an embedded start: generated once under the data directory, given to the sections that need them."""

from __future__ import annotations

import hashlib
from pathlib import Path

from shared.runtime.configuration import Configuration
from shared.runtime.secrets import new_key, private_key, public_text, random_secret, remembered

SOURCES = ("datadog", "pagerduty", "generic")


def give_secrets(configuration: Configuration, data: Path, *, replay: bool) -> None:
    """Fill in every secret that nobody gave. `replay`: also the secrets of simulated runs (never in production)."""
    folder = data / "secrets"
    place = f"generated in {folder}"

    def secret(name: str) -> str:
        return remembered(folder / name, random_secret)

    for source in SOURCES:
        configuration.default(("ingest", source, "secrets"), [secret(f"{source}_webhook")], place)
        if replay:
            configuration.default(("ingest", source, "replay_secret"), secret(f"{source}_replay"), place)
    for service in ("ingest", "diagnoser"):
        configuration.default((service, "receipt_key"), secret("receipt_key"), place)
    configuration.default(("services", "token"), secret("service_token"), place)
    configuration.default(("mock", "token"), secret("world_token"), place)
    configuration.default(("notifier", "run_token"), secret("run_token"), place)
    if not configuration.has(("notifier", "signing_key")):
        _give_key(configuration, remembered(folder / "notifier_key.pem", new_key), place)


def _give_key(configuration: Configuration, pem: str, place: str) -> None:
    """Give the notifier a key that the executor trusts; who brings another one also says who trusts it, and as what."""
    public = public_text(private_key(pem))
    configuration.default(("notifier", "signing_key"), pem, place)
    configuration.default(("notifier", "kid"), key_id(public), place)
    configuration.default(("executor", "trusted_keys"), {key_id(public): public}, place)


def key_id(public: str) -> str:
    """Return the id of a public key: the start of its digest."""
    return hashlib.sha256(public.encode()).hexdigest()[:12]
