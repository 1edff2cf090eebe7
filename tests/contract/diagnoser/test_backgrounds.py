"""What was normal, kept on both databases, and what an investigation makes of it that could fetch no history."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import update

from cli.diagnosis import rerunner
from cli.rerunning import as_it_was, is_same, rerun
from services.diagnoser.adapters.backgrounds import StoredBackgrounds
from services.diagnoser.adapters.engine_process import EngineProcess
from services.diagnoser.adapters.retention import DAY, Retention
from services.diagnoser.adapters.tables import BACKGROUND
from services.diagnoser.domain.sketches import Sketch
from tests.contract.diagnoser.conftest import Running, alert

HOST, SERVICE = "prod-web-03", "storefront"
CONCLUSIONS = {"diagnosis.concluded", "diagnosis.inconclusive", "diagnosis.no_active_fault"}
THIN_MOST = 0.75


def sketch(seen: float, windows: int = 10) -> dict[str, Sketch]:
    return {"m": Sketch(unit="ms", windows=windows, quantiles=(1.0, 2.0), seen=seen)}


async def test_what_is_kept_is_found_again_in_its_environment_only(running: Running) -> None:
    backgrounds = StoredBackgrounds(running.store)
    await backgrounds.keep("live", {"web": sketch(5.0), "db": sketch(6.0)})
    await backgrounds.keep("live", {})

    assert await backgrounds.find("live", ["web", "web", "nobody"]) == {"web": sketch(5.0)}
    assert await backgrounds.seen("live", ["web", "db", "nobody"]) == {"web": 5.0, "db": 6.0}
    assert await backgrounds.find("sim:x", ["web"]) == {}
    assert await backgrounds.find("live", []) == {}


async def test_who_has_looked_further_wins_whoever_comes_last(running: Running) -> None:
    backgrounds = StoredBackgrounds(running.store)
    await backgrounds.keep("live", {"web": sketch(9.0, windows=20)})
    await backgrounds.keep("live", {"web": sketch(5.0), "db": sketch(5.0)})

    found = await backgrounds.find("live", ["web", "db"])

    assert (found["web"]["m"].windows, found["db"]["m"].windows) == (20, 10)


async def test_what_nobody_has_looked_at_for_35_days_goes(running: Running) -> None:
    backgrounds = StoredBackgrounds(running.store)
    await backgrounds.keep("live", {"web": sketch(5.0), "db": sketch(5.0)})
    now = await running.store.now()
    await running.store.execute(update(BACKGROUND).where(BACKGROUND.c.entity == "db").values(at=now - 35 * DAY - 1))

    assert await Retention(running.store).step() == 1

    assert list(await backgrounds.find("live", ["web", "db"])) == ["web"]


@pytest.mark.slow
class TestWithoutHistory:
    @pytest.fixture
    def changes(self) -> dict[str, Any]:
        return {"investigate_every": 0.1}

    @pytest.fixture
    async def engine(self) -> AsyncIterator[EngineProcess]:
        engine = EngineProcess(case_seconds=30.0)
        yield engine
        await engine.stop()

    async def test_what_was_normal_before_stands_in_and_the_same_case_gives_the_same_bytes(
        self, running: Running
    ) -> None:
        first = await self.looked(running, 1)
        running.outside.forgetful = True

        second = await self.looked(running, 2)

        assert second["cause"] == first["cause"]
        assert second["confidence"] > THIN_MOST
        assert any("windows kept from earlier" in said for said in second["confidence_from"])
        assert "history of metrics" in second["missing"]
        kept = await running.get(f"/evidence/{second['investigation']}")
        assert {one["baseline"] == [] and one["background"]["windows"] == 72 for one in kept["case"]["metrics"]} == {
            True
        }
        assert is_same(as_it_was(kept), rerun(kept, *rerunner()))

    async def test_where_nothing_is_known_from_before_there_is_a_gap_and_no_such_certainty(
        self, running: Running
    ) -> None:
        running.outside.forgetful = True

        found = await self.looked(running, 1)

        assert found["confidence"] < THIN_MOST
        assert "history of metrics" in found["missing"]
        gathered = await running.said("evidence.gathered")
        outcomes = {one["collector"]: one for one in gathered["collectors"]}
        assert outcomes["metrics"]["outcome"] == "ok"
        assert outcomes["history of metrics"]["outcome"] == "gap"
        assert "500" in outcomes["history of metrics"]["detail"]

    async def looked(self, running: Running, count: int) -> dict[str, Any]:
        """Have the incident investigated and return what came of it."""
        if count == 1:
            await running.deliver(alert("memory.used", running.outside.now(), services=(SERVICE,), host=HOST))
        else:
            incident = running.events()[0][0].subject
            await running.ask("investigate", incident)
        await running.said("evidence.gathered", count)
        [body] = [b for e, b in running.events() if e.type in CONCLUSIONS][count - 1 :]
        result = body["result"]
        cause = result["causes"][0]["cause"] if result["causes"] else ""
        return {**result, "cause": cause, "investigation": body["investigation_id"]}
