from __future__ import annotations

from shared.store.sqlite import known
from shared.store.sqlite.known import InboxRow, Known, StateRow


def letter(aggregate: str, seq: int, body: bytes = b"{}") -> InboxRow:
    return (aggregate, seq, f"m{seq}", "said", body, "", 0.0)


def state(aggregate: str, text: str) -> StateRow:
    return (aggregate, text, 1, 0, 0, b"", "{}")


def numbers(of: Known, aggregate: str) -> list[int]:
    return [row[1] for row in of.inbox(aggregate)]


def test_what_was_written_is_known_until_it_is_forgotten() -> None:
    one = Known()

    one.saved([state("doc/1", "{}"), state("doc/1", '{"n":1}')])
    one.kept([letter("doc/1", 7)])

    assert one.state("doc/1") == state("doc/1", '{"n":1}')
    assert numbers(one, "doc/1") == [7]
    one.forget()
    assert one.state("doc/1") is None
    assert numbers(one, "doc/1") == []


def test_messages_of_an_inbox_follow_on_one_another_and_go_when_they_are_decided() -> None:
    one = Known()

    one.kept([letter("doc/1", 1), letter("doc/1", 2), letter("doc/2", 5)])
    one.kept([letter("doc/1", 3)])
    one.decided("doc/1", 2)

    assert numbers(one, "doc/1") == [3]
    assert numbers(one, "doc/2") == [5]
    one.decided("doc/1", 3)
    assert numbers(one, "doc/1") == []


def test_after_a_gap_only_the_messages_behind_it_are_known() -> None:
    one = Known()

    one.kept([letter("doc/1", 1), letter("doc/1", 2)])
    one.kept([letter("doc/1", 9)])

    assert numbers(one, "doc/1") == [9]


def test_more_than_fits_is_forgotten_and_what_went_makes_room() -> None:
    one, half = Known(), b"x" * (known.BYTES_MAX // 2)

    for seq in range(1, 9):
        one.kept([letter("doc/1", seq, half)])
        one.decided("doc/1", seq)
        one.saved([state("doc/1", half.decode())])
    assert one.state("doc/1")

    one.kept([letter("doc/1", 9, half), letter("doc/1", 10, half)])
    assert one.state("doc/1") is None
    assert numbers(one, "doc/1") == []
