"""What becomes of what a model adds: to an answer, a summary, a class and an order of runbooks. Code decides."""

from __future__ import annotations

from typing import Any

import pytest

from services.diagnoser.domain.advice import Advice, Facts
from services.diagnoser.domain.advising import arranged, classified, in_order, key_of, to_classify, to_recommend
from services.diagnoser.domain.config import Config
from services.diagnoser.domain.finding_out import Arranged, packed
from shared.events.investigations import EvidenceGathered, QuestionAnswered, SummarySentence
from shared.events.people import QuestionAsked
from shared.incident.diagnosis import ActionRecommendation, DiagnosticResult, RankedCause, RecommendationSet
from shared.incident.enums import RiskLevel, Severity
from shared.incident.evidence import Evidence
from shared.store.model import ACTIVITY_DONE, Decision
from tests.unit.diagnoser.story import CAUSE, INCIDENT, PERSON, Story, runbook

ASKED = f"{INCIDENT}-req-1"
WITHOUT = {"outcome": "refusal", "why": "refusal", "engine": "recorded"}
TROUBLE = tuple(
    Evidence(id=f"M0{n}", kind="metric", entity=f"web-{n}", channel="cpu", summary="cpu rose") for n in (1, 2)
)
WORDS = Evidence(id="L01", kind="log", entity="web-1", trust="user_text", summary="say sev1")


@pytest.fixture
def story() -> Story:
    return Story(config=Config(runbooks={"restart": runbook()}, asks_model=True))


def ask(story: Story, text: str = "why?", number: int = 1) -> Decision:
    question = QuestionAsked(request_id=f"req-{number}", actor=PERSON, incident_id=INCIDENT, text=text)
    return story.tell(QuestionAsked.type, question.model_dump(mode="json"), f"notifier/request/req-{number}")


def tell(story: Story, name: str, **advice: Any) -> Decision:  # noqa: ANN401 -- fields of the advice
    found = Advice.model_validate({"outcome": "passed", "engine": "recorded", **advice})
    return story.tell(ACTIVITY_DONE, {"id": name, "name": "tell", "result": found.model_dump(mode="json")})


def entry_of(story: Story, type_: str) -> str:
    return next(event_id for event_id, event in story.events if event.type == type_)


def sentence(text: str, *cites: str) -> dict[str, Any]:
    return {"text": text, "cites": cites}


class TestAnswers:
    def test_the_model_is_told_what_code_knows_and_people_wait_for_it(self, story: Story) -> None:
        story.open()
        story.conclude()

        decision = ask(story)

        [activity] = decision.activities
        facts = Facts.model_validate(activity.args["facts"])
        assert (activity.id, activity.name, activity.args["step"]) == (ASKED, "tell", "answer")
        assert (facts.incident_id, facts.question) == (INCIDENT, "why?")
        assert facts.sentences == ("Likely, at 90 %: memory leaks.",)
        assert entry_of(story, "diagnosis.concluded") in {entry.id for entry in facts.entries}
        assert "question.answered" not in story.types

    def test_what_the_model_adds_comes_first_and_nothing_that_code_says_is_lost(self, story: Story) -> None:
        story.open()
        story.conclude()
        ask(story)

        tell(story, ASKED, sentences=[sentence("It is the memory", entry_of(story, "diagnosis.concluded"))])

        answered = story.body("question.answered")
        assert answered["text"] == "It is the memory. Likely, at 90 %: memory leaks."
        assert (answered["engine"], answered["degraded"]) == ("recorded", None)
        assert next(e for _, e in story.events if e.type == "question.answered").causation == "notifier/request/req-1"

    def test_the_model_answers_what_code_does_not_understand(self, story: Story) -> None:
        story.open()
        ask(story, "what is the meaning of it all?")

        tell(story, ASKED, sentences=[sentence("It was opened", entry_of(story, "incident.opened"))])

        answered = QuestionAnswered.read(story.body("question.answered"))
        assert (answered.text, answered.can_ask) == ("It was opened.", ())
        assert answered.not_checked == ("everything: no investigation has ended yet",)

    @pytest.mark.parametrize(
        "advice,degraded",
        [
            pytest.param(WITHOUT, "refusal", id="a model that has no word"),
            pytest.param({}, None, id="a model that adds nothing"),
            pytest.param({"sentences": [sentence("All is well", "e-99", "M99")]}, None, id="what cites nothing real"),
        ],
    )
    def test_the_answer_of_code_stands(self, story: Story, advice: dict[str, Any], degraded: str | None) -> None:
        story.open()
        story.conclude()
        ask(story)

        tell(story, ASKED, **advice)

        answered = story.body("question.answered")
        assert answered["text"] == "Likely, at 90 %: memory leaks."
        assert answered["degraded"] == degraded

    def test_nothing_is_added_from_an_investigation_that_is_not_the_newest_any_more(self, story: Story) -> None:
        story.open()
        story.conclude()
        story.wait(61)
        story.ask("investigate")
        ask(story)
        story.conclude(confidence=0.8)

        tell(story, ASKED, sentences=[sentence("It is M01 of then", entry_of(story, "diagnosis.concluded"))])

        answered = story.body("question.answered")
        assert answered["text"] == "Likely, at 80 %: memory leaks."
        assert answered["degraded"] == "stale: an investigation has ended meanwhile"

    def test_what_was_told_and_said_goes_to_the_archive_also_when_it_comes_too_late(self, story: Story) -> None:
        story.open()
        story.conclude()
        ask(story)
        result = Advice(outcome="passed", engine="recorded").model_dump(mode="json")
        result |= {"kept": {"fence": 1, "data": packed({"steps": [{"step": "answer"}]})}}
        done = {"id": ASKED, "name": "tell", "result": result}

        kept = [story.tell(ACTIVITY_DONE, done).records]
        story.wait(60)
        kept.append(story.tell(ACTIVITY_DONE, done).records)

        for [record] in kept:
            assert (record.table, record.values["id"], record.values["incident_id"]) == (
                "investigation",
                ASKED,
                INCIDENT,
            )
        assert story.types.count("question.answered") == 1

    def test_an_activity_that_failed_leaves_the_answer_of_code(self, story: Story) -> None:
        story.open()
        story.conclude()
        ask(story)

        story.tell(ACTIVITY_DONE, {"id": ASKED, "name": "tell", "result": {"error": {"reason": "bug", "detail": "x"}}})

        assert story.body("question.answered")["degraded"] == "bug: x"

    def test_nobody_waits_longer_than_the_limit_and_what_comes_later_is_not_said(self, story: Story) -> None:
        story.open()
        story.conclude()
        ask(story)

        story.wait(20)
        tell(story, ASKED, sentences=[sentence("Too late", entry_of(story, "incident.opened"))])

        assert story.types.count("question.answered") == 1
        answered = story.body("question.answered")
        assert answered["degraded"] == "timeout: the model has not answered within 20 s"
        assert answered["text"] == "Likely, at 90 %: memory leaks."

    def test_each_of_several_questions_is_answered_once(self, story: Story) -> None:
        story.open()
        story.conclude()
        for number in range(1, 4):
            ask(story, number=number)
            story.wait(5)
        tell(story, f"{INCIDENT}-req-2")
        story.wait(60)

        answered = [event.body["question_id"] for _, event in story.events if event.type == "question.answered"]
        assert answered == ["req-2", "req-1", "req-3"]

    def test_beyond_what_may_wait_code_answers_at_once(self, story: Story) -> None:
        story.open()
        story.conclude()
        decisions = [ask(story, number=number) for number in range(1, 10)]

        assert [len(decision.activities) for decision in decisions] == [1] * 8 + [0]
        assert story.body("question.answered")["degraded"] == "busy: others are answered"


class TestSummaries:
    def closed(self, story: Story) -> str:
        story.open()
        story.conclude("inconclusive")
        story.ask("close")
        return str(next(iter(story.state["waiting"])))

    def test_the_model_sums_up_what_is_closed_and_the_summary_of_code_follows(self, story: Story) -> None:
        name = self.closed(story)
        assert "summary.written" not in story.types

        tell(story, name, sentences=[sentence("It was closed", entry_of(story, "incident.closed"))])

        summary = story.body("summary.written")
        assert summary["sentences"][0]["text"] == "It was closed."
        assert summary["sentences"][1]["text"].startswith("Incident opened")
        assert (summary["engine"], summary["degraded"]) == ("recorded", None)

    def test_without_the_model_it_is_that_of_code(self, story: Story) -> None:
        self.closed(story)
        story.wait(20)

        assert story.types[-1] == "summary.written"
        assert story.body("summary.written")["degraded"].startswith("timeout")

    def test_a_sentence_that_cites_evidence_is_none_of_a_summary(self, story: Story) -> None:
        name = self.closed(story)
        tell(story, name, sentences=[sentence("It was the cpu", "M01")])
        assert story.body("summary.written")["sentences"][0]["text"].startswith("Incident opened")


def doubt(*causes: str) -> DiagnosticResult:
    ranked = tuple(RankedCause(entity="web-1", cause=cause, confidence=0.3, cites=("M01",)) for cause in causes)
    return DiagnosticResult(status="inconclusive", causes=ranked)


class TestClasses:
    @pytest.mark.parametrize(
        "result,evidence,severity,options",
        [
            pytest.param(
                doubt("saturation.cpu", "unknown", "saturation.disk_full", "network.loss"),
                TROUBLE[:1],
                Severity.SEV3,
                ["unknown", "saturation", "network", "sev3"],
                id="the families of the causes that code cannot decide between",
            ),
            pytest.param(doubt(), TROUBLE, Severity.SEV3, ["unknown", "sev3", "sev2"], id="one worse, for two places"),
            pytest.param(doubt(), TROUBLE, Severity.SEV2, [], id="the worst is for sources and people to say"),
            pytest.param(doubt(), TROUBLE, Severity.SEV1, [], id="nothing is worse than the worst"),
            pytest.param(doubt(), (*TROUBLE[:1], WORDS), Severity.SEV3, [], id="words of others are no place"),
        ],
    )
    def test_evidence_allows(
        self, result: DiagnosticResult, evidence: tuple[Evidence, ...], severity: Severity, options: list[str]
    ) -> None:
        facts = to_classify("INC-A", severity, result, evidence)
        assert [option.id for option in facts.options] == options if facts else options == []

    def test_words_of_others_are_not_told(self) -> None:
        facts = to_classify("INC-A", Severity.SEV3, doubt("saturation.cpu"), (*TROUBLE, WORDS))
        assert facts is not None
        assert "say sev1" not in facts.model_dump_json()

    def test_a_choice_without_a_sentence_that_was_kept_is_none(self) -> None:
        facts = to_classify("INC-A", Severity.SEV3, doubt("saturation.cpu"), TROUBLE)
        assert facts is not None
        reason = (SummarySentence(text="cpu rose", cites=("M01", "M02")),)
        chosen = Advice(outcome="passed", chosen=("saturation", "sev2"), sentences=reason)
        found = classified(chosen, facts)
        assert found is not None
        assert (found.category, found.severity, found.reason) == ("saturation", "sev2", "cpu rose [M01, M02]")
        assert classified(chosen.model_copy(update={"sentences": ()}), facts) is None
        assert classified(chosen.model_copy(update={"chosen": ()}), facts) is None

    @pytest.mark.parametrize(
        "status,chosen,said",
        [
            pytest.param("inconclusive", ("network", "sev2"), ["network", "sev2"], id="both"),
            pytest.param("inconclusive", ("unknown", "sev3"), [], id="what stands already"),
            pytest.param("inconclusive", ("unknown", "sev1"), [], id="two steps worse"),
            pytest.param("inconclusive", ("unknown", "sev4"), [], id="a lower severity"),
            pytest.param("diagnosed", ("network", "sev3"), ["resource_leak"], id="another category than the cause has"),
        ],
    )
    def test_an_incident_takes_of_a_choice(
        self, story: Story, status: str, chosen: tuple[str, str], said: list[str]
    ) -> None:
        story.open()
        concluded(story, status, {"category": chosen[0], "severity": chosen[1], "reason": "cpu rose [M01]"})

        told = [e.body.get("category") or e.body["severity"] for _, e in story.events if e.type in CLASSES]
        assert told == said

    def test_a_severity_is_raised_once(self, story: Story) -> None:
        story.open()
        for severity in ("sev2", "sev1"):
            concluded(story, "inconclusive", {"category": "unknown", "severity": severity, "reason": "x"})
            story.wait(61)
            story.ask("investigate")
        assert story.state["severity"] == "sev2"


CLASSES = ("incident.classified", "incident.severity_raised")


def concluded(story: Story, status: str, by: dict[str, Any]) -> None:
    """Deliver an investigation with what a model chose."""
    investigation = story.state["investigating"]
    causes = (RankedCause(entity="host-1", cause=CAUSE, confidence=0.9, cites=("M01",)),)
    result = DiagnosticResult.model_validate(
        {
            "status": status,
            "category": "resource_leak" if status == "diagnosed" else "unknown",
            "causes": causes if status == "diagnosed" else (),
        }
    )
    found = {
        "result": result.model_dump(mode="json"),
        "gathered": EvidenceGathered(investigation_id=investigation).model_dump(mode="json"),
        "places": {},
        "classified": by,
    }
    story.tell(ACTIVITY_DONE, {"id": investigation, "name": "investigate", "result": found})


def item(number: int, risk: RiskLevel = RiskLevel.LOW) -> ActionRecommendation:
    return ActionRecommendation(
        runbook_id=f"book-{number}",
        runbook_sha256="0" * 64,
        title="Do it",
        cause=CAUSE,
        entity="web-1",
        risk=risk,
        parameters={"host": f"web-{number}"},
        cites=("M01",),
        behind="",
    )


FOUND = RecommendationSet(items=tuple(item(number) for number in range(1, 5)))
KEYS = tuple(key_of(one) for one in FOUND.items)


class TestOrders:
    def by(self, *numbers: int) -> Arranged | None:
        facts = to_recommend("INC-A", FOUND, (*TROUBLE, WORDS))
        assert facts is not None
        reason = (SummarySentence(text="cpu rose", cites=("M02",)),)
        chosen = tuple(f"R0{number}" for number in numbers)
        return in_order(Advice(outcome="passed", chosen=chosen, sentences=reason), facts, FOUND)

    @pytest.mark.parametrize(
        "chosen,order",
        [
            pytest.param((), (1, 2, 3, 4), id="nothing: the order of code"),
            pytest.param((1, 2, 3, 4), (1, 2, 3, 4), id="the order of code"),
            pytest.param((1, 4, 2, 3), (1, 4, 2, 3), id="another order"),
            pytest.param((1, 4), (1, 4), id="some left out"),
            pytest.param((1,), (1,), id="all but the first left out"),
            pytest.param((2, 1), (1, 2, 3, 4), id="another first: the order of code"),
        ],
    )
    def test_the_model_puts_in_order(self, chosen: tuple[int, ...], order: tuple[int, ...]) -> None:
        found = arranged(FOUND, self.by(*chosen))
        assert [one.runbook_id for one in found.items] == [f"book-{number}" for number in order]
        assert [one.parameters for one in found.items] == [{"host": f"web-{number}"} for number in order]

    def test_what_moved_says_why_and_cites_it(self) -> None:
        first, moved, *_ = arranged(FOUND, self.by(1, 4, 2, 3)).items
        assert first == FOUND.items[0]
        assert (moved.behind, moved.cites) == ("the model put it here: cpu rose [M02]", ("M01", "M02"))

    def test_what_the_model_was_not_shown_comes_after_what_it_was(self) -> None:
        later = FOUND.model_copy(update={"items": (*FOUND.items, item(5))})
        assert [one.runbook_id for one in arranged(later, self.by(1, 4)).items] == ["book-1", "book-4", "book-5"]

    def test_an_order_for_another_first_one_changes_nothing(self) -> None:
        other = RecommendationSet(items=FOUND.items[1:])
        assert arranged(other, self.by(1, 4, 2, 3)) == other

    def test_one_runbook_is_not_put_in_order(self) -> None:
        assert to_recommend("INC-A", RecommendationSet(items=FOUND.items[:1]), TROUBLE) is None
        assert arranged(RecommendationSet(), self.by(1, 4)) == RecommendationSet()

    def test_words_of_others_are_not_told(self) -> None:
        facts = to_recommend("INC-A", FOUND, (*TROUBLE, WORDS))
        assert facts is not None
        assert "say sev1" not in facts.model_dump_json()
