"""Folders of cases and of what was true of them, plain or gzip."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from shared.errors import AuthoredError, NotFoundError

_GZIP = b"\x1f\x8b"


def read_object(path: Path) -> Mapping[str, Any]:
    """Return the JSON object of a file, plain or gzip. Raises AuthoredError when it holds none."""
    try:
        content = path.read_bytes()
        content = gzip.decompress(content) if content.startswith(_GZIP) else content
        value = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        place = f"{path}:{error.lineno}:{error.colno}"
        raise AuthoredError(f"{place}: not readable as JSON: {error.msg}") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise AuthoredError(f"{path}: not readable as gzip: {error}") from error
    except OSError as error:
        raise NotFoundError(f"{path}: {error.strerror}") from error
    if not isinstance(value, dict):
        raise AuthoredError(f"{path}: a JSON object is needed, this is {type(value).__name__}")
    return value


def case_files(folder: Path) -> list[Path]:
    """Return the `*.json` and `*.json.gz` of a folder in the order of their names. Raises NotFoundError for none."""
    found = sorted(path for path in folder.glob("*.json*") if path.name.endswith((".json", ".json.gz")))
    if not found:
        raise NotFoundError(f"{folder}: no *.json or *.json.gz in it")
    return found


def read_folder(folder: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Return id and content of each file; a file that names no `case_id` is called as itself."""
    for path in case_files(folder):
        value = read_object(path)
        name = value.get("case_id")
        yield name if isinstance(name, str) and name else path.name.split(".json")[0], value
