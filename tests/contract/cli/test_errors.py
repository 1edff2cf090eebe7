"""What a person reads when something is wrong: every text and exit code, from the installed command."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from cli.main import main
from tests.support.signoff import Signoff

pytestmark = pytest.mark.timeout(120)

NOT_RUNNING = """\
error: no Signoff is running with its data in {data}
  → start one:        signoff up --data {data}
  → or name its data: --data DIR
"""
CLIENT_COMMANDS = [
    "replay high_cpu",
    "approve INC-1 --yes",
    "reject INC-1 --reason no",
    "withdraw INC-1",
    "cancel INC-1 --reason no",
    "freeze",
    "login",
    "budget",
    "ask why",
    "incidents investigate INC-1",
    "incidents verdict INC-1 right",
    "incidents replay INC-1",
    "incidents show INC-1",
    "incidents watch INC-1",
    "incidents ack INC-1",
    "incidents note INC-1 text",
    "incidents close INC-1",
    "incidents reopen INC-1",
    "deliveries show receipt",
    "deliveries account",
    "silence add service=web --reason no",
    "silence list",
    "silence end sil-1",
    "dead-letters list",
    "dead-letters show ingest m",
    "dead-letters requeue ingest m",
    "dead-letters parked",
    "dead-letters release ingest alerts.v1 key",
    "world ledger",
    "world state",
    "world slack",
]


def told(signoff: Signoff, command: str) -> tuple[int, str, str]:
    done = signoff.run(*command.split())
    return done.returncode, done.stderr, done.stdout


def test_without_a_server_the_command_says_how_to_start_one(signoff: Signoff) -> None:
    assert told(signoff, "incidents list") == (4, NOT_RUNNING.format(data=signoff.data), "")


@pytest.mark.parametrize("command", CLIENT_COMMANDS)
def test_so_does_every_other_client_command(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command.split(), "--data", str(tmp_path)])

    captured = capsys.readouterr()
    assert (ended.value.code, captured.err, captured.out) == (4, NOT_RUNNING.format(data=tmp_path), "")


def test_a_run_file_of_a_server_that_was_killed_is_no_server(signoff: Signoff) -> None:
    signoff.data.mkdir()
    (signoff.data / "run.json").write_text(
        '{"url": "http://127.0.0.1:9", "webhook_url": "http://127.0.0.1:9", "token": "t", "pid": 1}'
    )

    assert told(signoff, "incidents list") == (4, NOT_RUNNING.format(data=signoff.data), "")


@pytest.mark.parametrize("speed", ["0", "-3", "nan", "inf", "201"])
def test_an_impossible_speed_is_wrong_usage(speed: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["replay", "high_cpu", f"--speed={speed}"])

    assert (ended.value.code, capsys.readouterr().err) == (2, f"error: speed {speed} is not between 0 and 200\n")


@pytest.mark.parametrize("command", ["replay hig_cpu", "up --replay hig_cpu"])
def test_an_unknown_scenario_names_those_there_are(signoff: Signoff, command: str) -> None:
    assert told(signoff, command) == (
        3,
        "error: no scenario 'hig_cpu'; there are: db_connections, deploy_failure, high_cpu, network_latency\n",
        "",
    )


@pytest.mark.slow
def test_a_port_in_use_names_who_has_it_and_the_ways_out(signoff: Signoff) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, said, _ = told(signoff, f"up --port {port}")
        served, served_said, _ = told(signoff, f"serve ingest --port {port}")

    who = f" by {Path('/proc/self/comm').read_text().strip()} (pid {os.getpid()})" if sys.platform == "linux" else ""
    assert (code, said) == (
        2,
        f"""\
error: port {port} is in use{who}
  → use another port:   signoff up --port {port + 100}
  → or pick a free one: signoff up --any-port
""",
    )
    assert (served, served_said) == (
        2,
        f"error: port {port} is in use{who}\n  → use another port: signoff serve ingest --port {port + 100}\n",
    )
    assert not signoff.data.exists()


@pytest.mark.parametrize("command", ["up --any-port", "config validate", "config show", "serve ingest --port 0"])
def test_a_mistyped_key_names_its_line_and_the_key_that_was_meant(signoff: Signoff, command: str) -> None:
    (signoff.data.parent / "signoff.toml").write_text('# Ours.\n[ingest.datadog]\nsecert = ["s3cret"]\n')

    said = "error: signoff.toml:3: unknown key ingest.datadog.secert; did you mean 'secrets'?\n"
    assert told(signoff, command) == (2, said, "")


def test_a_value_that_does_not_fit_names_where_it_was_given(signoff: Signoff) -> None:
    signoff.env = {"SIGNOFF_INGEST__SPOOL_MAX": "many"}

    code, said, _ = told(signoff, "config validate")

    problem = "Input should be a valid integer, unable to parse string as an integer"
    assert (code, said) == (2, f"error: env SIGNOFF_INGEST__SPOOL_MAX: ingest.spool_max: {problem}\n")


@pytest.mark.parametrize("command", ["config validate", "up --any-port"])
def test_a_runbook_that_cannot_be_read_names_file_line_and_column(signoff: Signoff, command: str) -> None:
    folder = signoff.data.parent / "runbooks" / "restart-web"
    folder.mkdir(parents=True)
    (folder / "runbook.yaml").write_text("id: restart-web\ntitle: [\n")
    runbooks = str(folder.parent)
    signoff.env = {"SIGNOFF_EXECUTOR__RUNBOOKS": runbooks, "SIGNOFF_DIAGNOSER__RUNBOOKS": runbooks}

    code, said, _ = told(signoff, command)

    assert code == 1
    assert said.startswith(f"error: {folder / 'runbook.yaml'}:3:1: ")
    assert said.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize("setting", ["SIGNOFF_EXECUTOR__POLICY_FILE", "SIGNOFF_DIAGNOSER__RULES_FILE"])
def test_a_policy_or_rule_file_that_is_wrong_is_named(signoff: Signoff, setting: str) -> None:
    path = signoff.data.parent / "mine.yaml"
    path.write_text("rulse: []\n")
    signoff.env = {setting: str(path)}

    code, said, _ = told(signoff, "config validate")

    assert (code, said.partition("rulse")[0]) == (1, f"error: {path}:1:1: ")


@pytest.mark.slow
def test_a_data_directory_has_one_owner(signoff: Signoff) -> None:
    signoff.up()

    code, said, _ = told(signoff, "up --any-port")

    pid = signoff.started["up"].pid
    assert code == 2
    assert said.startswith(f"error: {signoff.data / 'ingest.db'} is in use by process {pid}; stop it")


def test_a_wrong_command_says_what_was_meant(signoff: Signoff) -> None:
    assert told(signoff, "incidents lst") == (
        2,
        "error: unknown command 'lst'; did you mean 'list'?\n  → see: signoff incidents --help\n",
        "",
    )


def test_topics_of_a_bus_that_was_never_started_are_not_found(signoff: Signoff) -> None:
    code, said, _ = told(signoff, "topics tail alerts.v1")

    assert (code, said) == (3, f"error: there is no bus in {signoff.data}; nothing was started there yet\n")
