"""Mistakes planted into the mechanism, one at a time: the model must find each, or its silence means nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from services.diagnoser.handlers import scope
from services.executor.domain import ruling
from services.executor.handlers import approving, asking, ending, executing, governor, settling, verifying
from services.executor.handlers.turn import Turn
from shared.runbooks.decision import SignedDecision
from shared.store.model import Incoming
from tests.resilience.model.machine import Machine
from tests.resilience.model.store import MemoryStore

LIVES, SEEDS = 400, range(1, 9)
"""A rare mistake may need some batches; a million steps of every night are fifty."""
Plant = Callable[[pytest.MonkeyPatch], None]


def takes_any_permit(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(executing, "_may_go_on", lambda _turn, _execution: True)
    patch.setattr(executing, "LOOK_LASTS", inf)  # Else what is late is handed back, for another reason.


def trusts_any_signature(patch: pytest.MonkeyPatch) -> None:
    for place in (approving, ruling):  # When it comes, and once more at the claim.
        patch.setattr(place, "verify", lambda text, *_: SignedDecision.model_validate_json(text))


def counts_one_person_twice(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(approving, "may_vote", lambda *_, **__: None)


def calls_again_without_proof(patch: pytest.MonkeyPatch) -> None:
    def lost(turn: Turn) -> None:
        found = settling.called_before(turn)
        if found is not None and found[0].phase == "calling":
            executing.advance(turn, found[0])

    patch.setitem(_of_incident(), "activity.lost", lost)


def forgets_locks(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(governor, "release", lambda *_, **__: None)


def frees_locks_too_early(patch: pytest.MonkeyPatch) -> None:
    def begin(turn: Turn, execution: Any) -> None:  # noqa: ANN401 -- an Execution
        turn.ask_governor(governor.ENDED, f"{execution.id}:early", execution=execution.id, changed=True)
        original(turn, execution)

    original = verifying.begin
    patch.setattr(verifying, "begin", begin)
    patch.setattr(ending, "end", lambda _turn, execution: setattr(execution, "phase", "ended"))


def takes_copies(patch: pytest.MonkeyPatch) -> None:
    def take(store: MemoryStore, messages: Sequence[Incoming]) -> None:
        store._seen.clear()
        original(store, messages)

    original = MemoryStore.take
    patch.setattr(MemoryStore, "take", take)


def owes_for_ever(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(asking, "expired", lambda _turn: None)
    patch.setitem(_timers(), "expiry", lambda _turn: None)


def raises(patch: pytest.MonkeyPatch) -> None:
    def forget(*_: object) -> None:
        raise RuntimeError("broken")

    patch.setattr(scope, "_forget", forget)


def _of_incident() -> dict[str, Any]:
    from services.executor.handlers import incident

    return incident._MESSAGES  # type: ignore[return-value]  # a table of a module is a dict


def _timers() -> dict[str, Any]:
    from services.executor.handlers import incident

    return incident._TIMERS  # type: ignore[return-value]  # a table of a module is a dict


PLANTS = (
    takes_any_permit,
    trusts_any_signature,
    counts_one_person_twice,
    calls_again_without_proof,
    forgets_locks,
    frees_locks_too_early,
    takes_copies,
    owes_for_ever,
    raises,
)


@pytest.mark.nightly
@pytest.mark.timeout(900)
@pytest.mark.parametrize("plant", [pytest.param(plant, id=plant.__name__) for plant in PLANTS])
def test_the_model_finds(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    once = settings(
        max_examples=LIVES,
        stateful_step_count=50,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    assert any(finds(number, once) for number in SEEDS)


def finds(number: int, once: settings) -> bool:
    """Say whether a batch of lives shows that something is wrong."""
    try:
        run_state_machine_as_test(seed(number)(Machine), settings=once)
    except (AssertionError, LookupError):
        return True
    return False
