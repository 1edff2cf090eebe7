"""From an alert to a recommendation: evidence of the simulated world, judged in a child process."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.diagnoser.adapters.engine_process import EngineProcess
from shared.incident.alert import Alert
from tests.contract.diagnoser.conftest import TOKEN, Running, alert
from tests.support.kinds import eventually
from tests.support.world import lines

HOST, SERVICE = "prod-web-03", "storefront"


def cpu(at: datetime, **more: Any) -> Alert:  # noqa: ANN401 -- fields of an alert
    return alert("cpu.percent", at, services=(SERVICE,), host=HOST, **more)


async def test_an_alert_becomes_an_incident_with_evidence_a_diagnosis_and_a_recommendation(running: Running) -> None:
    given = await running.deliver(cpu(running.outside.now()))

    made = await running.said("recommendation.made")

    incident = (await running.decided(given))["incident_id"]
    assert running.types(incident) == [
        "incident.opened",
        "investigation.started",
        "evidence.gathered",
        "incident.classified",
        "diagnosis.concluded",
        "recommendation.made",
    ]
    [item] = made["recommendations"]["items"]
    assert (item["runbook_id"], item["parameters"]) == ("restart-leaking-service", {"host": HOST})
    assert len(item["runbook_sha256"]) == 64


async def test_the_snapshot_is_bounded_and_names_every_collector(running: Running) -> None:
    await running.deliver(cpu(running.outside.now()))

    gathered = await running.said("evidence.gathered")

    assert {one["collector"]: one["outcome"] for one in gathered["collectors"]} == {
        "data time": "ok",
        "topology": "ok",
        "metrics": "ok",
        "logs": "ok",
        "monitors": "empty",
        "changes": "ok",
        "hosts": "ok",
        "processes": "ok",
        "on-call": "ok",
        "knowledge": "ok",
        "history": "empty",
    }
    assert 0 < len(gathered["series"]) <= 20
    metrics = httpx.AsyncClient(transport=httpx.ASGITransport(running.service.asgi), base_url="http://diagnoser")
    assert 'collector="metrics",outcome="ok"' in (await metrics.get("/metrics")).text
    await metrics.aclose()
    assert gathered["series"][0]["id"] == gathered["evidence"][0]["series_id"]
    assert all(len(series["values"]) <= 200 for series in gathered["series"])
    assert gathered["logs"]


async def test_everything_an_investigation_saw_can_be_read(running: Running) -> None:
    given = await running.deliver(cpu(running.outside.now()))
    gathered = await running.said("evidence.gathered")
    incident = (await running.decided(given))["incident_id"]

    assert await running.get(f"/incidents/{incident}/investigations") == [gathered["investigation_id"]]
    found = await running.get(f"/evidence/{gathered['investigation_id']}")

    assert found["incident_id"] == incident
    case = found["case"]
    [memory] = [m for m in case["metrics"] if (m["entity"], m["name"]) == (HOST, "memory.used_percent")]
    assert len(memory["baseline"]) > 5 * len(memory["window"])
    assert {change["id"] for change in case["changes"]} == {"deploy-4471", "deploy-4402"}
    assert {host["id"] for host in case["raw"]["hosts"]} >= {HOST}
    assert {state["name"] for state in case["raw"]["state"]} >= {SERVICE}
    assert case["raw"]["on_call"][0]["primary"] == "sample-responder"
    assert found["conclusion"]["result"]["status"] == "diagnosed"
    await running.get("/evidence/INC-NOBODYKNOW-i1", status=404)


async def test_what_is_written_about_it_is_evidence_that_can_be_cited_and_carries_no_cause(running: Running) -> None:
    await running.deliver(cpu(running.outside.now()))

    gathered = await running.said("evidence.gathered")
    concluded = await running.said("diagnosis.concluded")

    found = {item["query"]: item for item in gathered["evidence"] if item["kind"] == "article"}
    assert set(found) == {"handbook/storefront.md", "post-mortems/storefront-memory.md"}
    assert {item["trust"] for item in found.values()} == {"user_text"}
    ids = {item["id"] for item in found.values()}
    assert not ids & {cite for cause in concluded["result"]["causes"] for cite in cause["cites"]}


class TestWithAHandbook:
    @pytest.fixture
    def changes(self, tmp_path: Path) -> dict[str, Any]:
        (tmp_path / "cpu.md").write_text(f"# {SERVICE}\n\nHigh cpu.percent on {HOST}: password=hunter2-hunter2\n")
        return {"knowledge": tmp_path}

    async def test_a_live_incident_is_looked_up_in_the_folder_that_is_named_and_no_secret_comes_along(
        self, running: Running
    ) -> None:
        await running.deliver(cpu(running.outside.now()), environment="live")

        gathered = await running.said("evidence.gathered")

        [found] = [item for item in gathered["evidence"] if item["kind"] == "article"]
        assert found["query"] == "cpu.md"
        assert "hunter2" not in str(gathered)
        said = await running.said("diagnosis.inconclusive")
        assert {"metrics", "logs", "changes"} <= set(said["result"]["missing"]), "what is written proves nothing"


async def test_a_collector_that_fails_leaves_a_gap_that_can_be_cited_and_holds_no_secret(running: Running) -> None:
    running.outside.away.add("changes")
    await running.deliver(cpu(running.outside.now()))

    gathered = await running.said("evidence.gathered")

    [outcome] = [one for one in gathered["collectors"] if one["collector"] == "changes"]
    assert outcome["outcome"] == "failed"
    assert "500" in outcome["detail"]
    assert "hunter2" not in str(gathered)
    [gap] = [item for item in gathered["evidence"] if item["kind"] == "gap"]
    assert gap["id"] == "gap-changes"
    concluded = await running.said("diagnosis.concluded")
    assert concluded["result"]["missing"] == ["changes"]


async def test_where_nothing_is_connected_each_collector_has_a_gap_that_says_so(running: Running) -> None:
    given = await running.deliver(cpu(running.outside.now()), environment="live")

    gathered = await running.said("evidence.gathered")

    fared = {one["collector"]: (one["outcome"], one["detail"]) for one in gathered["collectors"]}
    assert fared.pop("history")[0] == "empty"
    assert {outcome for outcome, _ in fared.values()} == {"gap"}
    assert fared["on-call"][1] == "no AlertingProvider is connected for environment 'live'"
    assert {item["id"] for item in gathered["evidence"]} == {f"gap-{collector}" for collector in fared}
    incident = (await running.decided(given))["incident_id"]
    [kept] = await running.get(f"/incidents/{incident}/investigations")
    assert len((await running.get(f"/evidence/{kept}"))["collectors"]) == len(fared)


@pytest.mark.slow
class TestImpatient:
    @pytest.fixture
    def changes(self) -> dict[str, Any]:
        return {"collect_seconds": 4.0}

    async def test_a_collector_that_is_late_leaves_a_gap_and_the_others_count(self, running: Running) -> None:
        running.outside.slow.add("logs")
        await running.deliver(cpu(running.outside.now()))

        gathered = await running.said("evidence.gathered")

        outcomes = {one["collector"]: one["outcome"] for one in gathered["collectors"]}
        assert outcomes["logs"] == "timeout"
        assert outcomes["metrics"] == "ok"
        assert "gap-logs" in {item["id"] for item in gathered["evidence"]}


async def test_without_metrics_there_is_no_diagnosis(running: Running) -> None:
    running.outside.away.add("series")
    await running.deliver(cpu(running.outside.now()))

    concluded = await running.said("diagnosis.inconclusive")

    assert "metrics" in concluded["result"]["missing"]
    assert "recommendation.made" not in running.types()


async def test_where_nothing_is_connected_everything_is_a_gap_and_no_engine_starts(running: Running) -> None:
    await running.deliver(cpu(running.outside.now()), environment="live")

    concluded = await running.said("diagnosis.inconclusive")

    gathered = await running.said("evidence.gathered")
    assert {one["outcome"] for one in gathered["collectors"] if one["collector"] != "history"} == {"gap"}
    assert "no MonitoringProvider is connected" in str(gathered["collectors"])
    known = {item["id"] for item in gathered["evidence"]}
    assert set(concluded["result"]["findings"][0]["cites"]) == known
    assert {"metrics", "logs", "changes", "topology"} <= set(concluded["result"]["missing"])
    assert running.engine.pid is None


async def test_an_engine_that_keeps_ending_leaves_an_inconclusive_result_that_says_so(
    running: Running, tmp_path: Path
) -> None:
    (tmp_path / "die").touch()
    await running.deliver(cpu(running.outside.now()))

    concluded = await running.said("diagnosis.inconclusive")

    assert concluded["result"]["degraded"].startswith("no_answer: the engine ended 2 times")
    assert (await running.said("evidence.gathered"))["series"]


async def test_an_engine_killed_in_the_middle_of_a_case_is_started_again_and_answers(
    running: Running, tmp_path: Path
) -> None:
    (tmp_path / "hold").touch()
    await running.deliver(cpu(running.outside.now()))

    async def took() -> list[str]:
        return lines(tmp_path / "taken")

    await eventually(took)
    assert running.engine.pid is not None
    os.kill(running.engine.pid, signal.SIGKILL)
    (tmp_path / "hold").unlink()

    assert (await running.said("diagnosis.concluded"))["result"]["degraded"] is None
    assert len(set(lines(tmp_path / "taken")[::2])) == 2


async def test_a_secret_that_a_failure_repeats_reaches_no_event(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError(f"sent {TOKEN} to nobody")

    monkeypatch.setattr(running.engine, "diagnose", broken)
    await running.deliver(cpu(running.outside.now()))

    result = (await running.said("diagnosis.inconclusive"))["result"]
    assert result["degraded"] == "bug: sent [redacted] to nobody"


async def test_secrets_in_logs_reach_neither_event_nor_archive(running: Running) -> None:
    said = "Authorization: Bearer abcdefghijklmnop and password=hunter2-hunter2 of token-of-the-world"
    title = f"storefront is slow, {said}"
    given = await running.deliver(alert("slow", running.outside.now(), title=title, services=(SERVICE,), host=HOST))
    gathered = await running.said("evidence.gathered")
    await running.decided(given)

    found = await running.get(f"/evidence/{gathered['investigation_id']}")

    assert "storefront is slow" in str(found["case"]["alerts"])
    for secret in ("abcdefghijklmnop", "hunter2", "token-of-the-world"):
        assert secret not in str(found)
        assert secret not in str(gathered)


class TestWithTheEngineOfTheProduct:
    @pytest.fixture
    async def engine(self) -> AsyncIterator[EngineProcess]:
        engine = EngineProcess(case_seconds=30.0)
        yield engine
        await engine.stop()

    async def test_the_leak_is_found_and_every_citation_is_in_the_snapshot(self, running: Running) -> None:
        await running.deliver(cpu(running.outside.now()))

        result = (await running.said("diagnosis.concluded"))["result"]

        assert (result["causes"][0]["entity"], result["category"]) == (HOST, "resource_leak")
        gathered = await running.said("evidence.gathered")
        known = {item["id"] for item in gathered["evidence"]}
        cited = {name for item in (*result["causes"], *result["findings"]) for name in item["cites"]}
        assert cited <= known
        made = await running.said("recommendation.made")
        assert made["recommendations"]["items"][0]["parameters"] == {"host": HOST}
