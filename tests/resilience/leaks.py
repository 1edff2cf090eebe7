"""Seed secrets everywhere, replay an incident, and look for them in everything that anybody can see.

`python -m tests.resilience.leaks` prints each sink with how much of it was searched, and what was found.

Not searched is where secrets belong: the files of `secrets/`, `run.json` (both 0600), the ledger of the simulated
world, which is where the seeds come from, and raw bodies of deliveries, which are kept as they came and shown nowhere.
"""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import sys
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml

from cli.project import FIXTURES
from shared.telemetry.redacting import REDACTED
from tests.contract.ingest.conftest import headers_for
from tests.scenarios.replaying import SPEED
from tests.support.seeded import Seed, bodies, places_of, seeds
from tests.support.signoff import Signoff

SOURCES = ("datadog", "pagerduty", "generic")
IN_A_TEXT = 8
"""Seeds in one alert."""


@dataclass
class Leaks:
    """What is searched for, and what was searched."""

    cores: list[str]
    sinks: dict[str, tuple[int, list[str]]] = field(default_factory=dict)
    redacted: Counter[str] = field(default_factory=Counter)
    """How often something was taken out, by sink: what was seeded did come that far."""

    def search(self, sink: str, text: str) -> None:
        """Look for every secret in a text."""
        searched, found = self.sinks.get(sink, (0, []))
        here = [core for core in self.cores if places_of(core, text)]
        self.redacted[sink] += text.count(REDACTED)
        self.sinks[sink] = (searched + len(text), found + here)

    @property
    def found(self) -> list[str]:
        """The secrets that were found, with the sink of each."""
        return [f"{sink}: {core}" for sink, (_, found) in self.sinks.items() for core in dict.fromkeys(found)]

    def lines(self) -> Iterator[str]:
        """Yield the report."""
        yield f"{len(self.cores)} secrets seeded"
        for sink, (searched, found) in self.sinks.items():
            yield f"  {sink:<28} {searched:>9} characters {self.redacted[sink]:>6} redacted {len(set(found)):>4} found"
        yield f"found = {len(self.found)}"
        yield from self.found


def settings() -> tuple[dict[str, str], list[str]]:
    """Return an environment that sets every secret of the embedded start, and these secrets."""
    made = [f"sett1ng-{number:02}-{'abcdefghijklmnop'[number % 16] * 24}" for number in range(14)]
    env = {}
    for number, source in enumerate(SOURCES):
        env[f"SIGNOFF_INGEST__{source.upper()}__SECRETS"] = json.dumps(made[2 * number : 2 * number + 2])
        env[f"SIGNOFF_INGEST__{source.upper()}__REPLAY_SECRET"] = made[6 + number]
    for service in ("INGEST", "DIAGNOSER"):
        env[f"SIGNOFF_{service}__RECEIPT_KEY"] = made[9]
    names = ("SERVICES__TOKEN", "MOCK__TOKEN", "NOTIFIER__RUN_TOKEN", "DIAGNOSER__MODEL__API_KEY")
    for name, secret in zip(names, made[10:], strict=True):
        env[f"SIGNOFF_{name}"] = secret
    # The way of the model too: what is asked and answered passes the same sinks.
    return {**env, "SIGNOFF_DIAGNOSER__ENGINE": "recorded"}, made


def fixtures(folder: Path, said: list[Seed]) -> Path:
    """Write the scenario with secrets in its logs, its changes, the facts of its hosts and the titles of its alerts."""
    scenario = yaml.safe_load((FIXTURES / "high_cpu/scenario.yaml").read_text())
    logs, rest = said[:-4], said[-4:]
    host = scenario["hosts"][2]["name"]
    for seed in logs:
        line = {"entity": host, "level": "error", "message": f"failed {{n}} {seed.text}", "per_minute": 2}
        scenario["logs"].append(line)
    scenario["changes"][0]["title"] += f" {rest[0].text}"
    scenario["changes"][0]["author"] += f" {rest[1].text}"
    scenario["hosts"][2]["facts"]["note"] = rest[2].text
    for monitor in scenario["monitors"]:
        monitor["title"] += f" {rest[3].text}"
    path = folder / "high_cpu/scenario.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump(scenario))
    return folder


def look_for_leaks(folder: Path, *, approve: str, say: Callable[[str], object]) -> Leaks:
    """Run it all in `folder` and return what was searched. `approve` is how the replay answers its question."""
    env, set_secrets = settings()
    in_alerts, in_world, by_people = list(seeds(1)), list(seeds(2)), list(seeds(3))[:3]
    signoff = Signoff(folder / "data", env)
    program = [sys.executable, "-m", "tests.resilience.leaky_up"]
    where = fixtures(folder / "fixtures", in_world)
    try:
        signoff.start_program("up", [*program, str(signoff.data), str(where)])
        signoff.wait_for("up", "signoff is ready")
        pem = (signoff.data / "secrets/notifier_key.pem").read_text().splitlines()[1]
        cores = [seed.core for seed in (*in_alerts, *in_world, *by_people)]
        leaks = Leaks([*set_secrets, pem, *cores])
        say("running")
        _run(signoff, leaks, approve, env, (in_alerts, by_people))
        say("searching")
        _read(signoff, leaks)
    finally:
        signoff.stop()
    leaks.search("log", signoff.said("up"))
    for path in sorted(signoff.data.glob("*.db")):
        for text in rows(path):
            leaks.search(path.name, text)
    return leaks


def _run(
    signoff: Signoff, leaks: Leaks, approve: str, env: Mapping[str, str], said: tuple[list[Seed], list[Seed]]
) -> None:
    """Send secrets in by every door, and keep what every door answers."""
    in_alerts, by_people = said
    receipts: list[str] = []
    secrets = {source: json.loads(env[f"SIGNOFF_INGEST__{source.upper()}__SECRETS"]) for source in SOURCES}
    with httpx.Client(base_url=signoff.address("webhook_url"), timeout=30) as sender:
        for place in range(0, len(in_alerts), IN_A_TEXT):
            known = secrets["datadog"][0] if place == 0 else ""
            text = "\n".join([*(seed.text for seed in in_alerts[place : place + IN_A_TEXT]), known])
            for source, body in bodies(text).items():
                answer = sender.post(
                    f"/webhooks/{source}", content=body, headers=headers_for(source, body, secrets[source][place % 2])
                )
                assert answer.status_code == 202, answer.text
                leaks.search("answers to senders", f"{answer.headers}{answer.text}")
                receipts.append(answer.json()["receipt"])
            wrong = {"X-Signoff-Token": in_alerts[place].core, "Signoff-Run": "r1"}
            for answer in (
                sender.post("/webhooks/datadog", content=bodies(text)["datadog"], headers=wrong),
                sender.post("/webhooks/nobody", content=text.encode()),
                sender.get("/control/account", headers={"authorization": f"Bearer {in_alerts[place].core}"}),
                sender.get("/metrics"),
                sender.get("/readyz"),
            ):
                leaks.search("answers to strangers", f"{answer.headers}{answer.text}")
    shown = signoff.run("deliveries", "show", receipts[0], "-o", "json")
    leaks.search("command: deliveries show", shown.stdout + shown.stderr)
    assert shown.returncode == 0, shown.stderr
    _read_deliveries(signoff, leaks, receipts)
    done = signoff.run("replay", "high_cpu", "--approve", approve, "--speed", SPEED, "--wait")
    leaks.search("command: replay", done.stdout + done.stderr)
    assert done.returncode == (0 if approve == "auto" else 6), done.stderr
    [incident, *_] = [one for one in signoff.json("incidents", "list") if one["environment"].startswith("sim:")]
    for seed in by_people:
        told = signoff.run("incidents", "note", incident["id"], f"I use {seed.text} now")
        leaks.search("command: incidents note", told.stdout + told.stderr)
    told = signoff.run("silence", "add", "service=nothing", "--reason", by_people[0].text)
    leaks.search("command: silence add", told.stdout + told.stderr)
    refused = signoff.run("reject", incident["id"], "--reason", f"see {by_people[1].text}")
    leaks.search("command: reject", refused.stdout + refused.stderr)


def _read_deliveries(signoff: Signoff, leaks: Leaks, receipts: list[str]) -> None:
    with _api(signoff) as api:
        for receipt in receipts:
            leaks.search("api", api.get(f"/api/deliveries/{receipt}").text)


def _api(signoff: Signoff) -> httpx.Client:
    token = json.loads((signoff.data / "run.json").read_text())["token"]
    return httpx.Client(base_url=signoff.address(), headers={"authorization": f"Bearer {token}"}, timeout=30)


COMMANDS = (
    ("incidents", "list"), ("incidents", "list", "-o", "json"), ("config", "show"), ("deliveries", "account"),
    ("dead-letters", "list"), ("silence", "list"), ("world", "slack"), ("world", "slack", "-o", "json"),
)  # fmt: skip


def _read(signoff: Signoff, leaks: Leaks) -> None:
    """Read everything that can be read, as a person and as a program."""
    for command in COMMANDS:
        done = signoff.run(*command)
        leaks.search(f"command: {' '.join(command[:2])}", done.stdout + done.stderr)
    link = signoff.run("login").stdout.strip()
    own = {"origin": signoff.address(), "sec-fetch-site": "same-origin"}
    with (
        httpx.Client(base_url=signoff.address(), headers=own, timeout=30) as page,
        _api(signoff) as api,
    ):
        assert page.post("/login", data={"login": link.partition("login=")[2], "next": "/"}).status_code == 303
        listed = api.get("/api/incidents").json()
        paths = ["/", "/login", "/nowhere", "/metrics", "/readyz"]
        for incident in (listed[0], listed[-1]):
            done = signoff.run("incidents", "show", incident["id"])
            leaks.search("command: incidents show", done.stdout + done.stderr)
        for incident in listed:
            detail = api.get(f"/api/incidents/{incident['id']}")
            leaks.search("api", detail.text)
            leaks.search("api", api.get(f"/api/incidents/{incident['id']}/events").text)
            paths += [f"/i/{incident['id']}", *(f"/a/{one['approval_id']}" for one in detail.json()["approvals"])]
        for path in ("/api/silences", "/api/dead-letters", "/api/me", "/api/deliveries/account", "/api/nowhere"):
            leaks.search("api", api.get(path).text)
        for path in paths:
            answer = page.get(path)
            leaks.search("pages", f"{answer.headers}{answer.text}")
        with page.stream("GET", "/live") as stream:
            leaks.search("pages", next(stream.iter_text()))
    assert len(listed) > 1


def rows(path: Path) -> Iterator[str]:
    """Yield every cell of a database as text, unpacked; of a delivery all but its raw body."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        names = [name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")]
        for name in names:
            for row in connection.execute(f'select * from "{name}"'):  # noqa: S608 -- names of its own tables
                yield from (_text(cell) for cell in row if isinstance(cell, str | bytes))


def _text(cell: str | bytes) -> str:
    if isinstance(cell, bytes):
        with contextlib.suppress(zlib.error):
            cell = zlib.decompress(cell)
    text = cell.decode("utf-8", "backslashreplace") if isinstance(cell, bytes) else cell
    return re.sub(r'"raw": ?"[^"]*"', "", text)


def run_to(folder: Path, say: Callable[[str], object], **given: Any) -> Leaks:  # noqa: ANN401 -- of `look_for_leaks`
    """Return what was found, after checking that every kind of sink was there to be searched."""
    leaks = look_for_leaks(folder, say=say, **given)
    for sink in ("pages", "api", "log", "bus.db", "diagnoser.db", "notifier.db", "executor.db", "command: world slack"):
        assert leaks.sinks[sink][0] > 0, sink
    for sink in ("bus.db", "diagnoser.db", "notifier.db", "pages", "api"):
        assert leaks.redacted[sink] >= IN_A_TEXT, f"nothing was taken out of {sink}: the seeds did not come that far"
    return leaks


def main() -> int:
    """Print what was searched and found; return 1 when it was anything."""
    with tempfile.TemporaryDirectory(prefix="signoff-leaks-") as folder:
        leaks = run_to(Path(folder), print, approve="auto")
    print(*leaks.lines(), sep="\n")  # noqa: T201 -- as above
    return 1 if leaks.found else 0


if __name__ == "__main__":
    sys.exit(main())
