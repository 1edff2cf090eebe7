"""What a model denies counts only with evidence of that very thing: nothing false is told, nothing true is refused."""

from __future__ import annotations

import itertools

import pytest

from services.diagnoser.domain.advice import Facts
from services.diagnoser.domain.case import read_case
from services.diagnoser.engines.anthropic.answer import Answer
from services.diagnoser.engines.anthropic.claims import Claim, Source
from services.diagnoser.engines.anthropic.denying import misstated
from services.diagnoser.engines.anthropic.gate import problems
from services.diagnoser.engines.anthropic.ground import Ground, ground_of
from services.diagnoser.engines.anthropic.page import Page
from services.diagnoser.engines.anthropic.veil import Veil
from services.diagnoser.engines.anthropic.wording import finding
from shared.incident.evidence import Evidence
from shared.telemetry.redacting import Redactor
from simulation.suite.dev import dev_suite
from tests.support.second_opinions import CATALOGUE, answer, ground

GROUND = ground()
RISING, CALM = "M02", "M07"
"""Memory of web-a, which leaks, and requests to shop, which are as ever."""


def told(source: Source, statement: str, *cites: str) -> str | None:
    """Return what people would read; None when the sentence is refused or dropped."""
    claim = Claim(statement=statement, cites=cites)
    if list(misstated(claim, source)):
        return None
    found = finding(claim, source)
    return found.statement if found else None


def test_the_case_is_the_one_the_tests_mean() -> None:
    rising, calm = GROUND.item(RISING), GROUND.item(CALM)
    assert rising is not None
    assert calm is not None
    assert (rising.entity, rising.active_now, calm.active_now) == ("web-a", True, False)
    assert calm.entity == "shop"


@pytest.mark.parametrize(
    "statement,cites,is_told",
    [
        pytest.param("memory of web-a has not grown", [RISING], False, id="what was measured denied"),
        pytest.param("memory of web-a is normal", [RISING], False, id="trouble called normal"),
        pytest.param("memory of web-a is normal", [CALM], False, id="calm elsewhere"),
        pytest.param("memory of web-a is normal", [RISING, CALM], False, id="calm elsewhere beside it"),
        pytest.param("no deploy happened", [RISING], False, id="what nobody can know"),
        pytest.param("no deploy happened", [CALM], False, id="what nobody can know, with something calm"),
        pytest.param("nothing has changed", [CALM], False, id="all of it denied"),
        pytest.param("memory of web-a fell", [RISING], False, id="the other way"),
        pytest.param("memory of web-a isn't higher", [RISING], False, id="in short"),
        pytest.param("memory of web-a is not known", [RISING], False, id="ignorance without a gap"),
        pytest.param("traffic of shop isn't normal", [CALM], False, id="calm called trouble"),
        pytest.param("memory never came down", [RISING], True, id="no fall of what rose"),
        pytest.param("memory of web-a is not normal", [RISING], True, id="trouble called so"),
        pytest.param("memory grows", [RISING], True, id="the way it went"),
        pytest.param("the lines never came before", ["L01", RISING], False, id="a log that came before in other words"),
    ],
)
def test_a_denial_needs_evidence_of_that_very_thing(statement: str, cites: list[str], *, is_told: bool) -> None:
    assert (told(GROUND, statement, *cites) == statement) is is_told


@pytest.mark.parametrize(
    "statement,cites,passes",
    [
        pytest.param("traffic of shop is normal", [CALM], True, id="what is calm"),
        pytest.param("something else at shop", [CALM], True, id="at a place that is calm"),
        pytest.param("deploy of shop: it did not reach web-a", ["C01", CALM], False, id="a reach that is only said"),
        pytest.param("a deploy of shop", ["C02"], True, id="a change that came later"),
        pytest.param("a deploy of shop", [RISING], False, id="a change that is not shown to be innocent"),
        pytest.param("memory of web-a", [RISING], False, id="what is out of order"),
        pytest.param("memory of web-a", [CALM], False, id="what is out of order, with what is calm elsewhere"),
        pytest.param("a leak", [CALM], False, id="what code suspects"),
        pytest.param("a leak", ["L01"], False, id="words of others"),
    ],
)
def test_what_a_model_rules_out_is_held_against_what_is_calm(statement: str, cites: list[str], *, passes: bool) -> None:
    given = answer(ruled_out=[{"statement": statement, "cites": cites}])
    assert (problems(Answer.model_validate(given), GROUND) == []) is passes


DENIALS = (
    "{what} of {place} is normal",
    "{what} of {place} stays normal and steady",
    "{what} of {place} did not rise",
    "{what} of {place} has never grown",
    "{what} of {place} fell",
    "{what} of {place} is not higher than before",
    "{what} of {place} isn't full",
    "no {what} grows at {place}",
    "without {what} of {place}",
    "nothing at {place} grows, nor {what}",
    "{what} of {place} has stopped",
    "{what} of {place} is not known",
    "{place} cannot have {what} grow",
    "neither {what} nor anything of {place} has increased",
)


@pytest.mark.slow
def test_no_rewriting_tells_that_what_is_out_of_order_is_in_order() -> None:
    wrong = [item for item in GROUND.items(GROUND.shown) if item.kind == "metric" and item.active_now]
    others = [name for name in GROUND.shown if name not in {item.id for item in wrong}]
    assert wrong
    assert others
    for item, denial in itertools.product(wrong, DENIALS):
        statement = denial.format(what=item.query, place=item.entity)
        for cites in ([item.id], *([item.id, other] for other in others), *([other] for other in others)):
            assert told(GROUND, statement, *cites) != statement, (statement, cites)


GOOD = ("memory of web-a only grows", "memory of web-a is higher than before and still grows", "web-a is nearly full")


@pytest.mark.parametrize("word", ["no", "not", "never", "nothing", "none", "without", "cannot", "neither", "hardly"])
def test_a_negation_put_anywhere_into_a_good_sentence_is_not_told(word: str) -> None:
    for sentence in GOOD:
        assert told(GROUND, sentence, RISING) == sentence
        words = sentence.split()
        for place in range(len(words)):
            hostile = " ".join([*words[:place], word, *words[place:]])
            assert told(GROUND, hostile, RISING) != hostile


class TestOfASmallStep:
    EVIDENCE = (
        Evidence(
            id="M01", kind="metric", entity="web-a", channel="memory", before=40, after=88, summary="memory 40 88"
        ),
        Evidence(id="M02", kind="metric", entity="shop", channel="latency", active_now=False, summary="latency 1 s"),
        Evidence(id="G01", kind="gap", channel="", trust="system", active_now=False, summary="not known: traffic"),
    )

    @pytest.mark.parametrize(
        "statement,cites,is_told",
        [
            pytest.param("latency of shop did not rise", ["M02"], True, id="what is calm did not rise"),
            pytest.param("memory of web-a did not rise", ["M02"], False, id="what is not calm"),
            pytest.param("traffic is not known", ["G01"], True, id="what was not measured is not known"),
            pytest.param("traffic did not rise", ["G01"], False, id="what was not measured may have risen"),
            pytest.param("memory is not known", ["G01"], False, id="something else was not measured"),
            pytest.param("memory of web-a fell", ["M01"], False, id="the other way"),
        ],
    )
    def test_a_denial_needs_evidence_of_that_very_thing(
        self, statement: str, cites: list[str], *, is_told: bool
    ) -> None:
        page = Page(Facts(incident_id="INC-A", evidence=self.EVIDENCE), CATALOGUE)
        page.pack(Veil(Redactor()))
        assert (told(page, statement, *cites) == statement) is is_told


@pytest.mark.slow
def test_nothing_that_code_found_in_any_made_up_incident_is_refused() -> None:
    count = 0
    for value, _ in dev_suite(1, poor=False):
        found = shown_whole(ground_of(read_case(value), CATALOGUE))
        for one in found.conclusion.result.findings:
            claim = Claim(statement=one.statement[:300], cites=one.cites)
            assert list(misstated(claim, found)) == [], (value["case_id"], one.statement)
            count += 1
    assert count > 200


def shown_whole(found: Ground) -> Ground:
    """Return a ground of which all evidence of the conclusion was shown."""
    for item in found.conclusion.evidence:
        found.show(item.id, item.summary)
    return found
