"""What the offline engine says of a case, in this process and without a server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.diagnoser.domain.finding_out import Conclusion
from shared.incident.diagnosis import DiagnosticResult


def conclude_case(case: Mapping[str, Any]) -> Conclusion:
    """Return result, evidence and log templates for an `rca-case/1`."""
    from services.diagnoser.domain.case import read_case
    from services.diagnoser.engines.offline.catalogue import load_catalogue
    from services.diagnoser.engines.offline.engine import diagnose

    return diagnose(read_case(case), load_catalogue())


def diagnose_case(case: Mapping[str, Any]) -> DiagnosticResult:
    """Return what an `rca-case/1` says. Any field of it may be missing; unknown ones are ignored."""
    return conclude_case(case).result
