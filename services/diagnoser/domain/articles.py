"""Articles beside a conclusion: evidence that can be cited and read, and that supports no cause. Pure.

An article says what somebody once wrote, not what is so now. So it is given to people, answers and models as text, and
no confidence rests on it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from services.diagnoser.domain.finding_out import Conclusion
from services.diagnoser.domain.gathering import CaseJSON
from shared.incident.evidence import SUMMARY_MAX, Evidence


def with_articles(conclusion: Conclusion, case: CaseJSON) -> Conclusion:
    """Return a conclusion whose evidence holds the articles that were found."""
    found = {item.id: item for item in map(_evidence, case.get("articles", ()))}
    return conclusion.model_copy(update={"evidence": (*conclusion.evidence, *found.values())})


def _evidence(article: Mapping[str, Any]) -> Evidence:
    title, link, text = (" ".join(str(article[name]).split()) for name in ("title", "link", "text"))
    digest = hashlib.sha256(f"{link}\n{title}".encode()).hexdigest()[:8]
    return Evidence(
        id=f"article-{digest}",
        kind="article",
        channel="knowledge",
        trust="user_text",
        active_now=False,
        summary=_cut(f"{title} ({link}): {text}"),
        query=link,
    )


def _cut(text: str) -> str:
    return text if len(text) <= SUMMARY_MAX else f"{text[: SUMMARY_MAX - 1].rstrip()}…"
