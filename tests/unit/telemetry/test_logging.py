from __future__ import annotations

import io
import json
import logging
import threading

import pytest

from shared.telemetry.logging import configure_logging
from shared.telemetry.redacting import Redactor

SECRET = "s3cret/with+signs"
KEY = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA\n-----END PRIVATE KEY-----"


class Terminal(io.StringIO):
    """A stream that a person looks at."""

    def isatty(self) -> bool:
        return True


def logged(*lines: object, stream: io.StringIO | None = None, **extra: object) -> str:
    """Return what comes out when something is logged with a secret in it."""
    out = stream or io.StringIO()
    configure_logging(Redactor([SECRET, KEY]), stream=out)
    for line in lines:
        logging.getLogger("signoff.test").warning("%s", line, extra=extra or None)
    return out.getvalue()


@pytest.mark.parametrize(
    "held",
    [
        pytest.param(f"token {SECRET} refused", id="inside a text"),
        pytest.param({"header": {"deep": [SECRET]}}, id="in a dict in a list"),
        pytest.param({SECRET: 1}, id="as the key of a dict"),
        pytest.param(SECRET.encode(), id="as bytes"),
        pytest.param([(SECRET.encode(), b"\xff")], id="as bytes that are no text"),
        pytest.param({SECRET}, id="in a set"),
        pytest.param(ValueError(f"bad {SECRET}"), id="in an exception"),
        pytest.param("http://h/a?x=s3cret%2Fwith%2Bsigns", id="quoted in a URL"),
        pytest.param(f"key {KEY}", id="a key of several lines"),
    ],
)
def test_a_known_secret_never_appears_wherever_it_is_held(held: object) -> None:
    for text in (logged(held), logged("see facts", facts=held)):
        assert "[redacted]" in text
        for form in (SECRET, "s3cret", "MC4CAQAwBQYDK2VwBCIEIA"):
            assert form not in text


@pytest.mark.parametrize(
    "text, left",
    [
        pytest.param("Authorization: Bearer abcdef123456", "Bearer [redacted]", id="a bearer token"),
        pytest.param("postgresql://signoff:hunter22@db/s", "postgresql://[redacted]@db/s", id="a password in a URL"),
        pytest.param("/a/apr-1?login=abcdefgh&x=1", "/a/apr-1?login=[redacted]&x=1", id="a one-time login"),
        pytest.param(KEY.replace("MC4C", "OTHR"), "[redacted]", id="a private key"),
    ],
)
def test_what_looks_like_a_secret_is_taken_out_although_nobody_named_it(text: str, left: str) -> None:
    assert left in Redactor().text(text)


@pytest.mark.parametrize("name", ["token", "run_token", "Authorization", "api_key", "webhook-secret", "password"])
def test_a_field_whose_name_says_secret_is_never_shown(name: str) -> None:
    assert Redactor().value({name: "anything"}) == {name: "[redacted]"}


def test_ordinary_words_and_numbers_stay_as_they_are() -> None:
    value = {"incident_id": "INC-ABC", "attempt": 2, "late": True, "why": None, "seconds": 0.5}

    assert Redactor(["", "short"]).value(value) == value


def test_a_traceback_is_logged_without_the_secret_in_it() -> None:
    out = io.StringIO()
    configure_logging(Redactor([SECRET]), stream=out)
    try:
        int(SECRET)
    except ValueError:
        logging.getLogger("signoff.test").exception("failed")

    line = json.loads(out.getvalue())
    assert "ValueError: invalid literal for int() with base 10: '[redacted]'" in line["exception"]


def test_an_exception_that_nobody_catches_passes_the_redactor_too() -> None:
    out = io.StringIO()
    configure_logging(Redactor([SECRET]), stream=out)

    def fail() -> None:
        raise RuntimeError(SECRET)

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()

    assert "[redacted]" in out.getvalue()
    assert SECRET not in out.getvalue()


def test_without_a_terminal_each_line_is_one_json_object() -> None:
    line = json.loads(logged("ready", service="ingest"))

    assert (line["event"], line["level"], line["logger"], line["service"]) == (
        "ready",
        "warning",
        "signoff.test",
        "ingest",
    )
    assert line["timestamp"].endswith("Z")


def test_on_a_terminal_lines_are_for_people() -> None:
    text = logged("ready", stream=Terminal(), service="ingest")

    assert "ready" in text
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)


def test_libraries_pass_the_same_redactor() -> None:
    out = io.StringIO()
    configure_logging(Redactor([SECRET]), stream=out)

    logging.getLogger("aiokafka.conn").error("login as %s failed", SECRET)

    assert json.loads(out.getvalue())["event"] == "login as [redacted] failed"
