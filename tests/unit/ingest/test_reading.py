"""JSON that is read quickly means what it means when it is read with care."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.parsed import NotUnderstood
from services.ingest.domain.reading import _read_lenient, _read_strict, read_json

TEXT = st.text(max_size=12) | st.sampled_from(["a:b", '":"', ":", "\\", "\\u003a", "9" * 19, '"' + "9" * 20])
NUMBERS = st.integers() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(value=VALUES, escaped=st.booleans(), spaced=st.sampled_from([(",", ":"), (" , ", " : "), (",", ": ")]))
def test_both_ways_read_the_same(*, value: object, escaped: bool, spaced: tuple[str, str]) -> None:
    body = json.dumps(value, ensure_ascii=escaped, separators=spaced).encode("utf-8", "replace")
    quick = _read_strict(body)
    assert quick is None or repr(quick) == repr(_read_lenient(body))
    assert repr(read_json(body)) == repr(_read_lenient(body))


@given(pairs=st.lists(st.tuples(st.sampled_from(["a", "b", ":", '":', "c:d"]), VALUES), min_size=2, max_size=5))
def test_a_name_that_stands_twice_is_seen_whatever_stands_around_it(pairs: list[tuple[str, object]]) -> None:
    object_ = ",".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in pairs)
    body = f'{{"outer": [{{{object_}}}]}}'.encode()
    names = [name for name, _ in pairs]
    if len(set(names)) == len(names):
        assert repr(read_json(body)) == repr(json.loads(body))
    else:
        with pytest.raises(NotUnderstood, match="duplicate_name"):
            read_json(body)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(rb'{"a": 1, "a": "\u003a"}', id="a name that stands twice, and an escaped colon in its place"),
        pytest.param(rb'{"a": 1, "a": ""}', id="a name that stands twice"),
        pytest.param(rb'{"\u0061": 1, "a": 2}', id="a name that stands twice, once escaped"),
        pytest.param(b'{"a": {"b": 1, "c": {}, "b": {}}}', id="a name that stands twice further inside"),
        pytest.param(b'{"a": 18446744073709551617}', id="a whole number that a float would round"),
        pytest.param(b'{"a": -9223372036854775809}', id="a whole number below all that has 64 bits"),
        pytest.param(b'{"a": NaN}', id="no number"),
        pytest.param(b'{"a": 1e999}', id="a number beyond all"),
        pytest.param(b'{"a": "\x01"}', id="a raw control character"),
        pytest.param(rb'{"a": "\ud83d"}', id="half a character"),
        pytest.param(b'{"a": }', id="an empty value"),
        pytest.param(b'\xef\xbb\xbf{"a": 1}', id="a byte order mark"),
        pytest.param(b"a=1", id="a form"),
        pytest.param(b"[" * 300 + b"]" * 300, id="deep nesting"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_what_leaves_something_to_guess_is_read_with_care(body: bytes) -> None:
    assert _read_strict(body) is None


def test_a_long_number_in_quotes_is_text_and_needs_no_care() -> None:
    assert _read_strict(b'{"id": "18446744073709551617"}') == {"id": "18446744073709551617"}
