"""Everything that was seen, entity by entity: what the rules of the catalogue are judged against."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from services.diagnoser.domain.case import Case, CaseAlert, CaseSeries
from services.diagnoser.engines.offline.background import FARTHEST, SHIFTED, WINDOWS, Standing, standing
from services.diagnoser.engines.offline.channels import HARMS, OTHER, RESOURCES, Meaning, meaning
from services.diagnoser.engines.offline.counting import rated
from services.diagnoser.engines.offline.facts import OF_NODES, SERIOUS, Fact
from services.diagnoser.engines.offline.logs import SURGE, Shape, shapes_of
from services.diagnoser.engines.offline.naming import canonical, placed
from services.diagnoser.engines.offline.remotes import add_remotes
from services.diagnoser.engines.offline.states import facts_of
from services.diagnoser.engines.offline.tools import lines
from services.diagnoser.engines.offline.topology import Map, map_of

STOCKS = frozenset({"memory", "disk", "connections"})
"""Channels in which what is used stays used."""
NEWS = 0.5
"""The share of a shift that was there just before the window from which on it is no news."""
NEARLY_FULL = 0.85
RARE = 0.1
"""The share of its background that may be as far out when something is called unusually full."""
FEW = 0.001
"""The share of all lines up to which lines are rare."""
VANISHED = 4.0
"""Standard deviations from which on it is remarkable that lines (nearly) no longer come."""
GONE = 0.3
"""The share of their earlier number up to which lines have vanished: a fault may spare some requests."""
PEERS = 8
"""So many entities with the same measurement tell how much it moves anyway."""
STEP = 60.0
BUSY = 0.9
"""The share of a capacity in use that is remarkable when nobody knows what is usual."""
_LABEL = re.compile(r'\w+="([^"]*)"')


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """One series and where it stands; itself only, however alike. `harm` is its shift towards harm, in widths."""

    number: int
    series: CaseSeries
    meaning: Meaning
    standing: Standing
    harm: float
    is_ramp: bool
    onset: float | None
    """Epoch seconds; None when it is calm, or began before the data."""

    @property
    def entity(self) -> str:
        """Whose series it is."""
        return self.series.entity

    @property
    def channel(self) -> str:
        """What kind of thing it measures."""
        return self.meaning.channel.name

    @property
    def is_harmful(self) -> bool:
        """Whether it is outside its background on the harmful side, now."""
        return self.harm >= SHIFTED

    @property
    def is_old(self) -> bool:
        """Whether most of its harm was there well before the window, by a history that is not thin, and is no news.

        What still grows is news however long it has, and what is nearly full does harm once it is full.
        """
        stands, is_full = self.standing, (self.used or 0.0) >= NEARLY_FULL
        is_known = self.is_harmful and stands.share_earlier >= NEWS and stands.windows >= WINDOWS
        return is_known and not self.is_ramp and not (is_full and self.channel in STOCKS)

    @property
    def used(self) -> float | None:
        """The share of the capacity in use, when the capacity is known; of what is left, at least how much is gone."""
        stands = self.standing
        if self.meaning.full is None and self.meaning.direction == "down" and self.channel in {"disk", "memory"}:
            return 1.0 - stands.after / max(stands.before, stands.after, 1e-9)
        return self.meaning.used(stands.after)


@dataclass(frozen=True, slots=True)
class Scene:
    """The case, read. `now` is the end of the data in epoch seconds, None when the case has no times."""

    case: Case
    map: Map
    observations: tuple[Observation, ...]
    stale: tuple[CaseSeries, ...]
    """Series without measurements in the later half of the window."""
    shapes: tuple[Shape, ...]
    now: float | None
    fresh: float | None
    """Log lines from this time on count as current; None when lines have no times."""
    surging: tuple[Shape, ...]
    """Warnings and errors that surge and still come, the strongest first."""
    vanished: tuple[Shape, ...]
    """Lines that came before and no longer do, though the entity still writes others, the most remarkable first."""
    facts: tuple[Fact, ...]
    by_entity: Mapping[str, tuple[Observation, ...]]
    told_of: Mapping[str, tuple[Observation, ...]]
    """Entity -> what others measured of it, as the label of a metric says."""
    rings: frozenset[str]
    """The channels that alerts which still fire are about."""
    alerts: Mapping[int, str]
    """Number of an alert -> the entity it is about, as far as one of that name is known."""

    def at(self, entities: Iterable[str], channels: Iterable[str]) -> list[Observation]:
        """Return the observations of some channels at some entities, the most harmful first."""
        wanted = set(channels)
        places = dict.fromkeys(entities)
        found = [o for place in places for o in self.by_entity.get(place, ()) if o.channel in wanted]
        return sorted(found, key=lambda o: (-o.harm, o.number))

    def alike(self, one: Observation, entities: Iterable[str]) -> list[Observation]:
        """Return the same measurement at other entities."""
        return [other for other in self.at(entities, [one.channel]) if other.series.name == one.series.name]

    def harmful(self) -> list[Observation]:
        """Return what is outside its background towards harm, the farthest first."""
        return sorted((o for o in self.observations if o.is_harmful), key=lambda o: (-o.harm, o.number))

    def is_news(self, shape: Shape) -> bool:
        """Whether lines of a shape surge, as far as there is an earlier span, and still come."""
        return _is_news(shape, self.case, self.fresh)

    def is_rare(self, shape: Shape) -> bool:
        """Whether lines of a shape came now, are few, and did not come in an earlier span."""
        return bool(shape.count) and not shape.earlier and shape.count <= max(FEW * len(self.case.logs), 3)

    def is_current(self, shape: Shape) -> bool:
        """Whether lines of a shape came lately, as far as they have times."""
        return is_current(shape, self.fresh)

    def alerted(self) -> list[str]:
        """Return the entities whose alerts still fire, in the order of the alerts."""
        firing = [self.alerts[n] for n, alert in enumerate(self.case.alerts) if not alert.is_over]
        return list(dict.fromkeys(place for place in firing if place))

    def troubles(self) -> list[Fact]:
        """Return the facts that are trouble by themselves, now; that nothing is to run is one where an alert asks."""
        asked = self.alerted()
        return [
            fact
            for fact in self.facts
            if fact.counts and (fact.kind in SERIOUS or (fact.kind == "scaled_to_zero" and fact.entity in asked))
        ]


def scene_of(case: Case) -> Scene:
    """Read a case."""
    told = tuple(lines({key: value for key, value in case.raw.items() if key not in {"state", "past_incidents"}}))
    case = placed(canonical(case.model_copy(update={"logs": (*case.logs, *told)}) if told else case))
    now = _now(case)
    chart = map_of(case)
    observations, stale = [], []
    for number, series in enumerate(case.metrics):
        seen = _observe(number, series, now)
        if seen is not None:
            observations.append(seen)
        elif any(value is not None for value in series.baseline):
            stale.append(series)
    observations = _beside_others(_among_peers(observations))
    facts = facts_of(case, now)
    for fact in facts:
        if fact.kind == "node_down" or (fact.kind in OF_NODES and not fact.is_text):
            chart.kinds.setdefault(fact.entity, "node")
    stated = (fact.entity for fact in facts if not fact.is_event)
    known = dict.fromkeys([*chart.kinds, *(o.entity for o in observations), *stated])
    shapes = shapes_of(case, list(known))
    add_remotes(shapes, chart)
    known.update(dict.fromkeys(shape.entity for shape in shapes))
    fresh = _fresh(case)
    surging = sorted((s for s in shapes if _is_news(s, case, fresh)), key=lambda s: (-s.surge, s.number))
    return Scene(
        case,
        chart,
        tuple(observations),
        tuple(stale),
        tuple(shapes),
        now,
        fresh,
        tuple(surging),
        tuple(
            sorted(
                (s for s in shapes if s.fall >= VANISHED and s.count <= GONE * s.earlier),
                key=lambda s: (-s.fall, s.number),
            )
        ),
        facts,
        _by_entity(observations),
        _told_of(observations, chart),
        frozenset(name for alert in case.alerts if not alert.is_over for name in _subjects(alert)) - {OTHER.name},
        {number: _place(alert, known) for number, alert in enumerate(case.alerts)},
    )


def _place(alert: CaseAlert, known: Iterable[str]) -> str:
    """Return the first known entity that an alert names; what it says itself when it names none."""
    names = set(known) - {""}
    return next((name for name in alert.named if name in names), alert.place)


def _among_peers(observations: list[Observation]) -> list[Observation]:
    """Judge series with next to no past by how much the same measurement moves elsewhere at the same time.

    What a call takes is also held against the highest level elsewhere before: so long it may take without any trouble.
    """
    moves: dict[str, list[float]] = {}
    levels: dict[str, float] = {}
    thin = {o.number for o in observations if o.standing.windows < 2}  # noqa: PLR2004 -- one window says nothing of how far windows lie apart
    for one in observations:
        if one.number in thin:
            moves.setdefault(one.series.name, []).append(abs(one.standing.after - one.standing.before))
            if one.channel == "latency":
                levels[one.series.name] = max(levels.get(one.series.name, 0.0), abs(one.standing.before))
    usual = {
        name: max(sorted(found)[int(0.9 * (len(found) - 1))], levels.get(name, 0.0))
        for name, found in moves.items()
        if len(found) >= PEERS
    }
    return [
        _widened(one, usual[one.series.name]) if one.number in thin and one.series.name in usual else one
        for one in observations
    ]


def _beside_others(observations: list[Observation]) -> list[Observation]:
    """Judge what a thin history never saw move by how high the same measurement is elsewhere.

    What matters is the part of a resource that is taken, and a trace of it is taken from nobody.
    """
    levels: dict[str, list[float]] = {}
    for one in observations:
        if one.channel in RESOURCES:
            levels.setdefault(one.series.name, []).append(abs(one.standing.before))
    high = {name: sorted(found)[int(0.9 * (len(found) - 1))] for name, found in levels.items() if len(found) >= PEERS}
    return [
        _widened(one, one.meaning.floor(high[one.series.name]) / SHIFTED)
        if one.series.name in high and one.standing.windows < WINDOWS and one.standing.is_farthest
        else one
        for one in observations
    ]


def _widened(one: Observation, usual: float) -> Observation:
    stands = one.standing
    width = max(stands.width, usual)
    less = stands.width / width
    shift = max(min((stands.after - stands.before) / width, FARTHEST), -FARTHEST)
    return replace(
        one,
        standing=replace(stands, width=width, shift=shift, peak=stands.peak * less),
        harm=one.harm * less if abs(one.harm) < FARTHEST else abs(shift),
    )


def _subjects(alert: CaseAlert) -> Iterator[str]:
    """Say what an alert is about; its metric may be several with something between."""
    name = alert.metric or alert.labels.get("alertname")
    for part in re.split(r"[/,|&]|(?<=[a-z])And(?=[A-Z])|[_\s-]and[_\s-]", name) if isinstance(name, str) else ():
        yield meaning(CaseSeries(name=part)).channel.name


def _by_entity(observations: Iterable[Observation]) -> dict[str, tuple[Observation, ...]]:
    found: dict[str, list[Observation]] = {}
    for one in observations:
        found.setdefault(one.entity, []).append(one)
    return {entity: tuple(ones) for entity, ones in found.items()}


def _told_of(observations: Iterable[Observation], chart: Map) -> dict[str, tuple[Observation, ...]]:
    found: dict[str, tuple[Observation, ...]] = {}
    for one in observations:
        for name in _LABEL.findall(one.series.name):
            if name in chart.kinds and name != one.entity:
                found[name] = (*found.get(name, ()), one)
    return found


def _is_news(shape: Shape, case: Case, fresh: float | None) -> bool:
    is_now = is_current(shape, fresh) or not case.logs_baseline
    return shape.is_bad and shape.surge >= SURGE and is_now


def is_current(shape: Shape, fresh: float | None) -> bool:
    """Whether a shape came at or after the time from which on lines are fresh."""
    return shape.count > 0 if shape.last_at is None or fresh is None else shape.last_at >= fresh


def _fresh(case: Case) -> float | None:
    """Return where the last third of the window's lines begins."""
    times = [line.at for line in case.logs if line.at is not None]
    return max(times) - (max(times) - min(times)) / 3 if times else None


def _observe(number: int, series: CaseSeries, now: float | None) -> Observation | None:
    step = series.step_s if series.step_s and series.step_s > 0 else STEP
    told, series, sense = series, rated(series), meaning(series)
    kept = series.background if series is told else None  # Of a counter it holds levels, which say nothing.
    stands = standing(series.baseline, series.window, step, sense.floor, kept)
    if stands is None:
        return None
    side = {"up": 1.0, "down": -1.0}.get(sense.direction)
    harm = abs(stands.shift) if side is None else side * stands.shift
    end = _end(series, step)
    end = now if end is None else end
    onset = end - stands.onset if end is not None and stands.onset is not None else None
    is_ramp = stands.is_ramp and harm >= SHIFTED
    if not stands.windows and not series.baseline and sense.channel.name in {"cpu", "memory", "disk", "connections"}:
        harm = max(harm, SHIFTED) if (sense.used(stands.after) or 0.0) >= BUSY else harm
    is_stock = side is not None and sense.channel.name in STOCKS
    if is_stock and not is_ramp and harm < 2 * SHIFTED:
        long = _long(series, sense, stands, step)
        if long is not None and side is not None:
            began = end - long.onset if end is not None and long.onset is not None else None
            return Observation(number, series, sense, long, side * long.shift, is_ramp=True, onset=began)
    return Observation(number, series, sense, stands, harm, is_ramp, onset)


def _long(series: CaseSeries, sense: Meaning, stands: Standing, step: float) -> Standing | None:
    """Return where a nearly full series stands against the older half of its past, if it has grown ever since."""
    older = len(series.baseline) // 2
    if (sense.used(stands.after) or 0.0) < NEARLY_FULL:
        return None
    long = standing(series.baseline[:older], [*series.baseline[older:], *series.window], step, sense.floor)
    side = -1.0 if sense.direction == "down" else 1.0
    return long if long is not None and long.is_ramp and side * long.shift >= SHIFTED else None


def _end(series: CaseSeries, step: float) -> float | None:
    return None if series.window_t0 is None else series.window_t0 + len(series.window) * step


def _now(case: Case) -> float | None:
    ends = [end for s in case.metrics if (end := _end(s, s.step_s or STEP)) is not None]
    told = [*(line.at for line in case.logs), *(alert.at for alert in case.alerts), *(e.at for e in case.events)]
    times = [at for at in told if at is not None]
    return max(ends or times, default=None)


def impact(scene: Scene) -> list[Observation]:
    """Return what users or callers feel: latency, errors and restarts outside their background."""
    return [o for o in scene.harmful() if o.channel in HARMS]
