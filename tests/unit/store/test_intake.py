from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shared.store.intake import accept, mended, plain, read_message
from shared.store.model import Incoming, Lane
from shared.store.schema import seen_key


def test_an_id_counts_once_in_a_batch_and_each_resend_of_it_once() -> None:
    messages = [Incoming("doc/1", i, "t", b"{}", resend=n) for i, n in [("a", 0), ("a", 0), ("a", 1), ("b", 0)]]

    accepted = accept(messages, lambda _: Lane.URGENT)

    assert [(m.id, m.meta) for m in accepted] == [("a", ""), ("a", '{"resend":"1"}'), ("b", "")]
    assert {m.lane for m in accepted} == {Lane.URGENT}
    assert len({m.key for m in accepted}) == 3


def test_the_place_in_seen_never_changes() -> None:
    assert seen_key("diagnoser/incident/INC-1:7", 0).hex() == "359ea0b161e809bfe08fc68ec76e54ba"
    assert seen_key("diagnoser/incident/INC-1:7", 2).hex() == "4fdcf348f6b4058caedbae2d6260080c"


@given(st.text(alphabet=st.characters()))
def test_mended_text_is_what_both_databases_take(text: str) -> None:
    assert plain(mended(text)) == mended(text)
    assert mended(mended(text)) == mended(text)


def test_a_body_that_is_no_json_is_kept_as_text_with_the_reason() -> None:
    message, broken = read_message(3, "m", "t", b"\xffoops", '{"environment":"live"}')

    assert (message.seq, message.body, message.meta) == (3, "\ufffdoops", {"environment": "live"})
    assert broken is not None
    assert broken.startswith("body is no JSON: ")


def test_a_body_is_read_as_json() -> None:
    message, broken = read_message(3, "m", "t", b'{"a": [1, null]}', "")

    assert (message.body, message.meta, broken) == ({"a": [1, None]}, {}, None)
