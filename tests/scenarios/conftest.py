"""A Signoff as processes: one that quiet tests share, and one of its own for a test that breaks something."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.signoff import Signoff


@pytest.fixture
def signoff(tmp_path: Path) -> Iterator[Signoff]:
    """The command with a data directory of its own; nothing runs yet."""
    found = Signoff(tmp_path / "data")
    yield found
    found.stop()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Signoff]:
    """Everything in one process, running. Each replay is an environment of its own, so tests do not meet."""
    found = Signoff(tmp_path_factory.mktemp("shared") / "data")
    found.up()
    yield found
    found.stop()
