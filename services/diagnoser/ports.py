"""What the diagnoser needs from outside: collectors, an engine, an archive of what was seen, and its own records."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.diagnoser.domain.advice import Advice, Facts, StepName
from services.diagnoser.domain.finding_out import Conclusion
from services.diagnoser.domain.gathering import JSON, CaseJSON
from services.diagnoser.domain.likeness import Past
from services.diagnoser.domain.model_use import Use
from services.diagnoser.domain.reliability import Standing
from services.diagnoser.domain.sketches import Sketches
from shared.incident.evidence import LookAlike
from shared.integrations.reading import Window


@dataclass(frozen=True, slots=True)
class Scene:
    """What an investigation looks at. `window` is under suspicion, `baseline` a longer span before the incident.

    All times are data times.
    """

    environment: str
    services: tuple[str, ...]
    entities: tuple[str, ...]
    """Services and hosts of the incident and what is near them in the topology."""
    window: Window
    baseline: Window
    seconds: float
    """Wall seconds that a collector has."""
    words: tuple[str, ...] = ()
    """What the alerts speak of, by which written knowledge is found."""


class DataClock(Protocol):
    """Up to when there are data."""

    name: str

    def missing(self, environment: str) -> str:
        """Return why nobody can be asked in an environment; empty when somebody can."""
        ...

    async def now(self, environment: str) -> datetime:
        """Return the data time. Raises as a collector does."""
        ...


class Collector(Protocol):
    """Reads one kind of evidence. Knows vendors only by capability."""

    name: str

    def missing(self, environment: str) -> str:
        """Return why nobody can be asked in an environment; empty when somebody can. Quick: nothing is loaded."""
        ...

    async def collect(self, scene: Scene) -> CaseJSON:
        """Return parts of a case; empty parts mean that somebody looked and found nothing.

        Under `CUT` it says what of it could not be fetched, and why.

        Raises NotFoundError when nothing is connected that could look, UnavailableError when it does not answer.
        """
        ...


class Redact(Protocol):
    """Takes secrets out of what came in from outside."""

    def text(self, text: str) -> str:
        """Return a text without secrets."""
        ...

    def value(self, value: JSON, name: str = "") -> JSON:
        """Return JSON without secrets; `name` is the key that it stands under."""
        ...


Recall = Callable[[Conclusion], Awaitable[Sequence[LookAlike]]]
"""Past incidents that are like what was concluded."""


class Engine(Protocol):
    """Concludes from evidence. Takes one case at a time; others wait their turn."""

    async def diagnose(self, case: CaseJSON, *, limit: float, recall: Recall | None = None) -> Conclusion:
        """Return a conclusion within `limit` seconds, waiting included. `recall` tells which past incidents are alike.

        Raises UnavailableError when there is none in time, RefusedError when the engine cannot take this case.
        """
        ...

    async def stop(self) -> None:
        """End it. Idempotent, bounded in time."""
        ...


class Adviser(Protocol):
    """A model that may add to what code says in a small step."""

    async def advise(self, step: StepName, facts: Facts, *, limit: float) -> Advice:
        """Return what it adds, or why it has no word, within `limit` seconds. Raises no SignoffError."""
        ...


@dataclass(frozen=True, slots=True)
class Investigated:
    """Everything one investigation saw and concluded, without secrets."""

    id: str
    incident_id: str
    environment: str
    case: CaseJSON
    conclusion: JSON
    collectors: Sequence[JSON]
    replies: JSON = None
    """A `Transcript` where a model may be asked; None without one, and of what was kept before there were any."""
    steps: Sequence[JSON] = ()
    """A `KeptStep` for each small step in which a model was asked; of an answer or a summary there is nothing else."""


class Archive(Protocol):
    """The full data of investigations, for 30 days."""

    async def find(self, investigation_id: str) -> Investigated:
        """Return its newest run. Raises NotFoundError for one that never was or is kept no longer."""
        ...

    async def of_incident(self, incident_id: str) -> list[str]:
        """Return the investigations of an incident that are still kept, oldest first."""
        ...


@dataclass(frozen=True, slots=True)
class Reserved:
    """An amount that counts as used until it is settled. `refused` names the budget that has less left."""

    day: str
    incident_id: str
    amount: Use
    refused: str = ""


class Budget(Protocol):
    """What asking a model may cost and has cost. Raises UnavailableError while nobody knows; then nothing is asked."""

    async def reserve(self, incident_id: str, amount: Use) -> Reserved:
        """Count an amount as used, of the day and of the incident, or say which of them has less left."""
        ...

    async def settle(self, reserved: Reserved, used: Use, *, saved: Use) -> None:
        """Count what was really used in place of what was reserved, and what was saved because it was known."""
        ...

    async def account(self) -> Mapping[str, JSON]:
        """Return what is used and left today and by the latest incidents."""
        ...


class Memory(Protocol):
    """What earlier incidents and people's verdicts on them teach. Nothing is taken from another environment."""

    async def standings(self, environment: str) -> Mapping[str, Standing]:
        """Return how each cause that people judged has fared."""
        ...

    async def past(self, environment: str, *, but: str) -> Sequence[Past]:
        """Return closed incidents, the newest first, without the incident `but`."""
        ...


class Backgrounds(Protocol):
    """What was normal for series before. Nothing is taken from another environment."""

    async def seen(self, environment: str, entities: Collection[str]) -> Mapping[str, float]:
        """Return up to which data time entities were looked at; those of which nothing is known are left out."""
        ...

    async def find(self, environment: str, entities: Collection[str]) -> Sketches:
        """Return what is known of some entities; those of which nothing is known are left out."""
        ...

    async def keep(self, environment: str, sketches: Sketches) -> None:
        """Keep what is known of some entities for 35 days, unless somebody has looked further meanwhile."""
        ...


class Records(Protocol):
    """What became of deliveries, and which silences there are."""

    async def deliveries(self, receipt: str) -> list[Mapping[str, JSON]]:
        """Return the dispositions under a receipt, or the one of `receipt/n`, in order of the messages."""
        ...

    async def account(self) -> Mapping[str, JSON]:
        """Return what came in and what became of it, in numbers."""
        ...

    async def silences(self) -> list[Mapping[str, JSON]]:
        """Return the silences in force, in all environments."""
        ...
