"""Secrets are taken out: those that are known by their value, and those that are known by their form or their name.

What has neither a known value, nor a form, nor a name beside it (a bare word that somebody uses as a password) cannot
be told from other text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any
from urllib.parse import quote

REDACTED = "[redacted]"

_WORDS = (
    *("token", "secret", "password", "passwd", "passphrase", "pwd", "credential", "credentials"),
    *("cookie", "authorization", "signature"),
)
_OWNERS = (
    *("api", "app", "application", "access", "account", "auth", "client", "encryption", "private", "secret", "session"),
    *("shared", "signing", "ssh", "storage"),
)
_KEYS = re.compile(rf"(?:(?:{'|'.join(_OWNERS)})[-_ ]?key(?:[-_ ]?id)?|session[-_]?id)$")
_NAME_MAX = 40
_GIVEN = re.compile(r"""(?<![\w-])([\w-]++)[\\"']*+\s*+[=:]\s*+""")
"""A name and what stands between it and its value."""
_VALUE = re.compile(
    r"""(\\*["'])(?:\\?[^\n])*?(?:\1|$)|(?i:(?:apikey|basic|bearer|digest|geniekey|splunk|token)\s+)?[^\s"']+""",
    re.MULTILINE,
)
"""A value in quotes, which may be escaped or not end; or a word, with or without the scheme of a header before it."""
_DONE = re.compile(rf"""[\\"']*(?:\w+ )?{re.escape(REDACTED)}[\\"']*""")
_COOKIES = re.compile(r"""(?i)(cookie["']?\s*[:=]\s*["']?)[^\r\n"']+""")
_TOKENS = (
    *("akia", "asia", "gho_", "ghp_", "ghr_", "ghs_", "ghu_", "github_pat_", "glpat-", "xox", "xapp-", "k_live_"),
    *("k_test_", "sk-", "aiza", "ya29.", "hvb.", "hvs.", "npm_", "pypi-", "sg.", "whsec_", "eyj"),
)
_FORMS = (
    (("bearer", "basic"), re.compile(r"(?i)\b(bearer|basic)\s+[a-z0-9._~+/=-]{8,}"), rf"\1 {REDACTED}"),
    (("@",), re.compile(r"(//)[^/\s@]+@"), rf"\1{REDACTED}@"),
    (
        ("?", "&"),
        re.compile(r"(?i)([?&][\w.-]{0,40}(?:login|token|key|secret|sig|signature|password|auth)=)[^&\s\"'\\]+"),
        rf"\1{REDACTED}",
    ),
    (
        ("token", "key", "secret", "password"),
        re.compile(r"(?i)(\s--?[\w-]{0,40}(?:token|key|secret|password)\s+)[^\s-]\S*"),
        rf"\1{REDACTED}",
    ),
    (
        ("-----begin ",),
        re.compile(
            r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY[A-Z ]{0,20}-----.*?"
            r"(?:-----END [A-Z ]{0,40}PRIVATE KEY[A-Z ]{0,20}-----|$)",
            re.DOTALL,
        ),
        REDACTED,
    ),
    (("hooks.slack.com/services/",), re.compile(r"(hooks\.slack\.com/services/)[\w/]+"), rf"\1{REDACTED}"),
    (
        _TOKENS,
        re.compile(
            r"\b(?:A[KS]IA[A-Z0-9]{16}|gh[oprsu]_\w{30,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[abeoprs]-[\w-]{10,}"
            r"|xapp-[\w-]{10,}|[rs]k_(?:live|test)_\w{16,}|sk-[\w-]{20,}|AIza[\w-]{30,}|ya29\.[\w-]{20,}"
            r"|hv[bs]\.[\w-]{20,}|npm_\w{30,}|pypi-[\w-]{30,}|SG\.[\w-]{16,}\.[\w-]{16,}|whsec_[\w+/=-]{16,}"
            r"|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)"
        ),
        REDACTED,
    ),
)
"""Of each form what any text has that holds one, in lower case; a pattern is only tried where there is such a sign."""
_SHORTEST = 6
"""Shorter secrets are not searched for in text: they would blank out ordinary words."""


class Redactor:
    """Takes known secrets, and what looks like one, out of what leaves the place where secrets may be."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        # The longest first: a secret that is part of another must not leave the rest of it standing.
        self._secrets = sorted({form for secret in secrets for form in _forms(secret)}, key=len, reverse=True)

    def text(self, text: str) -> str:
        """Return a text without secrets; redacting it again changes nothing."""
        for secret in self._secrets:
            text = text.replace(secret, REDACTED)
        # Beyond ASCII a pattern knows more ways to write a letter than lower case does, so all of them are tried.
        signs = text.lower() if text.isascii() else None
        for hints, pattern, replacement in _FORMS:
            if signs is None or _has_any(signs, hints):
                text = pattern.sub(replacement, text)
        if "ookie" in text or "OOKIE" in text:
            text = _COOKIES.sub(rf"\1{REDACTED}", text)
        return _without_named(text) if signs is None or _may_name(signs) else text

    def value(self, value: Any, name: str = "") -> Any:  # noqa: ANN401 -- any value that a line may hold
        """Return a value of a line without secrets, whatever it is nested in."""
        if _is_secret(name) and value not in (None, ""):
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


def _may_name(signs: str) -> bool:
    """Say whether there may be a name of a secret in a text, in lower case."""
    return _has_any(signs, _WORDS) or (("key" in signs or "session" in signs) and _has_any(signs, _OWNERS))


def _has_any(text: str, parts: Iterable[str]) -> bool:
    for part in parts:  # noqa: SIM110 -- `any` over a generator takes three times as long, and each delivery is looked at
        if part in text:
            return True
    return False


def _without_named(text: str) -> str:
    """Return a text without the values that stand behind a name such as `api_key=`."""
    parts: list[str] = []
    done = 0
    for given in _GIVEN.finditer(text):
        end = given.end(1)
        if given.start() < done or not _is_secret(text[max(done, end - _NAME_MAX) : end]):
            continue
        value = _VALUE.match(text, given.end())
        if value is not None and value[0].strip("\\\"'") and not _DONE.fullmatch(value[0]):
            parts += [text[done : given.end()], REDACTED]
            done = value.end()
    return "".join([*parts, text[done:]]) if parts else text


def _is_secret(name: str) -> bool:
    """Say whether a name is one of secrets; its end tells."""
    end = name.rstrip("\\\"' ")[-_NAME_MAX:].lower()
    return end.endswith(_WORDS) or (end.endswith(("key", "id")) and _KEYS.search(end) is not None)


def _forms(secret: str) -> set[str]:
    """Return a secret as texts may hold it: as it is, in a URL, line by line, as a literal of Python."""
    lines = [secret, *secret.splitlines()] if "-----BEGIN" not in secret else [secret]
    forms = {form for line in lines for form in (line, quote(line), quote(line, safe=""), repr(line)[1:-1])}
    return {form for form in forms if len(form) >= _SHORTEST}
