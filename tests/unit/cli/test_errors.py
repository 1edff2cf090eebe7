from __future__ import annotations

import pytest

from cli.errors import Exit, HintedError, code_of, tell
from shared.errors import (
    AuthoredError,
    ConfigurationError,
    NotFoundError,
    RefusedError,
    SignoffError,
    UnavailableError,
)


@pytest.mark.parametrize(
    "error, code",
    [
        pytest.param(AuthoredError("x"), 1, id="a file that people author is wrong: findings"),
        pytest.param(ConfigurationError("x"), 2, id="settings are wrong: usage"),
        pytest.param(NotFoundError("x"), 3, id="the named thing does not exist"),
        pytest.param(UnavailableError("x"), 4, id="something does not answer"),
        pytest.param(RefusedError("x"), 5, id="not allowed, expired or already decided"),
        pytest.param(HintedError("x", Exit.WAITING), 6, id="an error that brings its own code"),
        pytest.param(SignoffError("x"), 1, id="anything else"),
    ],
)
def test_every_error_has_its_exit_code(error: SignoffError, code: int) -> None:
    assert code_of(error) == code


def test_what_to_do_next_stands_below_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    tell(HintedError("port 8700 is in use", Exit.USAGE, ("use another port", "a --port 8800"), ("or stop it", "kill")))

    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        "error: port 8700 is in use\n  → use another port: a --port 8800\n  → or stop it:       kill\n"
    )
