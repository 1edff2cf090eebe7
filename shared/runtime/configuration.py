"""Where settings come from: flags, then the environment, then `.env`, then `signoff.toml`, then defaults.

`SIGNOFF_SECTION__KEY` names one key; lists and tables are JSON. A secret `key` has a twin `key_file`, whose file holds
it. Unknown keys are errors with their place and the nearest known key, so that a typing mistake is never a default.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_args

from dotenv import dotenv_values
from pydantic import BaseModel, SecretStr, ValidationError

from shared.errors import ConfigurationError
from shared.runtime.settings import Section

S = TypeVar("S", bound=Section)

PREFIX = "SIGNOFF_"
FILE = "signoff.toml"
TWIN = "_file"

Path_ = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Given:
    """One value and where it stands (`signoff.toml:3`, `env SIGNOFF_...`, `.env`, `flag`)."""

    value: Any
    place: str


@dataclass(slots=True)
class Configuration:
    """All values that were given, by path (`ingest`, `datadog`, `secrets`), the strongest source last."""

    values: dict[Path_, Given] = field(default_factory=dict)

    def section(self, name: str, model: type[S]) -> S:
        """Return a section. Raises ConfigurationError naming the place of the first thing that is wrong."""
        tree: dict[str, Any] = {}
        for path, given in self.values.items():
            if path[0] == name:
                self._put(tree, path[1:], given, model)
        try:
            return model.model_validate(tree)
        except ValidationError as error:
            raise ConfigurationError(self._explain(name, error, model)) from error

    def give(self, path: Path_, value: object, place: str) -> None:
        """Set a value, in place of what was given before."""
        self.values[path] = Given(value, place)

    def default(self, path: Path_, value: object, place: str) -> None:
        """Set a value unless one was given."""
        if not self.has(path):
            self.give(path, value, place)

    def has(self, path: Path_) -> bool:
        """Say whether a value was given; `key_file` counts, and so does a table around it or something in it."""
        twin = (*path[:-1], path[-1] + TWIN)
        return any(known in (path, twin) or known[: len(path)] == path for known in self.values)

    def place(self, path: Path_) -> str:
        """Return where a value comes from: its own place, that of its `_file` twin, or of the table it is part of."""
        twin = (*path[:-1], path[-1] + TWIN)
        tables = (path[:length] for length in range(len(path) - 1, 0, -1))
        found = next((self.values[known] for known in (path, twin, *tables) if known in self.values), None)
        inside = next((given for known, given in self.values.items() if known[: len(path)] == path), None)
        return (found or inside or Given(None, "default")).place

    def text(self, path: Path_) -> str:
        """Return a given value as text, nothing when there is none."""
        given = self.values.get(path)
        return "" if given is None else str(given.value)

    def check_sections(self, known: frozenset[str]) -> None:
        """Raise ConfigurationError for a section that nobody reads."""
        for path, given in self.values.items():
            if path[0] not in known:
                raise ConfigurationError(f"{given.place}: unknown section [{path[0]}]{_near(path[0], known)}")

    def _put(self, tree: dict[str, Any], path: Path_, given: Given, model: type[BaseModel]) -> None:
        for part in path[:-1]:
            tree = tree.setdefault(part, {})
            model = _inner(model, part)
        name = path[-1]
        base = name.removesuffix(TWIN)
        if name.endswith(TWIN) and name not in model.model_fields and _is_secret(model, base):
            tree[base] = _read_secret(Path(str(given.value)), given.place)
        else:
            tree[name] = given.value

    def _explain(self, section: str, error: ValidationError, model: type[BaseModel]) -> str:
        first = error.errors(include_url=False, include_input=False)[0]
        path = (section, *(str(part) for part in first["loc"]))
        place = next((given.place for known, given in self.values.items() if path[: len(known)] == known), "settings")
        name = ".".join(path)
        if first["type"] == "extra_forbidden":
            inner = model
            for part in path[1:-1]:
                inner = _inner(inner, part)
            return f"{place}: unknown key {name}{_near(path[-1], inner.model_fields)}"
        return f"{place}: {name}: {first['msg'].removeprefix('Value error, ')}"


def read_configuration(environment: Mapping[str, str], *, folder: Path, file: Path | None = None) -> Configuration:
    """Return everything given by file, `.env` and environment. Raises ConfigurationError for an unreadable file."""
    configuration = Configuration()
    toml = file or folder / FILE
    if toml.exists() or file is not None:
        for path, value, line in _toml(toml):
            configuration.give(path, value, f"{toml.name}:{line}")
    dotenv = {name: value or "" for name, value in dotenv_values(folder / ".env").items()}
    for values, place in ((dotenv, ".env "), (environment, "env ")):
        for name, text in values.items():
            if name.startswith(PREFIX) and "__" in name:
                path = tuple(part.lower() for part in name.removeprefix(PREFIX).split("__"))
                configuration.give(path, _value(text), place + name)
    return configuration


def _toml(path: Path) -> Iterator[tuple[Path_, Any, int]]:
    try:
        text = path.read_text(encoding="utf-8")
        tree = tomllib.loads(text)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path.name}: {error}") from error
    lines = text.splitlines()

    def walk(tree: Mapping[str, Any], path: Path_) -> Iterator[tuple[Path_, Any, int]]:
        for key, value in tree.items():
            if isinstance(value, dict):
                yield from walk(value, (*path, key))
            else:
                yield (*path, key), value, _line(lines, path, key)

    return walk(tree, ())


def _line(lines: list[str], table: Path_, key: str) -> int:
    """Return the line of a key; the first line of that name when tables are written in an unusual way."""
    wanted = f"[{'.'.join(table)}]"
    inside = not table
    for number, line in enumerate(lines, start=1):
        stripped = line.strip()
        if stripped.startswith("["):
            inside = stripped.replace(" ", "") == wanted
        elif inside and stripped.partition("=")[0].strip().strip('"') == key:
            return number
    return next((n for n, line in enumerate(lines, start=1) if key in line), 1)


def _value(text: str) -> Any:  # noqa: ANN401 -- any JSON value
    if text[:1] in ("[", "{"):
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            return text
    return text


def _inner(model: type[BaseModel], name: str) -> type[BaseModel]:
    """Return the model of a nested table; an empty one for what is not a table."""
    found = model.model_fields.get(name)
    candidates = [found.annotation, *get_args(found.annotation)] if found is not None else []
    return next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), Section)


def _is_secret(model: type[BaseModel], name: str) -> bool:
    found = model.model_fields.get(name)
    return found is not None and (found.annotation is SecretStr or SecretStr in get_args(found.annotation))


def _read_secret(path: Path, place: str) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigurationError(f"{place}: secret file {path} cannot be read: {error.strerror}") from error


def _near(name: str, known: Mapping[str, object] | frozenset[str]) -> str:
    near = get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
