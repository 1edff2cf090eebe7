from __future__ import annotations

import pytest

from shared.errors import ConfigurationError
from shared.store import failpoints

TEST_BUILD = {"SIGNOFF_TEST_BUILD": "1"}


@pytest.fixture(autouse=True)
def disarmed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failpoints, "_trap", failpoints._Trap())


def test_nothing_is_armed_by_default() -> None:
    failpoints.arm({})
    failpoints.arm({"SIGNOFF_FAILPOINT": ""})

    for name in failpoints.NAMES:
        failpoints.reach(name)


def test_arming_is_refused_outside_a_test_build() -> None:
    with pytest.raises(ConfigurationError, match="for tests only: unset it"):
        failpoints.arm({"SIGNOFF_FAILPOINT": "store.before_commit"})


@pytest.mark.parametrize(
    "value,message",
    [
        ("store.commit", "names 'store.commit'; there is: activity.after_call"),
        ("store.after_commit:0", "hits must be a number above 0"),
        ("store.after_commit:x", "hits must be a number above 0"),
    ],
)
def test_a_wrong_failpoint_is_named(value: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        failpoints.arm({**TEST_BUILD, "SIGNOFF_FAILPOINT": value})


def test_it_counts_only_hits_of_its_own_place() -> None:
    failpoints.arm({**TEST_BUILD, "SIGNOFF_FAILPOINT": "relay.after_send:3"})

    failpoints.reach("relay.after_send")
    failpoints.reach("relay.before_send")
    failpoints.reach("relay.after_send")

    assert failpoints._trap.hits == 1
