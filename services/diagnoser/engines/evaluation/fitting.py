"""Fits how sure the engine may be to how often it was right. Deterministic: the same cases give the same curves."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

import numpy as np
import orjson

from services.diagnoser.domain.case import read_case
from services.diagnoser.engines.evaluation.predictions import Expected
from services.diagnoser.engines.evaluation.scoring import calibration_error
from services.diagnoser.engines.offline.calibrator import NAMES, SIGNS, Curve, Traits
from services.diagnoser.engines.offline.catalogue import Catalogue
from services.diagnoser.engines.offline.certainty import traits_of
from services.diagnoser.engines.offline.engine import VERSION, diagnose
from services.diagnoser.engines.offline.preexisting import preexisting, rests_on
from services.diagnoser.engines.offline.scene import scene_of
from services.diagnoser.engines.offline.weighing import hypotheses

RIDGE = 0.02
"""What a squared weight of a standardised trait costs, per case."""
STEPS = 4000
FOLDS = 5
DIGITS = 4
UNMET = 8
ENOUGH = 30
"""Cases below which a curve would be an accident."""

Labelled = tuple[Mapping[str, Any], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Sample:
    """The first hypothesis of one case: its traits, and whether it was right."""

    group: str
    is_known: bool
    traits: Traits
    is_right: bool


def sample(case_value: Mapping[str, Any], truth: Expected, catalogue: Catalogue) -> Sample | None:
    """Return what one case teaches; None where no cause was judged or nobody knows the truth.

    Of a truth that names no cause only the place counts.
    """
    case = read_case(case_value)
    if truth.healthy or not truth.knows_enough or diagnose(case, catalogue).result.status == "no_active_fault":
        return None
    scene = scene_of(case)
    old = preexisting(scene)
    found = [one for one in hypotheses(scene, catalogue) if not one.is_ruled_out and not rests_on(one, old)]
    if not found:
        return None
    top = found[0]
    is_place = not truth.root_entities or top.entity in truth.root_entities
    return Sample(
        group=truth.group or truth.case_id,
        is_known=top.cause is not None,
        traits=traits_of(scene, found),
        is_right=is_place and (top.cause is None or top.id == (truth.cause or top.id)),
    )


def without(catalogue: Catalogue, cause: str) -> Catalogue:
    """Return the catalogue as if nobody had ever met a cause, nor what is a special case of it."""
    return Catalogue(tuple(one for one in catalogue.causes if cause not in {one.id, one.refines}), catalogue.sha256)


def samples(cases: Iterable[Labelled], catalogue: Catalogue) -> tuple[list[Sample], str]:
    """Return what cases teach, and the digest of all that was seen.

    One case in `UNMET` is shown a second time with its cause left out of the catalogue: what nobody has met before
    happens, and then the likeliest known cause is wrong.
    """
    digest = hashlib.sha256()
    found = []
    for value, truth in cases:
        digest.update(orjson.dumps((value, truth), option=orjson.OPT_SORT_KEYS))
        expected = Expected.model_validate(truth)
        known = [catalogue]
        if int(hashlib.sha256(expected.case_id.encode()).hexdigest(), 16) % UNMET == 0 and expected.cause:
            known.append(without(catalogue, expected.cause))
        found += [one for some in known if (one := sample(value, expected, some))]
    return found, digest.hexdigest()


def fitted(found: Sequence[Sample], digest: str, catalogue: Catalogue) -> dict[str, Any]:
    """Return the calibrator as data. Raises ValueError when there are too few cases to fit to."""
    known = [one for one in found if one.is_known]
    unknown = [one for one in found if not one.is_known]
    for name, some in (("of a known cause", known), ("of a place without one", unknown)):
        if len(some) < ENOUGH or len({one.is_right for one in some}) < 2:  # noqa: PLR2004 -- right and wrong
            raise ValueError(f"{len(some)} answers {name}: {ENOUGH} are needed, right and wrong ones")
    tested = [*_left_out(known), *_left_out(unknown)]
    said, hits = [p for p, _ in tested], [y for _, y in tested]
    return {
        "format": "signoff.calibrator/1",
        "fitted": {
            "cases": len(found),
            "groups": len({one.group for one in found}),
            "cases_sha256": digest,
            "catalogue_sha256": catalogue.sha256,
            "engine_version": VERSION,
            "accuracy": round(fmean(hits), DIGITS),
            "brier": round(fmean((p - y) ** 2 for p, y in tested), DIGITS),
            "ece": round(calibration_error(said, hits), DIGITS),
        },
        "known": curve(known).model_dump(),
        "unknown": curve(unknown).model_dump(),
    }


def _left_out(found: Sequence[Sample]) -> list[tuple[float, float]]:
    """Return (confidence before caps, right) of each, by a curve fitted without its fold; a group is in one fold."""
    tested = []
    for fold in range(FOLDS):
        inside = [one for one in found if _fold(one.group) == fold]
        outside = [one for one in found if _fold(one.group) != fold]
        if inside and outside:
            fit = curve(outside)
            tested += [(fit.at(one.traits), float(one.is_right)) for one in inside]
    return tested


def _fold(group: str) -> int:
    return hashlib.sha256(group.encode()).digest()[0] % FOLDS


def curve(found: Sequence[Sample]) -> Curve:
    """Return the ridge-regularised logistic curve whose weights keep the signs of their traits.

    Projected gradient descent on standardised traits with a step that always descends: no chance, no line search.
    """
    seen = np.array([list(asdict(one.traits).values()) for one in found], float)
    hits = np.array([one.is_right for one in found], float)
    middle, spread = seen.mean(axis=0), seen.std(axis=0)
    scaled = np.where(spread > 0, (seen - middle) / np.where(spread > 0, spread, 1.0), 0.0)
    signs = np.array([SIGNS[name] for name in NAMES], float)
    size = len(hits)
    step = 1.0 / (0.25 * (1.0 + float(np.linalg.norm(scaled, 2)) ** 2 / size) + RIDGE)
    weights, intercept = np.zeros(len(NAMES)), 0.0
    for _ in range(STEPS):
        wrong = 1.0 / (1.0 + np.exp(-(intercept + scaled @ weights))) - hits
        weights = weights - step * (scaled.T @ wrong / size + RIDGE * weights)
        weights = np.where(weights * signs > 0, weights, 0.0)
        intercept -= step * float(wrong.mean())
    plain = np.where(spread > 0, weights / np.where(spread > 0, spread, 1.0), 0.0)
    return Curve(
        intercept=round(float(intercept - plain @ middle), DIGITS),
        weights={
            name: round(float(w), DIGITS) for name, w in zip(NAMES, plain, strict=True) if round(float(w), DIGITS)
        },
    )
