"""What asking a model may cost, in the ledger: never more than the limit, whoever asks and whatever crashes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from services.diagnoser import app as diagnoser
from services.diagnoser.adapters.budget import StoredBudget
from services.diagnoser.domain.model_use import Use
from services.diagnoser.settings import Settings
from shared.store.factory import open_store
from shared.store.port import Store

ONE = Use(turns=6, tool_calls=12, input_tokens=40_000, output_tokens=6_000, cost_usd=0.25, seconds=45.0)
USED = Use(turns=2, tool_calls=3, input_tokens=9_000, output_tokens=500, cost_usd=0.02, seconds=4.5)
DAY = Use(turns=100, tool_calls=100, input_tokens=10_000_000, output_tokens=100_000, cost_usd=1.0, seconds=9_000.0)
INCIDENT = Use(turns=12, tool_calls=24, input_tokens=80_000, output_tokens=12_000, cost_usd=0.5, seconds=90.0)


@pytest.fixture
async def stores(location: str) -> AsyncIterator[list[Store]]:
    """The diagnoser's store; on PostgreSQL as two diagnosers see it."""
    count = 2 if location.startswith("postgres") else 1
    made = [
        open_store(location, service="diagnoser", kinds=diagnoser.kinds(Settings()), tables=diagnoser.tables())
        for _ in range(count)
    ]
    for store in made:
        await store.open()
    yield made
    for store in made:
        await store.close()


@pytest.fixture
def budget(stores: list[Store]) -> StoredBudget:
    return StoredBudget(stores[0], day=DAY, incident=INCIDENT)


async def test_what_was_not_used_is_given_back(budget: StoredBudget) -> None:
    reserved = await budget.reserve("INC-A", ONE)
    before = await budget.account()

    await budget.settle(reserved, USED, saved=Use())

    after = await budget.account()
    assert before["day"]["used"] == ONE.model_dump()
    assert after["day"]["used"] == pytest.approx(USED.model_dump())
    assert after["day"]["left"]["cost_usd"] == pytest.approx(0.98)
    assert [(row["id"], row["used"]["turns"]) for row in after["incidents"]] == [("INC-A", 2)]


async def test_what_was_saved_is_counted_apart_and_limits_nothing(budget: StoredBudget) -> None:
    saved = Use(turns=90, input_tokens=9_000_000, cost_usd=0.9)
    for name in ("INC-A", "INC-B"):
        await budget.settle(await budget.reserve(name, ONE), Use(), saved=saved)

    account = await budget.account()
    assert account["saved"] == pytest.approx(saved.plus(saved).model_dump())
    assert account["day"]["used"] == pytest.approx(Use().model_dump())
    assert {row["id"] for row in account["incidents"]} == {"INC-A", "INC-B"}


async def test_what_is_never_settled_counts_and_survives_a_restart(budget: StoredBudget, stores: list[Store]) -> None:
    await budget.reserve("INC-A", ONE)

    again = StoredBudget(stores[-1], day=DAY, incident=INCIDENT)

    assert (await again.account())["day"]["used"] == ONE.model_dump()


async def test_an_incident_has_a_limit_of_its_own_and_costs_the_day_nothing_when_refused(budget: StoredBudget) -> None:
    found = [(await budget.reserve("INC-A", ONE)).refused for _ in range(3)]

    assert found == ["", "", "incident"]
    assert (await budget.reserve("INC-B", ONE)).refused == ""
    assert (await budget.account())["day"]["used"]["turns"] == 3 * ONE.turns


async def test_many_that_ask_at_once_get_together_no_more_than_the_day_has(stores: list[Store]) -> None:
    budgets = [StoredBudget(store, day=DAY, incident=INCIDENT) for store in stores]

    found = await asyncio.gather(*(budgets[n % len(budgets)].reserve(f"INC-{n}", ONE) for n in range(20)))

    assert sorted(one.refused for one in found) == [""] * 4 + ["day"] * 16
    used = (await budgets[0].account())["day"]["used"]
    assert not Use.model_validate(used).beyond(DAY)


async def test_each_kind_of_use_has_its_limit(stores: list[Store]) -> None:
    for name in Use.model_fields:
        little = DAY.model_copy(update={name: 0})
        budget = StoredBudget(stores[0], day=little, incident=INCIDENT)
        assert (await budget.reserve("INC-A", ONE)).refused == "day", name
