from __future__ import annotations

import json
import sys
import unicodedata

import orjson
import pytest

from shared.incident.visible import one_line, visible
from tests.support.hostile import EVERYTHING, STEERING

SIGNS = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD, *range(0x13430, 0x13440)}
"""Of the format characters those that are signs themselves: of numbers, abbreviations, hieroglyphs."""


def test_every_character_that_unicode_calls_control_format_or_line_is_an_escape() -> None:
    for number in range(sys.maxunicode + 1):
        character = chr(number)
        if unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp") and number not in SIGNS:
            assert character in "\t\n\r" or visible(character).startswith("\\u"), hex(number)
            assert one_line(character).isascii(), hex(number)


@pytest.mark.parametrize("text", ["", "CPU über 90 % auf web-3", "日本語 \U0001f525 ⚠️", "a\n\tb", "\u00a0x\u2009y"])
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert visible(text) == text


@pytest.mark.parametrize("text", EVERYTHING)
def test_what_is_shown_on_one_line_neither_steers_nor_hides_nor_begins_another(text: str) -> None:
    assert not set(one_line(text)) & (STEERING | set("\t\n\r"))


@pytest.mark.parametrize("text", EVERYTHING)
def test_json_that_was_made_visible_means_the_same(text: str) -> None:
    shown = visible(orjson.dumps({text: [text]}).decode())
    assert json.loads(shown) == {text: [text]}
    assert not set(shown) & STEERING
