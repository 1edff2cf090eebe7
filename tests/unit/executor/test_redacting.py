from __future__ import annotations

from typing import Any

from services.executor.handlers.redacting import redacted
from shared.store.port import Claimed
from shared.telemetry.redacting import Redactor

SECRET = "correct-horse"


async def renew() -> bool:
    return True


async def told(**result: Any) -> str:  # noqa: ANN401 -- any JSON value
    async def handler(_: Claimed, __: object) -> dict[str, Any]:
        return result

    claimed = Claimed("a1", "incident/INC-A", "repeatable", "recheck", {}, 1, 90.0)
    return repr(await redacted(handler, Redactor([SECRET]))(claimed, renew))


async def test_what_was_read_before_a_step_and_for_a_condition_is_told_without_the_secrets_in_it() -> None:
    clause = {"text": "It leaks", "holds": True, "value": f"gather.largest.name = worker {SECRET}"}
    said = await told(before={"largest.name": f"worker {SECRET}"}, clauses=[clause], ok=True)
    assert SECRET not in said
    assert "'largest.name': 'worker [redacted]'" in said
    assert "'holds': True" in said
