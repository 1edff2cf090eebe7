"""Answers to questions about an incident, by code from what was gathered: every sentence cites what it rests on. Pure.

Nothing is concluded here. An answer repeats what the investigation and the timeline say, names what nobody looked at,
and says so when a question was not understood.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from services.diagnoser.domain.advice import Advice
from services.diagnoser.domain.asking import EXAMPLES, Meant, understand
from services.diagnoser.domain.knowing import Known, Sentence
from services.diagnoser.domain.replies import REPLIES
from shared.events.investigations import QuestionAnswered, SummarySentence

SENTENCES_MAX = 10
SENTENCE_MAX = 400
CITES_MAX = 8
STRANGE_MAX = 3


def answer(question_id: str, text: str, known: Known, *, asked_by: str) -> QuestionAnswered:
    """Return the answer to a question. `asked_by` is the id of the event that asked it. Same knowledge, same answer."""
    meant = understand(text, known.names)
    reply = REPLIES.get(meant.kind)
    if reply is None:
        said = "This is not a question that can be answered from what was gathered"
        sentences = [SummarySentence(text=f"{said}.", cites=(asked_by,))]
    else:
        sentences = list(_grounded([*_strange(meant, known), *reply(known, meant)], known))
        sentences = sentences or [
            SummarySentence(text="Nothing that can be cited says anything to it.", cites=known.now)
        ]
    return _answered(question_id, sentences, known, is_understood=reply is not None)


def with_advice(answered: QuestionAnswered, advice: Advice, known: Known, *, seen: str) -> QuestionAnswered:
    """Return an answer by code with what a model adds: its sentences first, and nothing of the code's lost.

    `seen` is the investigation whose evidence the model was told; another one may call other evidence by the same ids.
    """
    added = list(_grounded((Sentence(one.text, one.cites) for one in advice.sentences), known))
    why = advice.degraded
    if added and seen != answered.investigation_id:
        added, why = [], "stale: an investigation has ended meanwhile"
    if added:
        is_understood = not answered.can_ask
        kept = [*added, *(answered.sentences if is_understood else ())]
        once = {one.text: one for one in reversed(kept)}
        sentences = [one for one in kept if once.pop(one.text, None)][:SENTENCES_MAX]
        answered = _answered(answered.question_id, sentences, known, is_understood=True)
    return answered.model_copy(update={"engine": advice.engine, "degraded": why})


def _answered(
    question_id: str, sentences: Sequence[SummarySentence], known: Known, *, is_understood: bool
) -> QuestionAnswered:
    return QuestionAnswered(
        question_id=question_id,
        text=" ".join(sentence.text for sentence in sentences),
        cites=tuple(dict.fromkeys(cite for sentence in sentences for cite in sentence.cites)),
        not_checked=known.unlooked if is_understood else (),
        sentences=tuple(sentences),
        investigation_id=known.seen.investigation_id if known.seen else "",
        can_ask=() if is_understood else EXAMPLES,
    )


def _strange(meant: Meant, known: Known) -> Iterable[Sentence]:
    """Say of names that nothing known has that they are not known: an answer about something else is no answer."""
    for name in meant.strange[:STRANGE_MAX]:
        yield Sentence(f"Nothing that was gathered names {name}", known.now)


def _grounded(sentences: Iterable[Sentence], known: Known) -> Iterable[SummarySentence]:
    """Return the sentences with those citations that exist; one that rests on nothing is not said."""
    there = {entry.id for entry in known.story}
    there |= {item.id for item in known.seen.evidence} if known.seen else set()
    said: set[str] = set()
    for sentence in sentences:
        cites = tuple(dict.fromkeys(cite for cite in sentence.cites if cite in there))[:CITES_MAX]
        text = f"{sentence.text.rstrip('. ')[: SENTENCE_MAX - 1]}."
        if cites and text not in said and len(said) < SENTENCES_MAX:
            said.add(text)
            yield SummarySentence(text=text, cites=cites)
