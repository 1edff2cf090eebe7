"""What was wrong long before the incident and has not changed since: true, and no cause of what is new."""

from __future__ import annotations

from services.diagnoser.engines.offline.scene import Observation, Scene, impact
from services.diagnoser.engines.offline.weighing import Hypothesis


def preexisting(scene: Scene) -> tuple[Observation, ...]:
    """Return what was so before the incident, the farthest out first.

    The window begins well before the first alert, so that what the incident is about begins within it. Where nothing
    that is felt or alerted on is news, the incident itself is old, and nothing is pre-existing to it.
    """
    felt = [*impact(scene), *(o for o in scene.harmful() if o.entity in scene.alerted())]
    if all(one.is_old for one in felt):
        return ()
    return tuple(one for one in scene.harmful() if one.is_old)


def rests_on(one: Hypothesis, old: tuple[Observation, ...]) -> bool:
    """Whether a hypothesis has nothing of its own to show but what was so before: no news, no fact, no log, no change.

    That somebody suffers now is no news of its own: they would under any cause.
    """
    if one.suspect is not None:
        shown, is_more = list(one.suspect.observations), bool(one.suspect.shapes or one.suspect.facts)
    else:
        own = [m for m in one.support if m.signal.direction != "calm" and m.signal.where != "sufferers"]
        shown = [o for m in own for o in m.observations if o.is_harmful]
        is_more = one.link is not None or any(m.facts or m.shapes for m in own)
    return bool(shown) and not is_more and all(o in old for o in shown)
