"""`signoff eval ...`: how good the diagnosis is, on anybody's cases. Needs no server."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from cli.commands.incidents import Output
from cli.diagnosis import EngineName, concluder

if TYPE_CHECKING:
    from services.diagnoser.engines.evaluation.predictions import Expected, Prediction
    from services.diagnoser.engines.evaluation.scoring import Score

Flag = Annotated[bool, Parameter(negative=())]
Transform = Literal["", "all", "shift", "halve", "holes", "decoy", "inject", "noise", "drop", "rename"]
COLUMNS = ("of", "cases", "ac_1", "ac_1_low", "ac_1_high", "ac_3", "avg_5", "mrr", "brier", "ece", "abstained")
MORE = ("of", "sure", "sure_right", "healthy", "false_alarms", "p50_ms", "p95_ms", "cost_usd")


def predict(*, cases: Path, out: Path, engine: EngineName = "offline", causes: Path | None = None) -> None:
    """Diagnose every case of a folder and write what was said.

    Parameters
    ----------
    cases
        A folder with `rca-case/1` files, `*.json` or `*.json.gz`.
    out
        Where to write: one JSON object, case id to prediction.
    engine
        Which engine answers.
    causes
        The folder of a catalogue of yours, instead of the shipped one.
    """
    import orjson

    from cli.case_files import read_folder
    from cli.output import say
    from services.diagnoser.engines.evaluation.predictions import prediction_of

    conclude = concluder(engine, causes)
    said: dict[str, Any] = {}
    for name, case in read_folder(cases):
        started = perf_counter()
        conclusion, cost = conclude(case)
        took = (perf_counter() - started) * 1000.0
        predicted = prediction_of(conclusion, latency_ms=took)
        said[name] = predicted.model_copy(update={"cost_usd": cost}).model_dump(mode="json")
    out.write_bytes(orjson.dumps(said, option=orjson.OPT_INDENT_2) + b"\n")
    say(f"{len(said)} cases diagnosed by the {engine} engine; written to {out}")


def score(
    predictions: Path,
    *,
    cases: Path,
    expected: Path,
    cause: Flag = False,
    labels: Path | None = None,
    output: Output = "table",
) -> None:
    """Score predictions against what was true, beside what trivial guessing reaches.

    Parameters
    ----------
    predictions
        What `signoff eval predict` wrote.
    cases
        The folder of the cases, for the trivial guesses.
    expected
        The folder with one JSON object a case: `case_id`, `root_entities`, `cause`, ...
    cause
        Right means entity and cause, not the entity alone.
    labels
        A YAML file: cause of the catalogue, or `no_active_fault`, to the names that this set of cases gives it.
    """
    from dataclasses import asdict

    from cli.case_files import read_folder
    from cli.output import show, write, write_one
    from services.diagnoser.domain.case import read_case
    from services.diagnoser.engines.evaluation.baselines import baselines
    from services.diagnoser.engines.evaluation.scoring import as_table, rows_of, scores

    truths = read_expected(expected)
    rows = rows_of(truths, read_predictions(predictions), by_cause=cause, labels=_labels(labels))
    found: Mapping[str, Score] = scores(rows)
    guessed = baselines({name: read_case(case) for name, case in read_folder(cases)}, truths, by_cause=cause)
    if output != "table":
        reached = {name: {"ac_1": one, "ac_3": three} for name, (one, three) in guessed.items()}
        write_one({"scores": {name: asdict(one) for name, one in found.items()}, "baselines": reached}, output)
        return
    table = as_table(found)
    show(table, COLUMNS, "table")
    write("")
    show(table, MORE, "table")
    write("", "Trivial guesses")
    show(
        [{"by": by, "ac_1": f"{a:.3f}", "ac_3": f"{b:.3f}"} for by, (a, b) in guessed.items()],
        ("by", "ac_1", "ac_3"),
        "table",
    )


def run(
    *,
    suite: Literal["shipped", "dev"],
    report: Path,
    variants: int = 3,
    transform: Transform = "",
    engine: EngineName = "offline",
    causes: Path | None = None,
) -> int:
    """Run a suite of ours and hold it against its gates. Exit code 1 when one is not kept.

    Parameters
    ----------
    suite
        `shipped` is the scenarios, `dev` made-up incidents of all families, each told plainly and poorly.
    report
        The folder for `report.json` and `report.html`; an earlier report there is compared with.
    variants
        How many times each made-up incident is told, with other names and other noise.
    transform
        Tell made-up incidents in another way, which should change no answer; `all` shows what each way costs.
    engine
        Who diagnoses. What another engine than `offline` says is shown beside what `offline` says.
    causes
        The folder of a catalogue of yours, instead of the shipped one.
    """
    from cli.case_files import read_object
    from cli.evaluating import parity, shipped_suite
    from cli.evaluating import report as report_of
    from cli.evaluating import run as run_suite
    from cli.output import counted, say, show
    from cli.report_page import write_report
    from services.diagnoser.engines.evaluation.gates import differences
    from simulation.suite.dev import dev_suite

    if transform == "all":
        return _transforms(report, variants)
    cases = list(shipped_suite() if suite == "shipped" else dev_suite(variants, transform))
    ran = run_suite(cases, engine, causes)
    found = report_of(suite, ran)
    if engine != "offline":
        found["parity"] = parity(run_suite(cases, causes=causes), ran)
        show(found["parity"], tuple(found["parity"][0]), "table")
    last = report / "report.json"
    before = read_object(last).get("cases", ()) if last.is_file() else ()
    changed = differences(before, found["cases"])
    write_report(report, found, changed)
    show(found["gates"], ("gate", "value", "bound", "passed"), "table")
    say(*changed, f"{counted(len(cases), 'case')}; see {report / 'report.html'}")
    return 0 if all(gate["passed"] for gate in found["gates"]) else 1


def _transforms(folder: Path, variants: int) -> int:
    """Show what each way of telling the incidents costs. Exit code 1 when one costs more than it may."""
    import orjson

    from cli.evaluating import costs
    from cli.evaluating import run as run_suite
    from cli.output import show
    from services.diagnoser.engines.evaluation.gates import TRANSFORM_COST
    from simulation.suite.dev import dev_suite
    from simulation.suite.transforms import NAMES

    plain = run_suite(dev_suite(variants, poor=False))
    found = costs(plain, {name: run_suite(dev_suite(variants, name)) for name in NAMES})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "transforms.json").write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2) + b"\n")
    show(found, ("transform", "ac_1", "cost", "changed"), "table")
    return 0 if all(row["cost"] <= TRANSFORM_COST for row in found) else 1


def fit(
    *,
    cases: Path | None = None,
    expected: Path | None = None,
    suite: Literal["", "dev"] = "",
    variants: int = 8,
    out: Path | None = None,
) -> None:
    """Fit how sure the engine may be to how often it was right, on cases that nothing is measured on.

    Parameters
    ----------
    cases
        A folder of cases to fit to.
    expected
        The folder with what was true of them; the folder of the cases when they say it themselves. Of those that name
        no cause the place counts alone. Cases of one `group` are never both fitted to and tested on.
    suite
        `dev` fits to made-up incidents with other names and noise than those that `eval run` measures; with a folder
        named as well, to both.
    variants
        How many times each made-up incident is told.
    out
        The file to write; the one that the engine reads unless given.
    """
    from cli.fitting import fit_to, labelled
    from cli.output import say
    from services.diagnoser.engines.offline.calibrator import FITTED
    from shared.errors import AuthoredError
    from simulation.suite.dev import fit_suite

    if cases is None and not suite:
        raise AuthoredError("name the cases to fit to: --cases DIR, --suite dev, or both")
    made = fit_suite(variants) if suite else ()
    real = labelled(cases, expected or cases) if cases else ()
    target = out or FITTED
    fitted = fit_to(chain(made, real), target)["fitted"]
    say(
        f"fitted to {fitted['cases']} answers about {fitted['groups']} incidents; on those left out:",
        f"accuracy {fitted['accuracy']:.3f}, Brier {fitted['brier']:.3f}, calibration error {fitted['ece']:.3f}",
        f"written to {target}",
    )


def read_expected(folder: Path) -> list[Expected]:
    """Return what was true of the cases. Raises AuthoredError when a file does not say of which case."""
    from pydantic import ValidationError

    from cli.case_files import read_folder
    from services.diagnoser.engines.evaluation.predictions import Expected
    from shared.errors import AuthoredError

    try:
        return [Expected.model_validate({"case_id": name, **value}) for name, value in read_folder(folder)]
    except ValidationError as error:
        raise AuthoredError(f"{folder}: {error.errors()[0]['loc']}: {error.errors()[0]['msg']}") from error


def read_predictions(path: Path) -> dict[str, Prediction]:
    """Return predictions by case id. Raises AuthoredError when one is no prediction."""
    from pydantic import ValidationError

    from cli.case_files import read_object
    from services.diagnoser.engines.evaluation.predictions import Prediction
    from shared.errors import AuthoredError

    found = {}
    for name, value in read_object(path).items():
        try:
            found[name] = Prediction.model_validate(value)
        except ValidationError as error:
            raise AuthoredError(f"{path}: {name}: {error.errors()[0]['msg']}") from error
    return found


def _labels(path: Path | None) -> dict[str, list[str]]:
    from shared.errors import AuthoredError, NotFoundError
    from shared.runbooks.authored import parse

    if path is None:
        return {}
    try:
        value = parse(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise NotFoundError(f"{path}: {error.strerror}") from error
    if not isinstance(value, dict) or not all(isinstance(names, list) for names in value.values()):
        raise AuthoredError(f"{path}: a mapping of causes to lists of names is needed")
    return {str(cause): [str(name) for name in names] for cause, names in value.items()}
