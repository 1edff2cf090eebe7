"""Read what runs left behind, with everything down, and say whether the promises hold: sender, audit, world, stores.

Nothing here asks the product: it reads the world's own file and the tables. `python -m tests.resilience.checker DATA`
checks a data directory by hand and prints the story of whatever offends.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

from services.diagnoser.domain.last_word import after, owed, recommended

SERVICES = ("ingest", "diagnoser", "executor", "notifier")
Row = Mapping[str, Any]
WANTED = {
    "audit": "select agg, seq, entry, hash from audit order by agg, seq",
    "key_head": "select agg, done, tail, due, parked from key_head",
    "outbox": "select topic, key, id from outbox",
    "activity": "select id, name, state, due from activity",
    "dead": "select agg, id, type, reason from dead",
    "subscription": "select name, position from subscription",
}
OF_ONE = {
    "diagnoser": {
        "disposition": "select message_id, environment, source, disposition, incident_id, alert from disposition",
        "scope": "select agg, state from aggregate where agg like 'scope/%'",
    },
    "notifier": {"journal": "select incident_id, n, id, type, environment, body from journal order by incident_id, n"},
}


@dataclass(frozen=True, slots=True)
class Remains:
    """The world's entries, and the rows of each service by table."""

    world: list[dict[str, Any]]
    tables: dict[str, dict[str, list[Row]]]

    @property
    def journal(self) -> dict[str, list[tuple[str, dict[str, Any]]]]:
        """Incident -> (type, body) of its events in order."""
        found: dict[str, list[tuple[str, dict[str, Any]]]] = defaultdict(list)
        for row in self.tables["notifier"]["journal"]:
            found[row["incident_id"]].append((row["type"], json.loads(row["body"])))
        return found


@dataclass(frozen=True, slots=True)
class Finding:
    """A promise that was broken; `incident` has the story."""

    what: str
    incident: str = ""


@dataclass(slots=True)
class Verdict:
    """What was counted, and what was found."""

    runs: int = 0
    acked: int = 0
    lost: int = 0
    dispositions: int = 0
    doubled: int = 0
    steps: int = 0
    calls: int = 0
    effects: int = 0
    stuck: int = 0
    findings: list[Finding] = field(default_factory=list)


def of_folder(data: Path) -> Remains:
    """Read a data directory of the embedded form."""
    return Remains(world_of(data), {service: file_of(data, service) for service in SERVICES})


def at_rest(data: Path) -> bool:
    """Say whether all is done in a data directory that is in use.

    Two looks find nothing wrong, nothing happened from one to the other, and the log had been read to its end: so
    there was an instant at which nothing waited anywhere.
    """
    first = of_folder(data)
    is_read = not unread(data, first.tables.values())
    second = of_folder(data)
    is_still = [heads_of(one) for one in first.tables.values()] == [heads_of(one) for one in second.tables.values()]
    return is_read and is_still and not check(first).findings and not check(second).findings


def unread(data: Path, services: Iterable[Mapping[str, list[Row]]]) -> list[str]:
    """Return the subscriptions that have not taken all that is on the embedded log now."""
    with closing(sqlite3.connect(data / "bus.db")) as connection:
        newest = dict(connection.execute('select topic, max("offset") from log group by topic'))
    rows = [row for tables in services for row in tables["subscription"]]
    return [row["name"] for row in rows if row["position"] < newest.get(row["name"].split(".", 2)[2], 0)]


def heads_of(tables: Mapping[str, list[Row]]) -> dict[str, int]:
    """Return how many messages each aggregate has had: as long as none comes, nothing happens."""
    return {row["agg"]: row["tail"] for row in tables["key_head"]}


def file_of(data: Path, service: str) -> dict[str, list[Row]]:
    """Read the database file of one service, all of it as it is at one instant."""
    connection = sqlite3.connect(data / f"{service}.db", isolation_level=None)
    connection.row_factory = sqlite3.Row
    wanted = WANTED | OF_ONE.get(service, {})
    try:
        connection.execute("begin")
        return {name: [dict(row) for row in connection.execute(sql)] for name, sql in wanted.items()}
    finally:
        connection.close()


async def of_database(url: str, data: Path) -> Remains:
    """Read a database of the scale-out as it is at one instant, the spool of ingest, and the world's file."""
    tables = {"ingest": file_of(data, "ingest")}
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            for service in SERVICES[1:]:
                await connection.execute(f'set local search_path to "{service}"')
                wanted = WANTED | OF_ONE.get(service, {})
                tables[service] = {
                    name: [dict(row) for row in await connection.fetch(sql)] for name, sql in wanted.items()
                }
    finally:
        await connection.close()
    return Remains(world_of(data), tables)


def world_of(data: Path) -> list[dict[str, Any]]:
    """Read the world's file; a kill may have cut its last line."""
    lines = (data / "world.jsonl").read_text("utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def check(remains: Remains) -> Verdict:
    """Check every promise."""
    verdict = Verdict(runs=sum(entry["kind"] == "run" for entry in remains.world))
    for look in (_deliveries, _dispositions, _effects, _stuck):
        verdict.findings += look(remains, verdict)
    verdict.findings += _audit(remains)
    return verdict


def _deliveries(remains: Remains, verdict: Verdict) -> Iterator[Finding]:
    """What the sender was told is taken has a disposition."""
    known = Counter(
        (row["environment"], row["source"], json.loads(row["alert"] or "{}").get("status"))
        for row in remains.tables["diagnoser"]["disposition"]
    )
    taken = {
        (f"sim:{entry['run']}", entry["change"]["monitor"], entry["change"]["cycle"], entry["change"]["fires"])
        for entry in remains.world
        if entry["kind"] == "taken"
    }
    verdict.acked = len(taken)
    for environment, monitor, cycle, fires in sorted(taken):
        source = "datadog" if monitor.isdigit() else "pagerduty"
        if not known[environment, source, "firing" if fires else "recovered"]:
            verdict.lost += 1
            yield Finding(f"{environment}: {monitor} cycle {cycle} fires={fires} was acknowledged and is lost")


def _dispositions(remains: Remains, verdict: Verdict) -> Iterator[Finding]:
    """Each message that reached a scope has exactly one disposition."""
    rows = Counter(row["environment"] for row in remains.tables["diagnoser"]["disposition"])
    verdict.dispositions = rows.total()
    for scope in remains.tables["diagnoser"]["scope"]:
        state, environment = json.loads(scope["state"]), scope["agg"].partition("/")[2]
        came = state["numbered"] - state["others"]
        if not came == state["decided"] == rows[environment] or state["lost"]:
            verdict.doubled += max(0, state["decided"] - came)
            yield Finding(
                f"{environment}: {came} messages, {state['decided']} decided, {rows[environment]} dispositions, "
                f"{state['lost']} lost"
            )


def _effects(remains: Remains, verdict: Verdict) -> Iterator[Finding]:
    """One effect for each approved step, and none without."""
    calls = [entry["done"] for entry in remains.world if entry["kind"] == "call"]
    applied = Counter(call["token"] for call in calls if call["applied"])
    verdict.calls, verdict.effects = len(calls), applied.total()
    started: dict[str, str] = {}
    for incident, events in remains.journal.items():
        granted = {body["approval_id"] for type_, body in events if type_ == "approval.granted"}
        claimed = {body["execution_id"]: body["approval_id"] for type_, body in events if type_ == "execution.started"}
        tokens: dict[tuple[str, str, bool], str] = {}
        for type_, body in events:
            if type_ != "step.started":
                continue
            step = (body["execution_id"], body["step_id"], body["rollback"])
            if claimed.get(body["execution_id"]) not in granted:
                yield Finding(f"{step} began without an approval that was granted", incident)
            if tokens.setdefault(step, body["token"]) != body["token"]:
                yield Finding(f"{step} has two tokens", incident)
            started[body["token"]] = incident
        verdict.steps += len(tokens)
    for token, count in applied.items():
        if count > 1 or token not in started:
            yield Finding(f"token {token} was applied {count} times", started.get(token, ""))
    for call in calls:
        if call["token"] not in started:
            yield Finding(f"a call with the token {call['token']} that no step names")


def _stuck(remains: Remains, verdict: Verdict) -> Iterator[Finding]:
    """Nothing waits that nobody will wake, and nothing is owed."""
    found = [f"{service}: {what}" for service in SERVICES for what in waiting_in(remains.tables[service])]
    for incident, events in remains.journal.items():
        debts: dict[str, str] = {}
        for type_, body in events:
            if type_ == "recommendation.made" and body["recommendations"]["items"]:
                debts = recommended(debts, body["recommendation_id"])
            debts = after(debts, type_, body)
        if owed(debts):
            verdict.stuck += 1
            yield Finding(f"still owed: {', '.join(owed(debts))}", incident)
    verdict.stuck += len(found)
    yield from map(Finding, found)


def waiting_in(tables: Mapping[str, list[Row]]) -> Iterator[str]:
    """Tell what waits in the tables of one service, and what nobody will wake."""
    yield from (f"{head['agg']} has messages" for head in tables["key_head"] if head["tail"] > head["done"])
    yield from (f"{head['agg']} is parked" for head in tables["key_head"] if head["parked"])
    yield from (f"unsent event {row['id']}" for row in tables["outbox"])
    yield from (f"activity {row['id']} is under way" for row in tables["activity"] if row["due"] is not None)
    yield from (f"dead: {row['type']} {row['id']}: {row['reason']}" for row in tables["dead"])


def _audit(remains: Remains) -> Iterator[Finding]:
    """Each chain is whole."""
    for service in SERVICES:
        head: dict[str, tuple[int, bytes]] = {}
        for row in remains.tables[service]["audit"]:
            number, previous = head.get(row["agg"], (0, b""))
            expected = hashlib.sha256(previous + bytes(row["entry"])).digest()
            if row["seq"] != number + 1 or bytes(row["hash"]) != expected:
                yield Finding(f"{service}: the audit chain of {row['agg']} breaks at {row['seq']}")
            head[row["agg"]] = (row["seq"], bytes(row["hash"]))


def told(remains: Remains, findings: Iterable[Finding]) -> str:
    """Return the findings with the stories of their incidents."""
    lines = []
    for finding in findings:
        lines.append(f"{finding.incident or '-'}: {finding.what}")
        for number, (type_, body) in enumerate(remains.journal.get(finding.incident, ()), 1):
            facts = {
                name: body[name] for name in ("execution_id", "step_id", "token", "outcome", "why") if name in body
            }
            lines.append(f"    {number:3} {type_} {facts or ''}".rstrip())
    return "\n".join(lines)


if __name__ == "__main__":
    found = of_folder(Path(sys.argv[1]))
    result = check(found)
    print(result, told(found, result.findings), sep="\n")  # noqa: T201 -- a program for a person
    sys.exit(bool(result.findings))
