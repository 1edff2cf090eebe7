"""Named places around every commit, ack, send and reply, where a test can end the process as `kill -9` would.

`SIGNOFF_FAILPOINT=name[:hits]` kills the process when it reaches the place for the n-th time (default 1). It is refused
unless `SIGNOFF_TEST_BUILD=1` says that this is a test. Unarmed, reaching a place costs one comparison.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from typing import Final

from shared.errors import ConfigurationError

NAMES: Final = frozenset(
    {
        "store.before_commit",
        "store.after_commit",
        "store.before_reply",
        "intake.before_take",
        "intake.after_take",
        "intake.before_ack",
        "intake.after_ack",
        "relay.before_send",
        "relay.after_send",
        "relay.before_delete",
        "relay.after_delete",
        "bus.before_append",
        "bus.after_append",
        "activity.after_claim",
        "activity.after_call",
        "activity.before_finish",
        "activity.after_finish",
    }
)
"""Every place there is. `activity.after_call` is after the handler's work and before anything is told about it."""


class _Trap:
    name = ""
    hits = 0


_trap = _Trap()


def reach(name: str) -> None:
    """Say that this place was reached; end the process here if a test asked for it."""
    if name == _trap.name:
        _trap.hits -= 1
        if _trap.hits == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def arm(environment: Mapping[str, str]) -> None:
    """Arm the failpoint that the environment names, if any.

    Raises ConfigurationError for a name that does not exist, and always outside a test build.
    """
    asked = environment.get("SIGNOFF_FAILPOINT", "")
    if not asked:
        return
    if environment.get("SIGNOFF_TEST_BUILD") != "1":
        raise ConfigurationError("SIGNOFF_FAILPOINT kills this process on purpose and is for tests only: unset it")
    name, _, hits = asked.partition(":")
    if name not in NAMES:
        raise ConfigurationError(f"SIGNOFF_FAILPOINT names {name!r}; there is: {', '.join(sorted(NAMES))}")
    if hits and not (hits.isascii() and hits.isdigit() and int(hits) > 0):
        raise ConfigurationError(f"SIGNOFF_FAILPOINT={asked!r}: hits must be a number above 0")
    _trap.name, _trap.hits = name, int(hits or 1)


def arm_from_process() -> None:
    """Arm from this process's environment; every store does so before it opens."""
    arm(os.environ)  # noqa: TID251 -- a switch of the test harness, no setting: it must not appear among settings
