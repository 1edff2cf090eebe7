"""What an engine says of a case, in this process and without a server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from services.diagnoser.domain.advice import Advice, KeptStep
from services.diagnoser.domain.finding_out import Conclusion
from services.diagnoser.domain.opinion import Opinion
from services.diagnoser.domain.transcript import Transcript
from shared.incident.diagnosis import DiagnosticResult

EngineName = Literal["offline", "anthropic", "recorded"]
Conclude = Callable[[Mapping[str, Any]], tuple[Conclusion, float]]
"""From an `rca-case/1` to a conclusion and what it cost, in USD."""
Offline = Callable[[Mapping[str, Any]], Conclusion]
AskAgain = Callable[[Mapping[str, Any], Transcript], Opinion]
AdviseAgain = Callable[[KeptStep], Advice]


def concluder(engine: EngineName = "offline", causes: Path | None = None) -> Conclude:
    """Return what concludes as an engine does, with the shipped catalogue or the one in the folder `causes`.

    A model is asked within the limits of one conversation.

    Raises ConfigurationError when the engine is not configured in this folder.
    """
    from services.diagnoser.domain.case import read_case
    from services.diagnoser.engines.offline.catalogue import CAUSES, load_catalogue
    from services.diagnoser.engines.offline.engine import diagnose

    catalogue = load_catalogue(causes or CAUSES)
    if engine == "offline":
        return lambda case: (diagnose(read_case(case), catalogue), 0.0)

    from importlib import import_module

    from cli.project import PROJECT
    from cli.starting import read
    from services.diagnoser.engines.anthropic.asking import Terms
    from services.diagnoser.engines.anthropic.consulting import consult

    app: Any = import_module("services.diagnoser.app")
    reach, allowance = app.terms_of(read().section("diagnoser", app.Settings), engine, PROJECT)
    terms = Terms(reach=reach, allowance=allowance)

    def ask(case: Mapping[str, Any]) -> tuple[Conclusion, float]:
        opinion = consult(case, catalogue, terms)
        return opinion.conclusion, opinion.used.cost_usd

    return ask


def conclude_case(case: Mapping[str, Any], engine: EngineName = "offline") -> Conclusion:
    """Return result, evidence and log templates for an `rca-case/1`."""
    return concluder(engine)(case)[0]


def rerunner(causes: Path | None = None) -> tuple[Offline, AskAgain, AdviseAgain]:
    """Return what concludes offline, and what asks a model that says again what it said: of a case, and in a step.

    With the shipped catalogue or the one in the folder `causes`.
    """
    from services.diagnoser.domain.case import read_case
    from services.diagnoser.engines.anthropic.consulting import advise_again, consult_again
    from services.diagnoser.engines.offline.catalogue import CAUSES, load_catalogue
    from services.diagnoser.engines.offline.engine import diagnose

    catalogue = load_catalogue(causes or CAUSES)
    return (
        lambda case: diagnose(read_case(case), catalogue),
        lambda case, said: consult_again(case, catalogue, said),
        lambda step: advise_again(step, catalogue),
    )


def diagnose_case(case: Mapping[str, Any]) -> DiagnosticResult:
    """Return what an `rca-case/1` says. Any field of it may be missing; unknown ones are ignored."""
    return conclude_case(case).result
