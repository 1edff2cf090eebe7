"""Client commands against a server that they find by its data directory."""

from __future__ import annotations

import json
import stat
import subprocess

import httpx
import pytest

from shared.bus.topics import TOPICS, group
from tests.support.signoff import COMMAND, Signoff, environment, until

pytestmark = pytest.mark.timeout(180)


def post(shared: Signoff, body: bytes) -> str:
    """Deliver a body as Datadog would and return its receipt."""
    shown = shared.run("config", "show", "--reveal").stdout
    token = shown.partition('{"X-Signoff-Token": "')[2].partition('"')[0]
    answer = httpx.post(
        f"{shared.address('webhook_url')}/webhooks/datadog", content=body, headers={"X-Signoff-Token": token}
    )
    assert (answer.status_code, answer.json()) == (202, {"receipt": answer.headers["Signoff-Receipt"]})
    return str(answer.json()["receipt"])


def test_both_listeners_are_ready_and_count_each_metric_once(shared: Signoff) -> None:
    for name in ("url", "webhook_url"):
        address = shared.address(name)
        assert httpx.get(f"{address}/readyz").json() == {"ready": True, "problems": {}}
        assert httpx.get(f"{address}/livez").status_code == 200
        metrics = httpx.get(f"{address}/metrics").text
        kinds = [line for line in metrics.splitlines() if line.startswith("# TYPE ")]
        assert len(kinds) == len(set(kinds))
        for service in ("ingest", "diagnoser", "executor", "notifier"):
            assert f'signoff_ready{{service="{service}"}} 1.0' in metrics
        for topic in TOPICS:
            for reader in topic.readers:
                assert f'signoff_bus_lag{{subscription="{group(reader, topic.name)}"}} ' in metrics


def test_before_anything_happened_lists_are_empty(shared: Signoff) -> None:
    assert shared.json("dead-letters", "list") == []
    assert shared.json("silence", "list") == []


@pytest.mark.slow
def test_a_delivery_is_followed_from_its_receipt_to_its_disposition(shared: Signoff) -> None:
    receipt = post(shared, b'{"id": "1", "title": "[Test] hello", "alert_transition": "Test Notification"}')

    def decided() -> dict[str, object] | None:
        found: dict[str, object] = shared.json("deliveries", "show", receipt)
        return found if found["disposition"] != "in_flight" else None

    found = until(decided, limit=30, what="a disposition")
    assert set(found) >= {"receipt", "source", "received_at", "disposition", "reason", "incident_id", "alerts"}
    assert (found["receipt"], found["source"], found["disposition"]) == (receipt, "datadog", "test")
    account = shared.run("deliveries", "account")
    assert (account.returncode, json.loads(account.stdout)["balanced"]) == (0, True)
    assert json.loads(shared.run("deliveries", "account", "-o", "jsonl").stdout) == json.loads(account.stdout)


def test_a_receipt_that_was_never_given_is_not_found(shared: Signoff) -> None:
    receipt = "06H15L4BMPVT9I6LDFFAM28VUK20CH82BJ"

    done = shared.run("deliveries", "show", receipt)

    assert (done.returncode, done.stderr) == (3, f"error: no delivery has the receipt '{receipt}'\n")
    assert shared.run("deliveries", "show", "").returncode == 3


def test_ending_a_silence_that_is_not_there_is_not_found(shared: Signoff) -> None:
    done = shared.run("silence", "end", "sil-none")

    said = "error: no silence 'sil-none' is in force; there are: none\n"
    assert (done.returncode, done.stdout, done.stderr) == (3, "", said)


@pytest.mark.slow
def test_people_work_on_an_incident_by_command(shared: Signoff) -> None:
    body = {"id": "7", "alert_id": "9", "alert_transition": "Triggered", "title": "disk", "tags": "service:web"}
    receipt = post(shared, json.dumps(body).encode())

    def opened() -> object:
        return shared.json("deliveries", "show", receipt)["incident_id"]

    incident = str(until(opened, limit=30, what="an incident"))
    for command, event in (
        (["ack", incident], "incident.acknowledged"),
        (["note", incident, "looking"], "incident.noted"),
        (["close", incident], "incident.closed"),
    ):
        assert shared.json("incidents", *command) == {"incident": incident, "event": event}
    assert shared.run("incidents", "reopen", incident).stdout == "incident.reopened\n"
    assert shared.run("incidents", "close", incident).returncode == 0

    watched = shared.json("incidents", "watch", incident)
    assert {"incident.opened", "incident.acknowledged", "incident.noted", "incident.closed"} <= {
        entry["type"] for entry in watched
    }
    assert watched == shared.json("incidents", "show", incident)["timeline"]


def test_no_text_names_no_incident(shared: Signoff) -> None:
    done = shared.run("incidents", "show", "")

    assert (done.returncode, done.stderr) == (3, "error: no incident ''\n")


def test_files_of_a_server_are_for_its_user_only(shared: Signoff) -> None:
    modes = {path.name: stat.filemode(path.stat().st_mode) for path in shared.data.rglob("*") if path.is_file()}

    assert {name: mode for name, mode in modes.items() if mode != "-rw-------"} == {}
    assert stat.S_IMODE(shared.data.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "person,name",
    [([], "SAMPLE approver"), (["sample-responder"], "SAMPLE responder")],
    ids=["the operator", "another"],
)
def test_login_prints_a_link_that_asks_whether_to_continue_as_the_person(
    shared: Signoff, person: list[str], name: str
) -> None:
    link = shared.run("login", *person).stdout.strip()

    page = httpx.get(link)

    assert page.status_code == 200
    assert f"Continue as {name}" in page.text


def test_login_of_a_person_nobody_knows_names_those_there_are(shared: Signoff) -> None:
    done = shared.run("login", "nobody")

    assert done.returncode == 3
    assert "sample-second-approver" in done.stderr


@pytest.mark.slow
def test_topics_tail_shows_the_log_of_a_running_server(shared: Signoff) -> None:
    receipt = post(shared, b"{ no JSON")

    with subprocess.Popen(
        [COMMAND, "topics", "tail", "alerts.v1", "--from-start", "--data", str(shared.data)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as tail:
        assert tail.stdout is not None
        found = next(record for record in map(json.loads, tail.stdout) if receipt in record["headers"]["ce_id"])
        tail.terminate()

    assert found["headers"]["ce_type"] == "delivery.unreadable.v1"
    assert found["headers"]["ce_traceparent"].startswith("00-")
    assert json.loads(found["body"])["receipt"] == receipt


@pytest.mark.slow
def test_config_show_prints_what_to_paste_and_no_secret_unasked(shared: Signoff) -> None:
    secrets = [path.read_text().strip() for path in (shared.data / "secrets").iterdir()]

    shown = shared.run("config", "show").stdout
    as_json = shared.run("config", "show", "-o", "json").stdout

    assert f"URL             {shared.address('webhook_url')}/webhooks/datadog" in shown
    assert f"Webhook URL     {shared.address('webhook_url')}/webhooks/pagerduty" in shown
    assert '{"X-Signoff-Token": "********"}' in shown
    assert "Secret          ********        (--reveal prints it)" in shown
    generic = (shared.data / "secrets" / "generic_webhook").read_text().strip()
    assert f"Secret          {generic}\n" in shared.run("config", "show", "--reveal").stdout
    assert '"alert_transition": "$ALERT_TRANSITION"' in shown
    assert not [secret for secret in secrets if secret in shown + as_json]
    rows = {row["setting"]: row for row in json.loads(as_json)}
    assert rows["ingest.receipt_key"] == {
        "setting": "ingest.receipt_key",
        "value": "********",
        "source": f"generated in {shared.data / 'secrets'}",
    }


@pytest.mark.slow
def test_config_show_takes_the_public_address_of_a_tunnel(shared: Signoff) -> None:
    shown = shared.run("config", "show", "--url", "https://hooks.example/").stdout

    assert "https://hooks.example/webhooks/datadog" in shown


def test_a_table_in_a_pipe_has_one_line_a_row(shared: Signoff) -> None:
    lines = shared.run("topics", "list").stdout.splitlines()

    assert [line.split()[0] for line in lines[1:]] == [
        "alerts.v1",
        "incidents.v1",
        "decisions.v1",
        "requests.v1",
        "dead-letters.v1",
    ]


def test_a_server_that_stops_takes_its_run_file_along_and_ends_pages_that_are_open(signoff: Signoff) -> None:
    signoff.up()
    run = signoff.data / "run.json"
    assert run.stat().st_mode & 0o777 == 0o600

    token = {"Authorization": f"Bearer {json.loads(run.read_text())['token']}"}
    with httpx.stream("GET", f"{signoff.address()}/api/changes", headers=token) as page:
        assert page.status_code == 200
        signoff.stop()

    assert signoff.started["up"].returncode == 0
    assert "xception" not in signoff.said("up")
    assert not (signoff.data / "run.json").exists()
