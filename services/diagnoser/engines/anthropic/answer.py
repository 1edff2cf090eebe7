"""What the model may answer when it is asked what is wrong. Ids are closed lists in its schema."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, ValidationError

from services.diagnoser.engines.anthropic.claims import CITES_MAX, Claim, claim_schema, strict
from services.diagnoser.engines.anthropic.client import GivenUpError
from services.diagnoser.engines.anthropic.ground import Ground
from shared.runbooks.model import Strict

CAUSES_MAX, FINDINGS_MAX, RULED_OUT_MAX = 3, 8, 5


class NamedCause(Strict):
    """A cause of the catalogue at an entity; `change` is the id of the change that is blamed, or empty."""

    cause: str
    entity: str
    change: str = ""
    cites: tuple[str, ...] = Field(min_length=1, max_length=CITES_MAX)


class Answer(Strict):
    """The whole answer."""

    status: Literal["diagnosed", "inconclusive", "no_active_fault"]
    causes: tuple[NamedCause, ...] = Field(default=(), max_length=CAUSES_MAX)
    findings: tuple[Claim, ...] = Field(default=(), max_length=FINDINGS_MAX)
    ruled_out: tuple[Claim, ...] = Field(default=(), max_length=RULED_OUT_MAX)


def read_answer(text: str) -> Answer:
    """Return an answer. Raises GivenUpError `garbage` for anything else."""
    try:
        return Answer.model_validate_json(text)
    except ValidationError as error:
        raise GivenUpError("garbage", f"no answer of the schema: {error.errors()[0]['type']}") from error


def schema(ground: Ground, entities: list[str]) -> dict[str, Any]:
    """Return the JSON schema of an answer about this case; `entities` as they are called towards the model."""
    changes = [name for name in ground.shown if name.startswith("C")]
    claim = claim_schema()
    cause = strict(
        {
            "cause": {"type": "string", "enum": ground.candidates()},
            "entity": {"type": "string", "enum": entities} if entities else {"type": "string"},
            "change": {"type": "string", "enum": ["", *changes]},
            "cites": claim["properties"]["cites"],
        }
    )
    return strict(
        {
            "status": {"type": "string", "enum": ["diagnosed", "inconclusive", "no_active_fault"]},
            "causes": {"type": "array", "items": cause},
            "findings": {"type": "array", "items": claim},
            "ruled_out": {"type": "array", "items": claim},
        }
    )
