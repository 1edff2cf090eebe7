"""Files that people author: YAML without surprises, checked against a model, errors with line and column.

No aliases (a short file must not unfold into a huge one), no duplicate keys (the second would win unseen), no tags
beyond plain data.
"""

from __future__ import annotations

from collections.abc import Hashable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from shared.errors import AuthoredError

M = TypeVar("M", bound=BaseModel)


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader that refuses aliases and duplicate keys and remembers where each value stands."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event: Any = self.peek_event()  # type: ignore[no-untyped-call]  # not annotated by the stubs
            raise yaml.constructor.ConstructorError(None, None, "aliases are not allowed", event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 -- PyYAML's signature
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key must be a plain word", key.start_mark)
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"duplicate key {key.value!r}", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def parse(text: str, name: str) -> Any:  # noqa: ANN401 -- any YAML value
    """Return the value of a YAML text. Raises AuthoredError `name:line:column: ...`."""
    try:
        return yaml.load(text, _Loader)  # noqa: S506 -- a SafeLoader with fewer features
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        raise AuthoredError(f"{place}: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise AuthoredError(f"{name}: not readable as YAML: {error}") from error


def read(path: Path, model: type[M]) -> M:
    """Return the file checked against `model`. Raises AuthoredError with file, line, column and what to do."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise AuthoredError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise AuthoredError(f"{path}: not UTF-8 text (byte {error.start})") from error
    return check(text, model, str(path))


def check(text: str, model: type[M], name: str) -> M:
    """Return the YAML text checked against `model`; errors as `read`."""
    value = parse(text, name)
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise AuthoredError("\n".join(_problems(error, text, name, model))) from error


def _problems(error: ValidationError, text: str, name: str, model: type[BaseModel]) -> list[str]:
    root = yaml.compose(text, yaml.SafeLoader)
    problems = []
    for item in error.errors(include_url=False, include_input=False):
        path = item["loc"]
        line, column = _place(root, path)
        hint = _suggestion(str(path[-1]), model) if item["type"] == "extra_forbidden" and len(path) == 1 else ""
        message = "unknown key" if item["type"] == "extra_forbidden" else item["msg"].removeprefix("Value error, ")
        problems.append(f"{name}:{line}:{column}: {'.'.join(map(str, path)) or 'file'}: {message}{hint}")
    return problems


def _suggestion(key: str, model: type[BaseModel]) -> str:
    near = get_close_matches(key, model.model_fields, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _place(node: yaml.Node | None, path: tuple[int | str, ...]) -> tuple[int, int]:
    """Return line and column of the deepest part of `path` that the file has."""
    mark = node.start_mark if node is not None else None
    for part in path:
        child: yaml.Node | None = None
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == str(part):
                    mark, child = key.start_mark, value
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            child = node.value[part]
            mark = child.start_mark
        if child is None:
            break
        node = child
    return (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
