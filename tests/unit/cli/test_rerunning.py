from __future__ import annotations

from typing import Any

import orjson
import pytest

from cli.diagnosis import conclude_case
from cli.rerunning import differences, is_same, rerun
from services.diagnoser.domain.finding_out import Conclusion
from services.diagnoser.domain.gaps import gaps_of, with_gaps
from shared.errors import RefusedError
from shared.events.investigations import CollectorOutcome
from tests.support.cases import case, step

SAW = case({"shop/error_pct": step(20.0, -14)})
LOOKED = {"collector": "metrics", "outcome": "ok"}
FAILED = {"collector": "logs", "outcome": "timeout", "detail": "took too long"}


def kept(*collectors: dict[str, Any]) -> dict[str, Any]:
    """Return what the archive keeps of an investigation, as it comes over the wire."""
    gaps = gaps_of([CollectorOutcome.model_validate(one) for one in collectors])
    concluded = with_gaps(conclude_case(SAW), gaps).model_dump(mode="json")
    stored = {"id": "INC-1-i1", "case": SAW, "conclusion": concluded, "collectors": [*collectors]}
    return dict(orjson.loads(orjson.dumps(stored)))


def test_the_same_evidence_gives_the_same_bytes_gaps_included() -> None:
    stored = kept(LOOKED, FAILED)
    now = rerun(stored, conclude_case)
    assert is_same(stored["conclusion"], now)
    assert differences(stored["conclusion"], now) == []
    assert any(item["id"] == "gap-logs" for item in now["evidence"])


def test_what_another_catalogue_changes_is_told_with_the_catalogue_first() -> None:
    stored = kept(LOOKED)

    def otherwise(value: object) -> Conclusion:
        found = conclude_case(dict(SAW) if value else {})
        changed = {"catalogue_sha256": "other", "status": "inconclusive", "confidence": 0.2}
        return found.model_copy(update={"result": found.result.model_copy(update=changed)})

    now = rerun(stored, otherwise)
    assert not is_same(stored["conclusion"], now)
    told = differences(stored["conclusion"], now)
    assert told[0].startswith("result.catalogue_sha256: ")
    assert told[0].endswith(" -> other")
    assert any(line.startswith("result.confidence: ") and line.endswith("-> 0.2") for line in told)


def test_where_nobody_could_look_no_engine_is_asked_again() -> None:
    def nobody(_: object) -> Conclusion:
        raise AssertionError

    now = rerun(kept(FAILED), nobody)
    assert now["result"]["status"] == "inconclusive"


def test_what_a_model_said_is_not_kept_and_nobody_makes_it_up() -> None:
    stored = kept(LOOKED)
    stored["conclusion"]["result"]["engine"] = "anthropic"
    with pytest.raises(RefusedError, match="replies of a model are not kept"):
        rerun(stored, conclude_case)
