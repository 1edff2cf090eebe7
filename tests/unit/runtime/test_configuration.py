from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field, SecretStr

from shared.errors import ConfigurationError
from shared.runtime.configuration import read_configuration
from shared.runtime.settings import Section


class Source(Section):
    """A nested table."""

    secrets: tuple[SecretStr, ...] = ()


class Door(Section):
    """A section."""

    port: int = Field(default=1, gt=0)
    token: SecretStr = SecretStr("")
    source: Source = Source()
    keys: dict[str, str] = Field(default_factory=dict)


def door(folder: Path, toml: str = "", env: dict[str, str] | None = None) -> Door:
    (folder / "signoff.toml").write_text(toml)
    return read_configuration(env or {}, folder=folder).section("door", Door)


def test_the_environment_wins_over_dotenv_which_wins_over_the_file(tmp_path: Path) -> None:
    toml = "[door]\nport = 2\n"
    assert door(tmp_path, toml).port == 2
    (tmp_path / ".env").write_text("SIGNOFF_DOOR__PORT=3\n")
    assert door(tmp_path, toml).port == 3
    assert door(tmp_path, toml, {"SIGNOFF_DOOR__PORT": "4"}).port == 4


def test_lists_in_the_environment_are_json(tmp_path: Path) -> None:
    found = door(tmp_path, env={"SIGNOFF_DOOR__SOURCE__SECRETS": '["one", "two"]'})

    assert [secret.get_secret_value() for secret in found.source.secrets] == ["one", "two"]


def test_a_secret_may_stand_in_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from a file\n")

    assert door(tmp_path, env={"SIGNOFF_DOOR__TOKEN_FILE": str(tmp_path / "token")}).token.get_secret_value() == (
        "from a file"
    )


@pytest.mark.parametrize(
    "toml, said",
    [
        pytest.param(
            "[door]\n\nprot = 1\n",
            "signoff.toml:3: unknown key door.prot; did you mean 'port'?",
            id="a mistyped key names its line and the nearest key",
        ),
        pytest.param(
            '[door.source]\nsecert = ["s3cret"]\n',
            "signoff.toml:2: unknown key door.source.secert; did you mean 'secrets'?",
            id="also in a nested table, without what it was set to",
        ),
        pytest.param(
            "[door]\nport = 0\n",
            "signoff.toml:2: door.port: Input should be greater than 0",
            id="a value out of bounds names its line and the bound",
        ),
        pytest.param(
            "[door]\nport = [\n",
            "signoff.toml: Invalid value (at end of document)",
            id="a file that is no TOML says why",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path: Path, toml: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        door(tmp_path, toml)

    assert str(raised.value) == said


def test_an_unknown_section_is_an_error_not_a_default(tmp_path: Path) -> None:
    (tmp_path / "signoff.toml").write_text("[dor]\nport = 2\n")

    with pytest.raises(ConfigurationError, match=r"signoff\.toml:2: unknown section \[dor\]; did you mean 'door'\?"):
        read_configuration({}, folder=tmp_path).check_sections(frozenset({"door"}))


@pytest.mark.parametrize(
    "env",
    [
        pytest.param({"SIGNOFF_DOOR__TOKEN": "given"}, id="by its name"),
        pytest.param({"SIGNOFF_DOOR__TOKEN_FILE": "/nowhere"}, id="by the name of its file"),
    ],
)
def test_a_default_never_replaces_what_was_given(tmp_path: Path, env: dict[str, str]) -> None:
    configuration = read_configuration(env, folder=tmp_path)

    configuration.default(("door", "token"), "generated", "somewhere")

    assert configuration.text(("door", "token")) != "generated"


def test_a_table_in_which_something_was_given_is_given(tmp_path: Path) -> None:
    configuration = read_configuration({"SIGNOFF_DOOR__KEYS__OWN": "key"}, folder=tmp_path)

    configuration.default(("door", "keys"), {"other": "key"}, "somewhere")

    assert configuration.section("door", Door).keys == {"own": "key"}


def test_every_value_knows_where_it_comes_from(tmp_path: Path) -> None:
    (tmp_path / "signoff.toml").write_text("[door]\nport = 2\n")
    configuration = read_configuration({"SIGNOFF_DOOR__TOKEN_FILE": "/run/token"}, folder=tmp_path)
    configuration.give(("door", "source"), {"secrets": ["s"]}, "generated")

    assert configuration.place(("door", "port")) == "signoff.toml:2"
    assert configuration.place(("door", "token")) == "env SIGNOFF_DOOR__TOKEN_FILE"
    assert configuration.place(("door", "source", "secrets")) == "generated"
    assert configuration.place(("door", "keys")) == "default"
