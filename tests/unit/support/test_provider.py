from __future__ import annotations

import os
import random
import sys

import pytest

from tests.support.provider import (
    MissingServerError,
    Probe,
    ProgramFailedError,
    choose,
    free_port,
    install_packages,
    run_program,
)


def probe(*, address: str | None = None, docker: bool = False, local: bool = False) -> Probe:
    return Probe(address, lambda: docker, lambda: local)


@pytest.mark.parametrize(
    "found, way",
    [
        (probe(address="a:1", docker=True, local=True), "given"),
        (probe(docker=True, local=True), "container"),
        (probe(local=True), "local"),
    ],
)
def test_a_given_address_wins_then_a_container_then_a_local_server(found: Probe, way: str) -> None:
    assert choose("Kafka", found) == way


def test_a_missing_server_is_an_error_that_names_the_command() -> None:
    with pytest.raises(MissingServerError, match="make test-servers"):
        choose("Kafka", probe())


def test_a_container_is_not_asked_for_when_an_address_is_given() -> None:
    def never() -> bool:
        raise AssertionError

    assert choose("Kafka", Probe("a:1", never, never)) == "given"


def test_a_program_that_fails_says_what_it_printed() -> None:
    program = [sys.executable, "-c", "import sys; sys.exit('the disk is full')"]
    with pytest.raises(ProgramFailedError, match=r"ended with 1:\nthe disk is full"):
        run_program(program, seconds=30)


@pytest.mark.slow
def test_a_program_that_does_not_end_says_what_it_printed() -> None:
    program = [sys.executable, "-uc", "import time; print('waiting for the lock'); time.sleep(60)"]
    with pytest.raises(ProgramFailedError, match=r"did not end within 3 s:\nwaiting for the lock"):
        run_program(program, seconds=3)


def test_who_may_not_install_is_told_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(MissingServerError, match="`sudo apt-get install postgresql`"):
        install_packages("PostgreSQL", ["postgresql"])


def test_no_port_is_given_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    given = free_port()
    drawn = iter([given, *range(20000, 32000)])
    monkeypatch.setattr(random, "randrange", lambda *_: next(drawn))
    assert free_port() != given
