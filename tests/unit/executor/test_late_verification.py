"""An executor that was away while it should have verified, and comes back when data can be late no more."""

from __future__ import annotations

import pytest

from services.executor.domain.work import VERIFY_READ
from tests.unit.executor.aggregates import Told, types
from tests.unit.executor.story import Story

DOWN = 7200.0


def back(story: Story, after: float = DOWN) -> list[Told]:
    """Let the executor be away: no timer fires until it is back."""
    story.executor.now += after
    return story.executor.wait(0)


def read_once() -> Story:
    """Return a story whose verification has read the clock of the data and nothing else."""
    story = Story().verifying()
    story.read()
    return story


@pytest.mark.parametrize(
    "values, said, stage",
    [
        pytest.param([90.0] * 5 + [50.0] * 440, ["verification.passed"], "mitigated", id="it held in time"),
        pytest.param(
            [90.0] * 445, ["verification.failed", "handoff.requested"], "needs_human", id="it did not hold in time"
        ),
        pytest.param(
            [90.0] * 41 + [50.0] * 400,
            ["verification.failed", "handoff.requested"],
            "needs_human",
            id="it began to hold after the deadline",
        ),
        pytest.param(
            [50.0] * 5, ["verification.unknown", "handoff.requested"], "needs_human", id="the data end before that"
        ),
        pytest.param([], ["verification.unknown", "handoff.requested"], "needs_human", id="there are no data"),
    ],
)
def test_who_was_away_looks_once_more_and_judges_what_was_so_in_time(
    values: list[float], said: list[str], stage: str
) -> None:
    story = read_once()
    assert back(story) == []
    assert story.executor.count(VERIFY_READ) == 2
    assert types(story.read(*values)) == said
    assert (story.stage, story.owed(), story.locks, story.executor.timers()) == (stage, [], {}, {})


def test_the_last_read_gets_a_minute_and_no_other_follows_it() -> None:
    story = read_once()
    assert back(story) == []
    assert story.executor.wait(59) == []
    assert types(story.executor.wait(1)) == ["verification.unknown", "handoff.requested"]
    assert story.executor.count(VERIFY_READ) == 2
    assert story.read(*[50.0] * 445) == [], "nobody waits for it any more"


def test_a_last_read_that_fails_is_not_repeated_and_told() -> None:
    story = read_once()
    back(story)
    story.executor.finish(VERIFY_READ, {"error": {"reason": "unavailable", "detail": "given up"}})
    unknown, _ = story.executor.wait(60)
    assert (unknown.type, unknown.body["result"]["detail"]) == ("verification.unknown", "unavailable: given up")
    assert story.executor.count(VERIFY_READ) == 2


def test_what_was_read_before_it_went_away_is_not_the_last_word() -> None:
    story = read_once()
    story.executor.wait(120)
    story.executor.now += DOWN
    assert story.read(*[90.0] * 8) == [], "the answer was kept, and came to nobody"
    assert story.executor.wait(0) == []
    assert types(story.read(*[90.0] * 8, *[50.0] * 440)) == ["verification.passed"]


def test_a_read_that_was_asked_for_before_it_went_away_is_not_waited_for() -> None:
    story = read_once()
    story.executor.wait(120)
    under_way = story.executor.newest(VERIFY_READ)
    back(story)
    assert story.executor.newest(VERIFY_READ) != under_way


@pytest.mark.parametrize(
    "pace, after",
    [
        pytest.param(1.0, DOWN, id="past the end"),
        pytest.param(30.0, 300.0, id="past the end of a sped-up world, whose pace nobody knew yet"),
    ],
)
def test_who_knew_no_clock_of_the_data_reads_it_first(pace: float, after: float) -> None:
    story = Story().verifying()
    assert back(story, after) == []
    assert story.read(pace=pace) == []
    assert story.executor.wait(0) == []
    assert story.executor.newest(VERIFY_READ).args["since"] is not None
    assert types(story.read(*[50.0] * 445, pace=pace)) == ["verification.passed"]


def test_who_was_there_says_in_time_that_nobody_knows() -> None:
    story = read_once()
    story.executor.wait(655)
    reads = story.executor.count(VERIFY_READ)
    assert types(story.executor.wait(5)) == ["verification.unknown", "handoff.requested"]
    assert story.executor.count(VERIFY_READ) == reads


def test_an_answer_that_was_held_up_lets_nothing_count_that_was_measured_before_the_steps_ended() -> None:
    story = Story().verifying()
    read_at, args = story.executor.now, story.executor.newest(VERIFY_READ).args
    story.executor.wait(300)
    clock = {"execution_id": args["execution_id"], "attempt": 1, "points": [], "unit": "", "step": 15.0}
    story.executor.finish(VERIFY_READ, {**clock, "data_now": 5000.0, "pace": 1.0, "read_at": read_at})
    story.executor.wait(60)
    assert story.executor.newest(VERIFY_READ).args["since"] == "1970-01-01T01:23:20+00:00", (
        "5000 s, when the steps ended"
    )
