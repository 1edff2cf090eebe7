"""What an engine says of a case, and what was true, in the shapes that scorers read."""

from __future__ import annotations

from pydantic import Field

from services.diagnoser.domain.case import Items, Number, Text
from services.diagnoser.domain.finding_out import Conclusion
from shared.incident.model import Model


class Guess(Model):
    """One ranked cause."""

    entity: Text = ""
    cause: Text = ""
    confidence: Number = None
    evidence: tuple[str, ...] = ()


class Prediction(Model):
    """The answer to one case. `abstained` says that no guess is meant to be acted on."""

    ranked: Items[Guess] = ()
    status: Text = ""
    abstained: bool | None = None
    actions: tuple[str, ...] = ()
    calm: Number = None
    """How sure it is that nothing is wrong, where it says so."""
    latency_ms: float = 0.0
    cost_usd: float = 0.0

    @property
    def has_abstained(self) -> bool:
        """What it says itself; else whether it ranked nothing."""
        return not self.ranked if self.abstained is None else self.abstained

    @property
    def confidence(self) -> float | None:
        """How sure it is of its first guess; None when it does not say."""
        return self.ranked[0].confidence if self.ranked else self.calm or 0.0


class Expected(Model):
    """What was true of one case. Without `root_entities` only the cause counts."""

    case_id: str
    root_entities: Items[str] = ()
    cause: Text = ""
    healthy: bool = False
    decoys: Items[str] = ()
    """Ids of evidence that must not be cited as a cause."""
    harmful: Items[str] = ()
    """Causes that would have led to doing harm."""
    system: Text = ""
    split: Text = ""
    family: Text = ""
    knows_enough: bool = Field(default=True)
    """Whether the case holds enough to tell the cause; where it does not, abstaining is right."""
    is_poor: bool = Field(default=False)
    """Whether so little is told that the fault may be missed."""
    group: Text = ""
    """Cases that tell the same incident. One is never fitted to while another is tested on."""


def prediction_of(conclusion: Conclusion, *, latency_ms: float = 0.0) -> Prediction:
    """Return a conclusion as a prediction."""
    result = conclusion.result
    return Prediction(
        ranked=tuple(
            Guess(entity=one.entity, cause=one.cause, confidence=one.confidence, evidence=one.cites)
            for one in result.causes
        ),
        status=result.status,
        abstained=result.status == "inconclusive",
        actions=tuple(step.do for one in result.causes[:1] for step in one.steps if result.status == "diagnosed"),
        calm=result.confidence if result.status == "no_active_fault" else None,
        latency_ms=round(latency_ms, 1),
    )
