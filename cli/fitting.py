"""Fits how sure the engine may be, and writes it down."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from cli.case_files import read_folder
from shared.errors import AuthoredError

HEAD = """\
# How often an answer with such traits was right, in log-odds. `signoff eval fit` writes it, the engine reads it.
"""

Labelled = tuple[Mapping[str, Any], Mapping[str, Any]]


def labelled(cases: Path, expected: Path) -> Iterator[Labelled]:
    """Return each case of a folder of which another folder says what is true."""
    truths = dict(read_folder(expected))
    for name, value in read_folder(cases):
        if name in truths:
            yield value, {"case_id": name, **truths[name]}


def fit_to(cases: Iterable[Labelled], out: Path) -> Mapping[str, Any]:
    """Fit the calibrator to cases, write it, and return what was fitted.

    Raises AuthoredError when there are too few cases.
    """
    import yaml

    from services.diagnoser.engines.evaluation.fitting import fitted, samples
    from services.diagnoser.engines.offline.catalogue import load_catalogue

    catalogue = load_catalogue()
    found, digest = samples(cases, catalogue)
    try:
        calibrator = fitted(found, digest, catalogue)
    except ValueError as error:
        raise AuthoredError(f"too little to fit to: {error}") from error
    out.write_text(HEAD + yaml.safe_dump(calibrator, sort_keys=False), encoding="utf-8")
    return calibrator
