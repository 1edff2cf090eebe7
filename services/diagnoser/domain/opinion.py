"""What came of asking a model about a case. Pure; shared by the service and its child."""

from __future__ import annotations

from services.diagnoser.domain.finding_out import Conclusion
from services.diagnoser.domain.model_use import Use
from services.diagnoser.domain.transcript import Transcript
from shared.incident.model import Model

PASSED = "passed"
"""The outcome of a conversation whose answer counts; every other outcome is a reason why it does not."""
WHY_MAX = 300


class Opinion(Model):
    """What came of asking the model. The conclusion is the offline one, marked, when its answer does not count."""

    conclusion: Conclusion
    used: Use
    saved: Use = Use()
    """What was not spent, because exactly this had been asked before."""
    outcome: str
    replies: Transcript


def marked(conclusion: Conclusion, engine: str, why: str) -> Conclusion:
    """Return an offline conclusion with the reason why the model did not contribute."""
    update = {"engine": engine, "degraded": why[:WHY_MAX]}
    return conclusion.model_copy(update={"result": conclusion.result.model_copy(update=update)})
