"""Secrets are taken out: those that are known by their value, and those that are known by their form or their name.

What has neither a known value, nor a form, nor a name beside it (a bare word that somebody uses as a password) cannot
be told from other text.
"""

from __future__ import annotations

import base64
import json
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
_NUMBERED = re.compile(r"[-_]?v?\d{1,3}$|[-_](?:base64|b64|current|live|new|old|previous|prod|value)$")
"""What may follow a name: `password2`, `token_old`, `API_KEY_V2`."""
_PASSES = ("_pass", "-pass")
_NAME_MAX = 40
_COLOUR = r"(?:(?:\x1b|\\u001b)?\[[\d;]{0,9}m){0,4}+"
_QUOTES = r"(?:[\\\"'\]]|&quot;)*+(?:(?<=\\)(?:u0022|[nrt]\s++))?"
"""What may follow a name is bounded, or holds no name itself: else each name in it would look through all of it."""
_GIVEN = re.compile(
    rf"""(?<![\w-])([\w-]++){_COLOUR}
    (?:{_QUOTES}\s*+(?:[=:]{{1,2}}>?|%3[ad])|{_QUOTES},?\s*+{_QUOTES}(?<!\w)value{_QUOTES}\s*+[=:]|\\*["'],(?=\s*+b?[\\"']))
    \s*+(?:[|>][-+]?[^\S\n]*+(?:\n|\\n)\s*+)?""",
    re.VERBOSE | re.IGNORECASE,
)
"""A name and what stands between it and its value, also in pairs, calls, tables, YAML blocks and queries in a query."""
_SCHEME = r"(?i:(?:apikey|basic|bearer|digest|geniekey|splunk|token)\s+)?"
_VALUE = re.compile(
    rf"""{_COLOUR}b?+(?:{_SCHEME}{re.escape(REDACTED)}(?!\w)|(\\*["'])(?:\\?[^\n])*?(?:\1|$)
    |\[[^\[\]\n]*(?:\]|$)|\{{[^{{}}]{{0,2000}}\}}|[\[{{(](?=\s*[\\"'\[{{(]).*
    |{_SCHEME}[^\s"']*[^\s"',;)\]}}\\])""",
    re.MULTILINE | re.VERBOSE,
)
"""A value in quotes, which may be escaped or not end; in brackets; or a word, with or without a header's scheme."""
_DONE = re.compile(rf"""[\\"']*{_SCHEME}{re.escape(REDACTED)}[\\"']*""")
_COOKIES = re.compile(r"""(?i)(cookie["']?\s*[:=]\s*["']?)[^\r\n"']+""")
_TOKENS = (
    *("akia", "asia", "gho_", "ghp_", "ghr_", "ghs_", "ghu_", "github_pat_", "glpat-", "xox", "xapp-", "k_live_"),
    *("k_test_", "sk-", "aiza", "ya29.", "hvb.", "hvs.", "npm_", "pypi-", "sg.", "whsec_", "eyj"),
    *("atatt3", "dop_v1_", "hf_", "shpat_"),
)
_FORMS = (
    (("bearer", "basic"), re.compile(r"(?i)\b(bearer|basic)\s+[a-z0-9._~+/=-]{8,}"), rf"\1 {REDACTED}"),
    (("@",), re.compile(r'(//)(?:[^/\s"]+|[^/\s"@:]{0,100}:(?!\d{1,5}[/?#])[^\s"@]{1,200})@'), rf"\1{REDACTED}@"),
    ((":thin:",), re.compile(r"(?i)(:thin:[^/\s@]{1,100}/)[^@\s]{1,200}@"), rf"\1{REDACTED}@"),
    (
        ("-u ", "--user "),
        re.compile(r"""((?<![\w-])(?:-u|--user)\s+["']?[\w.@-]{1,100}:)[^\s"']+"""),
        rf"\1{REDACTED}",
    ),
    (
        ("</",),
        re.compile(r"(?i)(<[\w:.-]{0,40}(?:token|secret|passw(?:or)?d|pwd|key|credential)(?:\s[^<>]{0,200})?>)[^<]+"),
        rf"\1{REDACTED}",
    ),
    (
        ("?", "&"),
        re.compile(r"(?i)([?&][\w.-]{0,40}(?:login|token|key|secret|sig|signature|password|auth)=)[^&\s\"'\\]+"),
        rf"\1{REDACTED}",
    ),
    (
        ("token", "key", "secret", "password"),
        re.compile(
            r"""(?i)((?<![\w-])--?[\w-]{0,40}(?:token|key|secret|password)\s+)(?:"[^"\n]+"|'[^'\n]+'|(?!\[red)[^\s"'-][^\s"']*)"""
        ),
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
    (
        ("hooks.slack.com/", "/api/webhooks/", "office.com/webhook", "api.telegram.org/bot"),
        re.compile(
            r"(?i)((?:hooks\.slack\.com/(?:services|triggers|workflows)|/api/webhooks|office\.com/webhook\w{0,2})/"
            r"|api\.telegram\.org/bot)[\w/:@.-]+"
        ),
        rf"\1{REDACTED}",
    ),
    (
        _TOKENS,
        re.compile(
            r"\b(?:A[KS]IA[A-Z0-9]{16}|gh[oprsu]_\w{30,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[abeoprs]-[\w-]{10,}"
            r"|xapp-[\w-]{10,}|[rs]k_(?:live|test)_\w{16,}|sk-[\w-]{20,}|AIza[\w-]{30,}|ya29\.[\w-]{20,}"
            r"|ATATT3[\w=-]{20,}|dop_v1_\w{30,}|hf_\w{30,}|shpat_\w{30,}|hv[bs]\.[\w-]{20,}|npm_\w{30,}|pypi-[\w-]{30,}|SG\.[\w-]{16,}\.[\w-]{16,}|whsec_[\w+/=-]{16,}"
            r"|eyJ[\w-]{8,1000}\.[\w-]{8,}\.[\w-]*)"
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
    return (
        _has_any(signs, _WORDS)
        or _has_any(signs, _PASSES)
        or (("key" in signs or "session" in signs) and _has_any(signs, _OWNERS))
    )


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
        end, is_inside = given.end(1), given.start() < done
        if given.end() < done or not _is_secret(text[max(0 if is_inside else done, end - _NAME_MAX) : end]):
            continue
        value = _VALUE.match(text, given.end())
        if value is None or not value[0].strip("\\\"'") or _DONE.fullmatch(value[0]):
            continue
        if not is_inside:
            parts += [text[done : given.end()], REDACTED]
        done = max(done, value.end())  # What was taken for a value may end with a name, whose value goes with it.
    return "".join([*parts, text[done:]]) if parts else text


def _is_secret(name: str) -> bool:
    """Say whether a name is one of secrets; its end tells."""
    end = _NUMBERED.sub("", name.rstrip("\\\"' ")[-_NAME_MAX:].lower())
    return end.endswith((*_WORDS, *_PASSES)) or (end.endswith(("key", "id")) and _KEYS.search(end) is not None)


def _forms(secret: str) -> set[str]:
    """Return a secret as texts may hold it: as it is, line by line, in a URL, as a literal of a language, in base64."""
    lines = [secret, *secret.splitlines()] if "-----BEGIN" not in secret else [secret]
    forms = {
        form
        for line in lines
        for form in (
            line,
            quote(line),
            quote(line, safe=""),
            repr(line)[1:-1],
            json.dumps(line)[1:-1],
            line.replace("/", r"\/"),
            _base64(line),
        )
    }
    return {form for form in forms if len(form) >= _SHORTEST}


def _base64(text: str) -> str:
    """Return what base64 makes of a text and of nothing else: its last character may hold more of what follows."""
    return base64.b64encode(text.encode(errors="replace")).decode().rstrip("=") if len(text) >= _SHORTEST else ""
