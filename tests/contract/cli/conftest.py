"""The command with a data directory, and a server that the tests of a module share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.signoff import Signoff


@pytest.fixture
def signoff(tmp_path: Path) -> Iterator[Signoff]:
    """The command; nothing runs."""
    found = Signoff(tmp_path / "data")
    yield found
    found.stop()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Signoff]:
    """The command, and everything in one process."""
    found = Signoff(tmp_path_factory.mktemp("running") / "data")
    found.up()
    yield found
    found.stop()
