"""The diagnosis comes from evidence: take evidence away and it changes, change names and it does not."""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from cli.diagnosis import conclude_case, diagnose_case
from cli.main import main
from services.diagnoser.domain.finding_out import Conclusion
from services.diagnoser.domain.recommending import recommend
from shared.runbooks.load import load_runbooks
from simulation.case import case_of
from simulation.scenario import Scenario, load_scenario
from tests.support.cases import case, deploy, lines, ramp, step

PROJECT = Path(__file__).parents[2]
LEAK = "resource_leak.memory_after_deploy"
MEMORY = re.compile(r"mem|rss|heap")


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return load_scenario(PROJECT / "fixtures", "high_cpu")


@pytest.fixture(scope="module")
def seen(scenario: Scenario) -> dict[str, Any]:
    return dict(case_of(scenario))


def host_and_change(scenario: Scenario) -> tuple[str, str]:
    change = max(scenario.changes, key=lambda one: one.minute)
    return change.hosts[0], change.id


def test_a_leak_after_a_deploy_is_found_on_the_right_host(scenario: Scenario, seen: dict[str, Any]) -> None:
    host, _ = host_and_change(scenario)
    result = diagnose_case(seen)
    assert (result.status, result.causes[0].cause, result.causes[0].entity) == ("diagnosed", LEAK, host)
    assert result.confidence >= 0.6
    assert result.category == "resource_leak"


def test_without_the_memory_series_nothing_is_concluded_and_it_says_what_to_look_at(
    scenario: Scenario, seen: dict[str, Any]
) -> None:
    host, _ = host_and_change(scenario)
    result = diagnose_case(seen | {"metrics": [m for m in seen["metrics"] if not MEMORY.search(m["name"])]})
    assert result.status == "inconclusive"
    assert f"memory of {host}" in result.missing
    assert any("memory" in check and host in check for check in result.next_checks)


def test_without_the_deploy_it_is_a_leak_of_unknown_origin(scenario: Scenario, seen: dict[str, Any]) -> None:
    host, change = host_and_change(scenario)
    result = diagnose_case(seen | {"changes": [c for c in seen["changes"] if c["id"] != change]})
    assert (result.status, result.causes[0].cause, result.causes[0].entity) == (
        "diagnosed",
        "resource_leak.memory",
        host,
    )


def every(metrics: list[dict[str, Any]], change: Callable[[list[Any]], list[Any]], step: float) -> list[dict[str, Any]]:
    spans = ("baseline", "window")
    return [{**m, **{span: change(m[span]) for span in spans}, "step_s": m["step_s"] * step} for m in metrics]


def holed(values: list[Any]) -> list[Any]:
    return [None if index % 9 == 4 else value for index, value in enumerate(values)]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda _: {"logs": [], "logs_baseline": []}, id="no logs"),
        pytest.param(lambda _: {"topology": {}}, id="no topology"),
        pytest.param(lambda _: {"alerts": []}, id="no alerts"),
        pytest.param(lambda seen: {"metrics": every(seen["metrics"], lambda v: v[::2], 2)}, id="half the resolution"),
        pytest.param(lambda seen: {"metrics": every(seen["metrics"], lambda v: v[::10], 10)}, id="every five minutes"),
        pytest.param(lambda seen: {"metrics": every(seen["metrics"], holed, 1)}, id="every ninth point missing"),
        pytest.param(
            lambda seen: {"metrics": [{**m, "baseline": m["baseline"][-120:]} for m in seen["metrics"]]},
            id="one hour of background",
        ),
    ],
)
def test_the_same_is_found_when_less_is_known(
    scenario: Scenario, seen: dict[str, Any], change: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    host, _ = host_and_change(scenario)
    [first, *_] = diagnose_case(seen | change(seen)).causes
    assert (first.cause, first.entity) == (LEAK, host)
    assert first.confidence >= 0.6


def test_a_thin_history_allows_less_confidence(seen: dict[str, Any]) -> None:
    thin = [{**m, "baseline": m["baseline"][-60:]} for m in seen["metrics"]]
    assert diagnose_case(seen | {"metrics": thin}).confidence <= 0.75


def test_changes_that_nobody_looked_for_are_missing_and_not_absent(seen: dict[str, Any]) -> None:
    result = diagnose_case({name: value for name, value in seen.items() if name != "changes"})
    assert result.causes[0].cause == "resource_leak.memory"
    assert LEAK in {cause.cause for cause in result.causes}
    assert "changes before it began" in result.missing


def test_a_deploy_to_another_host_is_not_blamed(scenario: Scenario, seen: dict[str, Any]) -> None:
    _, change = host_and_change(scenario)
    elsewhere = [c | {"details": c["details"] | {"hosts": [scenario.hosts[0].name]}} for c in seen["changes"]]
    assert [c["id"] for c in elsewhere if c["id"] == change]
    assert diagnose_case(seen | {"changes": elsewhere}).causes[0].cause == "resource_leak.memory"


def test_renaming_all_hosts_and_services_changes_nothing_but_the_names(
    scenario: Scenario, seen: dict[str, Any]
) -> None:
    names = sorted([h.name for h in scenario.hosts] + [s.name for s in scenario.services], key=len, reverse=True)
    strange = ["zeta", "prometheus", "q", "alpha-1", "Mercury", "node_7", "b.example", "kiwi", "disk", "x-2"]
    assert len(names) <= len(strange)
    renamed = dict(zip(names, strange, strict=False))
    forth = re.compile(r"(?<![\w-])(?:" + "|".join(map(re.escape, names)) + r")(?![\w-])")

    def rename(text: str) -> str:
        return forth.sub(lambda found: renamed[found[0]], text)

    other = orjson.loads(rename(orjson.dumps(seen).decode()))
    assert facts(conclude_case(other)) == facts(conclude_case(seen), rename)


def facts(conclusion: Conclusion, rename: Callable[[str], str] = str) -> dict[str, Any]:
    """Everything but digests, with names changed; sentences have a limited length, so only their beginnings."""
    body = conclusion.model_dump(mode="json")
    body["result"].pop("evidence_sha256")
    for item in body["evidence"]:
        item["summary"] = rename(item["summary"])[:60]
    return dict(orjson.loads(rename(orjson.dumps(body).decode())))


def test_a_healthy_window_has_no_active_fault(scenario: Scenario) -> None:
    calm = [pressure.model_copy(update={"per_minute": 0.0}) for pressure in scenario.pressures]
    quiet = case_of(scenario.model_copy(update={"pressures": tuple(calm), "monitors": ()}))
    result = diagnose_case(quiet)
    assert (result.status, result.causes) == ("no_active_fault", ())


def test_a_healthy_window_stays_healthy_whatever_was_deployed_and_whoever_rings() -> None:
    ringing = [{"id": "a", "entity": "shop", "at": 1_800_000_000.0, "title": "memory leak! disk full!"}]
    result = diagnose_case(case(changes=[deploy(-20, hosts=["web-a"])], alerts=ringing))
    assert result.status == "no_active_fault"
    assert result.findings


def test_what_has_recovered_is_no_active_fault() -> None:
    def earlier(at: float) -> float:
        return 65.0 if -28 <= at < -14 else 0.0

    result = diagnose_case(case({"web-a/cpu_pct": earlier}))
    assert result.status == "no_active_fault"
    assert any("outside earlier" in finding.statement for finding in result.findings)


@pytest.mark.slow
def test_two_runs_give_the_same_bytes_in_processes_with_other_hash_seeds(seen: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "case.json"
    path.write_bytes(orjson.dumps(seen))
    runs = {
        subprocess.run(
            [sys.executable, "-m", "cli.main", "diagnose", str(path), "-o", "json"],
            cwd=PROJECT,
            env={"PYTHONHASHSEED": seed, "PATH": ""},
            capture_output=True,
            check=True,
            timeout=60,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(runs) == 1


BUSY = {"shop/requests_per_s": step(500.0, -20), "web-a/cpu_pct": step(65.0, -19), "web-b/cpu_pct": step(66.0, -19)}
SLOW = {"shop/latency_p95": step(900.0, -18)}
FULL = {"store-db/disk_used_pct": ramp(39.0, -200)}
BROKEN = {"shop/error_pct": step(20.0, -14), "shop/latency_p95": step(300.0, -14)}


@pytest.mark.parametrize(
    "one, cause, entities",
    [
        pytest.param(case({**BUSY, **SLOW}), "saturation.cpu_by_traffic", {"shop"}, id="traffic takes the CPU"),
        pytest.param(
            case(
                {"web-a/disk_used_pct": ramp(39.5, -200), "shop/error_pct": step(6.0, -5)},
                logs=lines("web-a", "write to segment {n} failed: No space left on device", 30, level="error"),
            ),
            "saturation.disk_full",
            {"web-a"},
            id="a disk fills up",
        ),
        pytest.param(
            case({"web-a/disk_used_pct": ramp(37.0, -300), "shop/error_pct": step(6.0, -5)}),
            "saturation.disk_full",
            {"web-a"},
            id="a disk that has been filling up for longer than its background",
        ),
        pytest.param(
            case({**BUSY, **SLOW}, changes=[deploy(-25)]),
            "saturation.cpu_by_traffic",
            {"shop"},
            id="traffic takes the CPU and a deploy came shortly before",
        ),
        pytest.param(
            case(
                BROKEN,
                changes=[deploy(-16)],
                logs=lines("shop", "NullPointerException at Cart.total({n})", 80, level="error", minutes=14),
            ),
            "deployment.bad_deploy",
            {"shop"},
            id="a release fails at once",
        ),
        pytest.param(
            case({"web-a/mem.used_pct": ramp(40.0, -90), "web-a/cpu_pct": ramp(30.0, -40)}),
            "resource_leak.memory",
            {"web-a"},
            id="memory grows and nothing was changed",
        ),
    ],
)
def test_each_cause_is_told_from_the_others(one: Mapping[str, Any], cause: str, entities: set[str]) -> None:
    result = diagnose_case(one)
    assert (result.status, result.causes[0].cause) == ("diagnosed", cause)
    assert result.causes[0].entity in entities
    assert result.confidence >= 0.6


@pytest.mark.parametrize(
    "one, status",
    [
        pytest.param(case(BROKEN), "inconclusive", id="errors and nothing that explains them"),
        pytest.param(case(BROKEN, changes=[deploy(-5)]), "inconclusive", id="a deploy that came after the errors"),
        pytest.param(
            case({**BUSY, **SLOW}, without=["requests_per_s"]), "inconclusive", id="CPU but no traffic measured"
        ),
        pytest.param({}, "inconclusive", id="nothing at all"),
    ],
)
def test_where_evidence_does_not_suffice_nothing_is_concluded(one: Mapping[str, Any], status: str) -> None:
    result = diagnose_case(one)
    assert result.status == status
    assert result.missing or result.next_checks


def test_memory_that_jumped_and_stays_is_no_leak_and_nothing_restarts_for_it() -> None:
    result = diagnose_case(case({"web-a/mem.used_pct": step(25.0, -40), "shop/latency_p95": step(300.0, -30)}))
    assert [(cause.cause, cause.entity) for cause in result.causes[:1]] == [("saturation.memory", "web-a")]
    assert recommend(result, load_runbooks(PROJECT / "runbooks").values(), {}, ["shop"]).items == ()


def test_log_text_alone_convinces_nobody() -> None:
    told = lines("shop", "root cause: the disk of web-a is full, restart web-b ({n})", 50, level="error")
    result = diagnose_case(case(logs=told))
    assert result.status == "inconclusive"
    assert result.confidence <= 0.3
    assert all(cause.cause == "unknown" for cause in result.causes)


def test_a_service_that_deploys_all_day_is_blamed_with_less_confidence_than_one_that_does_not() -> None:
    alone = diagnose_case(case(BROKEN, changes=[deploy(-16)]))
    crowd = diagnose_case(case(BROKEN, changes=[deploy(-16 - 12 * number) for number in range(30)]))
    assert crowd.confidence < alone.confidence


def every_citation(conclusion: Conclusion) -> Iterable[str]:
    result = conclusion.result
    for cited in (*(c.cites for c in result.causes), *(f.cites for f in (*result.findings, *result.ruled_out))):
        yield from cited


@pytest.mark.parametrize("one", [case(BROKEN), case({**BUSY, **SLOW}), case(FULL), case(), {}])
def test_every_citation_exists(one: Mapping[str, Any]) -> None:
    conclusion = conclude_case(one)
    ids = [item.id for item in conclusion.evidence]
    assert set(every_citation(conclusion)) <= set(ids)
    assert len(ids) == len(set(ids))


Signoff = Callable[..., tuple[int, str, str]]


@pytest.fixture
def signoff(capsys: pytest.CaptureFixture[str]) -> Signoff:
    """Run the command and return its exit code and what it wrote to both streams."""

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as done:
            main(["diagnose", *arguments])
        return (int(done.value.code or 0), *capsys.readouterr())

    return run


def test_the_command_reads_a_scenario_and_tells_it_to_people(signoff: Signoff) -> None:
    code, said, problems = signoff("high_cpu")
    assert (code, problems) == (0, "")
    for words in (LEAK, "confidence", "Findings", "Ruled out", "Next checks", "[C"):
        assert words in said


def test_the_command_reads_packed_files_and_exits_0_for_inconclusive_too(signoff: Signoff, tmp_path: Path) -> None:
    path = tmp_path / "case.json.gz"
    path.write_bytes(gzip.compress(orjson.dumps(case(BROKEN))))
    code, said, _ = signoff(str(path), "-o", "json")
    result = orjson.loads(said)
    assert (code, result["status"]) == (0, "inconclusive")
    assert {c for f in result["findings"] for c in f["cites"]} <= {e["id"] for e in result["evidence"]}


@pytest.mark.parametrize(
    "content, text",
    [
        pytest.param(b'{"alerts": [', "not readable as JSON", id="broken JSON"),
        pytest.param(b"[]", "a JSON object is needed, this is list", id="another JSON value"),
        pytest.param(b"\x1f\x8bxx", "not readable as gzip", id="a broken archive"),
    ],
)
def test_a_file_that_holds_no_case_is_refused(signoff: Signoff, tmp_path: Path, content: bytes, text: str) -> None:
    path = tmp_path / "case.json"
    path.write_bytes(content)
    code, said, problem = signoff(str(path))
    assert (code, said) == (1, "")
    assert text in problem


def test_an_unknown_name_is_not_found_and_near_ones_are_shown(signoff: Signoff) -> None:
    code, said, problem = signoff("hihg_cpu")
    assert (code, said) == (3, "")
    assert problem == "error: no scenario and no file 'hihg_cpu'; did you mean 'high_cpu'?\n"
