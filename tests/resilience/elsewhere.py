"""Tests outside this folder that show faults of the list as well: they run with the suites when the page is made."""

from __future__ import annotations

from collections.abc import Mapping

from tests.resilience.report import Line

_SHOWN: Mapping[str, Mapping[str, tuple[str, str, str, str]]] = {
    "tests/contract/bus/test_kafka_only.py": {
        "test_members_that_come_and_go_take_each_event_once_and_in_order": (
            "F9",
            "readers of a group come and go",
            "one store, kafka",
            "30 s",
        ),
    },
    "tests/contract/store/test_sqlite_only.py": {
        "test_another_process_is_refused_too": (
            "F17",
            "two processes on one database",
            "store, sqlite",
            "at once",
        ),
        "test_a_full_disk_blames_no_message_and_work_goes_on_when_there_is_room": (
            "F18",
            "a database that may not grow",
            "store, sqlite",
            "30 s",
        ),
    },
    "tests/contract/ingest/test_circuit.py": {
        "test_a_full_spool_is_told_to_senders_and_by_readiness_until_it_has_run_empty": (
            "F17",
            "the log held by another's transaction (SQLITE_BUSY), then the spool full",
            "ingest with a real listener",
            "30 s",
        ),
    },
    "tests/contract/bus/test_embedded_only.py": {
        "test_a_full_disk_is_told_and_nothing_is_taken_until_there_is_room": (
            "F18",
            "a log that may not grow",
            "bus, embedded",
            "at once",
        ),
    },
    "tests/contract/executor/test_service.py": {
        "test_a_stop_waits_for_the_call_under_way_and_leaves_no_doubt": (
            "F5",
            "a stop while a call is under way",
            "executor, simulated world",
            "15 s",
        ),
    },
    "tests/unit/executor/test_governor.py": {
        "test_the_loop_breaker_cancels_what_was_granted": (
            "F29",
            "changes that cause the alert they answer: loop breaker",
            "executor's transitions, in memory",
            "an hour of its clock",
        ),
        "test_a_target_rests_after_a_change": (
            "F29",
            "changes that cause the alert they answer: cooldown",
            "executor's transitions, in memory",
            "its clock",
        ),
    },
    "tests/contract/store/test_postgres_server.py": {
        "test_a_server_that_is_killed_at_work_loses_and_doubles_nothing": (
            "F13",
            "the database server killed twice under load",
            "store, postgres",
            "30 s",
        ),
    },
    "tests/contract/store/test_postgres_replicas.py": {
        "test_a_replica_that_outlived_its_lease_commits_nothing": (
            "F6",
            "a transition that outlived its lease",
            "store, postgres, two processes",
            "at once",
        ),
        "test_a_leader_that_is_gone_or_frozen_is_replaced": (
            "F6",
            "whoever relays is stopped (SIGSTOP), replaced, and goes on",
            "store, postgres, two processes",
            "20 s",
        ),
    },
    "tests/contract/executor/test_calls.py": {
        "test_whose_lease_has_ended_calls_nothing": (
            "F6",
            "a lease that ends right before the call",
            "executor, simulated world",
            "no call",
        ),
        "test_while_the_database_is_away_nothing_is_called": (
            "F20",
            "no database right before the call",
            "executor, simulated world",
            "no call",
        ),
    },
    "tests/resilience/test_decision_races.py": {
        "test_approve_and_expire": (
            "F31",
            "approved at the instant at which it expires",
            "executor and notifier, sqlite and postgres",
            "one winner",
        ),
        "test_approve_and_reject": (
            "F31",
            "approved and rejected at once",
            "executor and notifier, sqlite and postgres",
            "one winner",
        ),
        "test_two_approvers_where_two_are_needed": (
            "F31",
            "two who approve at once where two must",
            "executor and notifier, sqlite and postgres",
            "both count",
        ),
        "test_approve_and_a_plan_that_supersedes_it": (
            "F31",
            "approved while another plan takes its place",
            "executor and notifier, sqlite and postgres",
            "one winner",
        ),
    },
    "tests/unit/executor/test_directing.py": {
        "test_a_cancel_before_the_first_call_means_that_none_is_made": (
            "F32",
            "cancelled before the first call",
            "executor's transitions, in memory",
            "no call",
        ),
        "test_a_cancel_between_steps_tells_a_person_what_was_done": (
            "F32",
            "cancelled between two steps",
            "executor's transitions, in memory",
            "no further call",
        ),
        "test_a_cancel_while_a_call_is_in_flight_is_answered_at_once_and_stops_before_the_next_call": (
            "F32",
            "cancelled during a call",
            "executor's transitions, in memory",
            "no further call",
        ),
    },
    "tests/contract/executor/test_freeze.py": {
        "test_after_a_freeze_nothing_is_called": (
            "F32",
            "frozen after the approval",
            "executor, simulated world",
            "no call",
        ),
    },
    "tests/contract/cli/test_errors.py": {
        "test_a_mistyped_key_names_its_line_and_the_key_that_was_meant": (
            "F34",
            "a setting that is wrong",
            "`signoff up`, `serve` and `config validate`",
            "no start",
        ),
        "test_a_runbook_that_cannot_be_read_names_file_line_and_column": (
            "F34",
            "a runbook that cannot be read",
            "`signoff up`, `serve` and `config validate`",
            "no start",
        ),
    },
    "tests/contract/executor/test_start.py": {
        "test_a_policy_that_is_not_there_or_wrong_is_told_because_its_prohibitions_would_be_lost": (
            "F34",
            "a policy that is not there",
            "executor",
            "no start",
        ),
    },
    "tests/contract/ingest/test_answers.py": {
        "test_a_source_without_a_secret_is_off_and_start_up_says_so": (
            "F34",
            "a source without a secret: off, never unverified",
            "ingest with a real listener",
            "503",
        ),
    },
    "tests/contract/ingest/test_hostile_crowds.py": {
        "test_while_secrets_are_rotated_under_load_nobody_is_refused": (
            "F35",
            "secrets rotated and processes restarted under load",
            "ingest with a real listener",
            "no refusal",
        ),
        "test_a_crowd_larger_than_the_house_keeps_no_honest_sender_out": (
            "F36",
            "more connections than there is room for",
            "ingest with a real listener",
            "5 s",
        ),
    },
    "tests/contract/ingest/test_slow_senders.py": {
        "test_a_connection_that_sends_nothing_is_closed": (
            "F36",
            "connections that send nothing",
            "ingest with a real listener",
            "deadline of the head",
        ),
        "test_a_head_that_trickles_is_closed_however_steadily_it_comes": (
            "F36",
            "a byte at a time in the head",
            "ingest with a real listener",
            "deadline of the head",
        ),
        "test_a_body_that_trickles_is_answered_with_send_it_again_never_with_a_refusal": (
            "F36",
            "a byte at a time in the body",
            "ingest with a real listener",
            "deadline of the body",
        ),
    },
}
"""File -> test -> number of the fault, what it is, where, and within which time all is well again."""
ELSEWHERE: Mapping[str, Line] = {
    f"{file}::{name}": Line(matrix, fault, where, "0", 0, 0, within=within)
    for file, tests in _SHOWN.items()
    for name, (matrix, fault, where, within) in tests.items()
}


if __name__ == "__main__":
    print(*ELSEWHERE)  # noqa: T201 -- for the Makefile
