from __future__ import annotations

import pytest

from services.diagnoser.domain.asking import EXAMPLES, KINDS, understand

NAMES = {"checkout", "orders", "orders-db", "web-3", "latency", "cpu", "deps"}

QUESTIONS = [
    ("Why is checkout slow?", "cause", ("checkout",), ()),
    ("what is the root cause", "cause", (), ()),
    ("what broke orders-db", "cause", ("orders-db",), ()),
    ("did any other service deploy?", "change", (), ()),
    ("What changed on web-3 before it began?", "change", ("web-3",), ()),
    ("Which alerts fired?", "alerts", (), ()),
    ("which log lines are new", "logs", (), ()),
    ("any errors in checkout?", "logs", ("checkout",), ()),
    ("what evidence is there about cpu", "evidence", ("cpu",), ()),
    ("orders-db?", "evidence", ("orders-db",), ()),
    ("how is latency", "evidence", ("latency",), ()),
    ("what is affected?", "affected", (), ()),
    ("Which services suffer?", "affected", (), ()),
    ("what was done so far", "done", (), ()),
    ("status", "done", (), ()),
    ("what is going on", "done", (), ()),
    ("who approved this?", "approval", (), ()),
    ("was it approved", "approval", (), ()),
    ("who is on call?", "people", (), ()),
    ("what happens next?", "next", (), ()),
    ("What should we do?", "next", (), ()),
    ("what can be done about checkout by hand?", "next", ("checkout",), ()),
    ("what must never be done?", "next", (), ()),
    ("what must we not do?", "next", (), ()),
    ("is it over?", "over", (), ()),
    ("is it still firing?", "over", (), ()),
    ("how sure are you, and why?", "confidence", (), ()),
    ("has this happened before?", "history", (), ()),
    ("have we seen this before", "history", (), ()),
    ("is anything written about it?", "articles", (), ()),
    ("is there a post-mortem?", "articles", (), ()),
    ("how long did it take?", "duration", (), ()),
    ("what was not checked?", "missing", (), ()),
    ("what was ruled out?", "excluded", (), ()),
    ("why is payments-db slow?", "cause", (), ("payments-db",)),
    ("is web-77 affected", "affected", (), ("web-77",)),
    ("web-77", "evidence", (), ("web-77",)),
    ("", "", (), ()),
    ("hello there", "", (), ()),
    ("restart everything now", "", (), ()),
]


@pytest.mark.parametrize(
    "text, kind, named, strange", QUESTIONS, ids=[question[0] or "nothing" for question in QUESTIONS]
)
def test_a_question_is_understood_as(text: str, kind: str, named: tuple[str, ...], strange: tuple[str, ...]) -> None:
    meant = understand(text, NAMES)

    assert (meant.kind, meant.named, meant.strange) == (kind, named, strange)


@pytest.mark.parametrize("kind, example", [(name, kind.example) for name, kind in KINDS.items()])
def test_what_it_says_can_be_asked_is_understood(kind: str, example: str) -> None:
    assert understand(example.replace("NAME", "checkout"), NAMES).kind == kind
    assert example in EXAMPLES


def test_the_name_of_a_place_is_no_word_of_a_question() -> None:
    assert understand("change-log", {"change-log"}).kind == "evidence"


@pytest.mark.parametrize("text", ["seen " * 100, "a-" * 249 + "b", "who is " * 71])
def test_a_question_as_long_as_it_may_be_is_still_one_of_the_kinds(text: str) -> None:
    assert understand(text, NAMES).kind in {"evidence", "people", ""}
