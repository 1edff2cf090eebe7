"""What an incident tells of the alerts that join it, when they are many."""

from __future__ import annotations

import pytest

from shared.store.model import Decision
from tests.unit.diagnoser.aggregates import message
from tests.unit.diagnoser.alerts import alert
from tests.unit.diagnoser.story import Story


@pytest.fixture
def story() -> Story:
    return Story()


def test_a_storm_is_told_in_one_bounded_event() -> None:
    story = Story()
    story.open()
    batch = [
        message(
            f"s{n}",
            "attach",
            {
                "message_id": f"r{n}",
                "alert": alert(f"a{n}", description="x" * 4000).model_dump(mode="json"),
                "reason": "same_service: shop",
            },
        )
        for n in range(400)
    ]

    decision = story.aggregate.give(*batch)

    attached = [event for event in decision.events if event.type == "incident.alerts_attached"]
    assert len(attached) == 1
    assert attached[0].body["total"] == 401
    assert 0 < len(attached[0].body["alerts"]) <= 20


class TestInAStorm:
    """From fifty alerts on those that join are told of once a second."""

    @staticmethod
    def told(decision: Decision) -> list[tuple[int, int]]:
        """Return of each event about alerts that joined how many it carries and how many there are in all."""
        joined = [event.body for event in decision.events if event.type == "incident.alerts_attached"]
        return [(len(body["alerts"]), body["total"]) for body in joined]

    @staticmethod
    def join(story: Story, *numbers: int) -> Decision:
        batch = [
            {"message_id": f"r{n}", "alert": alert(f"a{n}").model_dump(mode="json"), "reason": "same_service: shop"}
            for n in numbers
        ]
        return story.tell("attach", {"alerts": batch})

    @pytest.fixture(autouse=True)
    def storm(self, story: Story) -> None:
        story.open()
        assert self.told(self.join(story, *range(49))) == [(20, 50)]
        assert self.told(self.join(story, 50)) == []

    def test_what_joins_soon_after_is_told_together_when_a_second_has_passed(self, story: Story) -> None:
        assert self.told(self.join(story, 51, 52)) == []
        assert self.told(story.wait(0.9)) == []

        decision = story.wait(0.2)

        assert self.told(decision) == [(3, 53)]
        assert decision.events[0].body["alerts"][0]["message_id"] == "r50"
        assert decision.events[0].body["reason"] == "same_service: shop"

    def test_the_first_few_are_told_in_full_and_all_are_counted(self, story: Story) -> None:
        self.join(story, *range(60, 100))

        assert self.told(story.wait(1.0)) == [(5, 91)]

    def test_what_joins_after_a_second_of_quiet_is_told_at_once(self, story: Story) -> None:
        story.wait(1.0)
        story.wait(1.0)

        assert self.told(self.join(story, 51)) == [(1, 52)]

    def test_whatever_else_is_said_comes_after_what_joined_before(self, story: Story) -> None:
        decision = story.ask("close")

        assert [event.type for event in decision.events][:2] == ["incident.alerts_attached", "incident.closed"]
        assert self.told(story.wait(2.0)) == []

    def test_a_clock_that_was_set_back_lets_nobody_wait(self, story: Story) -> None:
        story.wait(1.0)
        story.aggregate.now -= 3600.0

        assert self.told(self.join(story, 51)) == [(1, 52)]


def test_as_many_alerts_are_told_as_an_event_carries_each_cut_to_what_it_may_say(story: Story) -> None:
    story.open()
    labels = {f"label-{n}-{'l' * 120}": "v" * 300 for n in range(60)}
    joining = [
        {
            "message_id": f"r{n}",
            "alert": alert(f"a{n}", labels=labels).model_dump(mode="json"),
            "reason": "same_service: shop",
        }
        for n in range(10)
    ]

    [event] = story.tell("attach", {"alerts": joining}).events

    told = [one["alert"]["labels"] for one in event.body["alerts"]]
    assert [one["message_id"] for one in event.body["alerts"]] == ["r0", "r1", "r2"]
    assert {len(one) for one in told} == {40}
    assert {(len(name), len(value)) for one in told for name, value in one.items()} == {(100, 200)}
    assert event.body["total"] == 11
