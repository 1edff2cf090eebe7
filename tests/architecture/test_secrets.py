"""Secrets are compared in constant time, wherever somebody else gives the other side."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
PACKAGES = ("services", "shared")
SECRET = re.compile(r"(?i)(^|_)(secret|token|signature|password|csrf|mac|hmac)s?$")
HARMLESS = {"", 0, None}
"""To ask whether there is one at all tells nobody what it is."""


def told_apart(source: str) -> Iterator[tuple[int, str]]:
    """Yield (line, name) of comparisons by `==`, `!=` or `in` of what is named like a secret."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare) and any(isinstance(op, ast.Eq | ast.NotEq) for op in node.ops):
            sides = [node.left, *node.comparators]
            if any(isinstance(side, ast.Constant) and side.value in HARMLESS for side in sides):
                continue
            for side in sides:
                name = side.attr if isinstance(side, ast.Attribute) else side.id if isinstance(side, ast.Name) else ""
                if SECRET.search(name):
                    yield node.lineno, name


def test_no_code_compares_a_secret_with_an_operator_that_stops_at_the_first_difference() -> None:
    found = [
        f"{path.relative_to(PROJECT)}:{line}: {name}"
        for package in PACKAGES
        for path in sorted((PROJECT / package).rglob("*.py"))
        for line, name in told_apart(path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize("line", ["given == token", "self.secret != x", "a.signature == b", "csrf == form['csrf']"])
def test_the_check_finds_a_comparison(line: str) -> None:
    assert list(told_apart(line))
