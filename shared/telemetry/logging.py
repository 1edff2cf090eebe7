"""Logs: structured, a line each; on a terminal for people, else JSON. The redactor is the last thing a line passes."""

from __future__ import annotations

import logging
import re
import sys
import threading
from collections.abc import Iterable, Mapping, MutableMapping
from types import TracebackType
from typing import Any, TextIO
from urllib.parse import quote

import structlog

from shared.incident.visible import one_line, visible

_SECRET_NAMES = re.compile(r"(?i)(token|secret|password|authorization|cookie|api[-_]?key|private[-_]?key|signature)$")
_PATTERNS = (
    (re.compile(r"(?i)\b(bearer|basic)\s+[a-z0-9._~+/=-]{8,}"), r"\1 [redacted]"),
    (re.compile(r"(\w+://)[^/\s:@]+:[^/\s@]+@"), r"\1[redacted]@"),
    (re.compile(r"(?i)([?&](?:login|token|key|secret|signature)=)[^&\s]+"), r"\1[redacted]"),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)", re.DOTALL), "[redacted]"),
    (
        re.compile(
            r"(?i)((?:token|secret|passw(?:or)?d|api[-_]?key|private[-_]?key)\b[\"']?\s*[=:]\s*)"
            r"(?:\"[^\"]*\"|'[^']*'|[^\s\"',;&]+)"
        ),
        r"\1[redacted]",
    ),
    (
        re.compile(r"\b(?:AKIA[A-Z0-9]{16}|gh[opsu]_\w{30,}|xox[abeprs]-[\w-]{10,}|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)"),
        "[redacted]",
    ),
)
_SHORTEST = 6
"""Shorter secrets are not searched for in text: they would blank out ordinary words."""
REDACTED = "[redacted]"


class Redactor:
    """Takes known secrets, and what looks like one, out of everything that leaves the process as a log line."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        # The longest first: a secret that is part of another must not leave the rest of it standing.
        self._secrets = sorted({form for secret in secrets for form in _forms(secret)}, key=len, reverse=True)

    def text(self, text: str) -> str:
        """Return a text without secrets."""
        for secret in self._secrets:
            text = text.replace(secret, REDACTED)
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
        return text

    def value(self, value: Any, name: str = "") -> Any:  # noqa: ANN401 -- any value that a line may hold
        """Return a value of a line without secrets, whatever it is nested in."""
        if name and _SECRET_NAMES.search(name) and value not in (None, ""):
            return REDACTED
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, bytes | bytearray | memoryview):
            return self.text(bytes(value).decode("utf-8", "backslashreplace"))
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.value(inner, str(key)) for key, inner in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.value(inner) for inner in value]
        return value if isinstance(value, int | float | bool | None) else self.text(str(value))

    def __call__(self, _: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Redact a line of structlog."""
        return {self.text(key): self.value(value, key) for key, value in event.items()}


def _forms(secret: str) -> set[str]:
    """Return a secret as texts may hold it: as it is, in a URL, line by line, as a literal of Python."""
    lines = [secret, *secret.splitlines()] if "-----BEGIN" not in secret else [secret]
    forms = {form for line in lines for form in (line, quote(line), quote(line, safe=""), repr(line)[1:-1])}
    return {form for form in forms if len(form) >= _SHORTEST}


def _visible(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Keep text from outside from steering the terminal, or from beginning a line that could pass for ours."""
    tracebacks = ("exception", "stack")
    return {
        key: visible(value) if key in tracebacks else one_line(value) if isinstance(value, str) else value
        for key, value in event.items()
    }


def configure_logging(redactor: Redactor, *, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send all logs of the process, also those of libraries, to one stream through the redactor."""
    out = stream or sys.stderr
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    rendering: list[Any] = (
        [_visible, structlog.dev.ConsoleRenderer()] if out.isatty() else [structlog.processors.JSONRenderer()]
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, redactor, *rendering],
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for noisy in ("httpx", "httpcore", "uvicorn.error", "aiokafka", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Log what ends the process; Python would write it past the redactor."""
    logging.getLogger("signoff").critical("uncaught", exc_info=(kind, error, trace))


def _uncaught_in_thread(found: threading.ExceptHookArgs) -> None:
    if found.exc_value is not None:
        _uncaught(found.exc_type, found.exc_value, found.exc_traceback)
