"""What is known of a case, and what of it was shown to the model: the ground on which an answer has to stand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from services.diagnoser.domain.case import Case, CaseChange
from services.diagnoser.domain.finding_out import Conclusion
from services.diagnoser.engines.anthropic.denying import channel_words, is_calm
from services.diagnoser.engines.anthropic.wording import words_of
from services.diagnoser.engines.offline.book import Book, name_of
from services.diagnoser.engines.offline.catalogue import UNKNOWN, Catalogue, Cause, by_id
from services.diagnoser.engines.offline.changes import TOLERANCE, covers, kind_of
from services.diagnoser.engines.offline.engine import diagnose
from services.diagnoser.engines.offline.preexisting import preexisting, rests_on
from services.diagnoser.engines.offline.scene import Observation, Scene, scene_of
from services.diagnoser.engines.offline.weighing import Hypothesis, hypotheses
from shared.incident.evidence import Evidence

USER_TEXT = "user_text"


@dataclass(slots=True)
class Ground:
    """The case as the offline engine sees it. `shown` is what the model has read under each evidence id."""

    scene: Scene
    book: Book
    conclusion: Conclusion
    hypotheses: tuple[Hypothesis, ...]
    causes: dict[str, Cause]
    old: tuple[Observation, ...] = ()
    """What was so before the incident."""
    shown: dict[str, list[str]] = field(default_factory=dict)

    def show(self, name: str, text: str) -> None:
        """Remember what the model reads under an id."""
        self.shown.setdefault(name, []).append(text)

    def item(self, name: str) -> Evidence | None:
        """Return a piece of evidence that was shown."""
        return self.book.entries.get(name) if name in self.shown else None

    def items(self, names: Iterable[str]) -> Iterator[Evidence]:
        """Yield those of `names` that were shown, in order."""
        yield from (item for name in names if (item := self.item(name)) is not None)

    def measured(self, name: str) -> str | None:
        """Return the text of a piece of evidence that was shown, unless others wrote it."""
        item = self.item(name)
        return item.summary if item is not None and item.trust != USER_TEXT else None

    quoted = measured
    """What others wrote is no finding."""

    def calm(self, name: str) -> str | None:
        """Return what is in order under an id, or a change that cannot be blamed for what is not; None for others."""
        item, number = self.item(name), int(name[1:]) if name[1:].isdecimal() else 0
        if item is None:
            return None
        if item.kind == "change":
            change = self.scene.case.changes[number - 1]
            return name_of(change) if self._is_excused(change) else None
        if item.kind == "state":
            fine = any(fact.number + 1 == number and not fact.is_bad for fact in self.scene.facts)
            return item.summary if fine else None
        return f"{item.entity} {item.channel} {item.summary}" if is_calm(item) else None

    def _is_excused(self, change: CaseChange) -> bool:
        """Whether a change came after the trouble began, or reached nothing that is out of order."""
        harmful = self.scene.harmful()
        began = min((one.onset for one in harmful if one.onset is not None), default=None)
        is_late = change.at is not None and began is not None and change.at > began + TOLERANCE
        hit = {one.entity for one in harmful} | {fact.entity for fact in self.scene.troubles()}
        return is_late or not any(covers(self.scene, change, entity) for entity in hit)

    def guarded(self) -> set[str]:
        """Return the words for what might be the matter: what can be measured, what changed, what is suspected."""
        offered = [one.cause for one in self.conclusion.result.causes]
        seen = [f"{o.series.name} {o.channel}" for o in self.scene.harmful()]
        changed = [kind_of(change) for change in self.scene.case.changes]
        return channel_words() | {*words_of(" ".join([*offered, *seen, *changed]))}

    def entities(self) -> list[str]:
        """Return every part of the system that the case names, in a stable order."""
        scene = self.scene
        named = [
            *scene.map.kinds,
            *scene.by_entity,
            *(f.entity for f in scene.facts),
            *(s.entity for s in scene.shapes),
        ]
        changed = [change.entity for change in scene.case.changes]
        return sorted({*named, *changed, *scene.alerts.values()} - {""})

    def hypothesis(self, cause: str, entity: str) -> Hypothesis | None:
        """Return what the offline engine thinks of a cause at an entity; None when nothing speaks for it."""
        return next((one for one in self.hypotheses if (one.id, one.entity) == (cause, entity)), None)

    def why_not(self, one: Hypothesis) -> str:
        """Return why the offline engine rules a hypothesis out; empty when it does not."""
        if one.is_ruled_out:
            return "what was measured rules it out"
        return "all that shows it was so before the incident began" if rests_on(one, self.old) else ""

    def candidates(self) -> list[str]:
        """Return the ids a cause may have in an answer."""
        return [*self.causes, UNKNOWN]


def ground_of(case: Case, catalogue: Catalogue) -> Ground:
    """Return the ground of a case; the offline conclusion is part of it."""
    conclusion = diagnose(case, catalogue)
    scene = scene_of(case)
    book = Book(scene, {item.id: item for item in conclusion.evidence})
    found = tuple(hypotheses(scene, catalogue))
    # Only shapes of log lines are ever shown; the lines themselves are most of a large case.
    slim = replace(scene, case=scene.case.model_copy(update={"logs": (), "logs_baseline": (), "raw": {}}))
    book.scene = slim
    return Ground(slim, book, conclusion, found, by_id(catalogue.causes), preexisting(scene))
