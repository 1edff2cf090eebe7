from __future__ import annotations

import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shared.errors import ConfigurationError
from shared.runtime.secrets import new_key, private_folder, private_key, public_key, public_text, remembered

STARTERS = 5


def test_a_secret_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "token"

    first = remembered(path, lambda: "made once")

    assert remembered(path, lambda: "never made") == first == "made once"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_of_those_who_start_at_once_the_first_writer_wins_and_all_use_what_it_wrote(tmp_path: Path) -> None:
    path = tmp_path / "token"
    all_found_none = threading.Barrier(STARTERS)

    def start(number: int) -> str:
        def make() -> str:
            all_found_none.wait(10)
            return f"secret of {number}"

        return remembered(path, make)

    with ThreadPoolExecutor(STARTERS) as pool:
        used = set(pool.map(start, range(STARTERS)))

    assert used == {path.read_text().strip()}
    assert [found.name for found in tmp_path.iterdir()] == ["token"]


def test_a_folder_that_cannot_be_made_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfigurationError, match="choose another --data"):
        private_folder(tmp_path / "file" / "data")


def test_the_public_half_of_a_key_survives_being_written_as_text() -> None:
    key = private_key(new_key())

    public_key(public_text(key)).verify(key.sign(b"approved"), b"approved")


@pytest.mark.parametrize("text", ["", "not a key", "-----BEGIN PRIVATE KEY-----\nbm8=\n-----END PRIVATE KEY-----"])
def test_what_is_no_key_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        private_key(text)

    assert "BEGIN" not in str(raised.value)
