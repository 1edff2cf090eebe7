"""The governor of an environment: locks, caps, cooldowns, loop breaker, freeze. Answers at once, never queues. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field

from services.executor.domain.policy import Caps

PERMIT_SECONDS = 5.0
HOUR = 3600.0
FROZEN_RETRY = 15.0
LOCKED_RETRY = 5.0


class Lock(BaseModel):
    """A target that an execution holds."""

    execution: str
    incident: str


class Governor(BaseModel):
    """The state of `governor/<environment>`."""

    environment: str
    frozen: bool = False
    allow_rollback: bool = False
    frozen_by: str = ""
    locks: dict[str, Lock] = Field(default_factory=dict)
    permits: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Permits that are out: id -> execution, step, when they end."""
    begun: list[dict[str, Any]] = Field(default_factory=list)
    """Executions of the last hour: at, execution, targets."""
    ended: dict[str, float] = Field(default_factory=dict)
    """Target -> when the last execution on it ended."""
    rulings: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Nonce of a freeze or unfreeze -> digest of its bytes, when it came, the answer."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for a permit."""

    execution: str
    incident: str
    step: str
    targets: tuple[str, ...]
    rollback: bool


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is no permit now, and when to ask again (None: never)."""

    reason: str
    retry_at: float | None


def tidy(governor: Governor, caps: Caps, now: float) -> None:
    """Forget what is over: permits that ended, targets that have rested, executions and rulings of an hour ago."""
    governor.rulings = {nonce: ruling for nonce, ruling in governor.rulings.items() if ruling["at"] > now - HOUR}
    governor.permits = {name: permit for name, permit in governor.permits.items() if permit["ends"] > now}
    governor.begun = [entry for entry in governor.begun if entry["at"] > now - HOUR]
    governor.ended = {target: at for target, at in governor.ended.items() if at > now - caps.cooldown_seconds}


def grant(governor: Governor, asked: Asked, permit: str, caps: Caps, now: float) -> Refusal | None:
    """Give a permit and the locks it needs, or say why not."""
    refusal = judge(governor, asked, caps, now)
    if refusal is not None:
        return refusal
    if not _has_begun(governor, asked.execution):
        governor.begun.append({"at": now, "execution": asked.execution, "targets": list(asked.targets)})
    for target in asked.targets:
        governor.locks[target] = Lock(execution=asked.execution, incident=asked.incident)
    governor.permits[permit] = {"execution": asked.execution, "step": asked.step, "ends": now + PERMIT_SECONDS}
    return None


def judge(governor: Governor, asked: Asked, caps: Caps, now: float) -> Refusal | None:
    """Return why `asked` gets no permit now, None when it may."""
    if governor.frozen and not (asked.rollback and governor.allow_rollback):
        return Refusal("frozen", now + FROZEN_RETRY)
    for target in asked.targets:
        lock = governor.locks.get(target)
        if lock is not None and lock.execution != asked.execution:
            return Refusal(f"locked: {target} is held by {lock.incident}", now + LOCKED_RETRY)
    if _has_begun(governor, asked.execution):
        return None  # Caps and cooldowns are for beginnings.
    for target in asked.targets:
        ended = governor.ended.get(target)
        if ended is not None and now < ended + caps.cooldown_seconds:
            return Refusal(f"cooldown: {target} was changed a moment ago", ended + caps.cooldown_seconds)
        if sum(target in entry["targets"] for entry in governor.begun) >= caps.same_target_per_hour:
            return Refusal(f"loop: {target} was changed {caps.same_target_per_hour} times within an hour", None)
    if len(governor.begun) >= caps.executions_per_hour:
        return Refusal("cap: too many executions within an hour", governor.begun[0]["at"] + HOUR)
    return None


def _has_begun(governor: Governor, execution: str) -> bool:
    """Say whether an execution holds its locks, however long ago it took them."""
    return any(lock.execution == execution for lock in governor.locks.values())


def release(governor: Governor, execution: str, *, changed: bool, now: float) -> None:
    """Free what an execution held. One that changed nothing leaves no cooldown and counts for no cap."""
    for target in [target for target, lock in governor.locks.items() if lock.execution == execution]:
        del governor.locks[target]
        if changed:
            governor.ended[target] = now
    if not changed:
        governor.begun = [entry for entry in governor.begun if entry["execution"] != execution]
    governor.permits = {n: p for n, p in governor.permits.items() if p["execution"] != execution}


def put(governor: Governor, *, frozen: bool, allow_rollback: bool, person: str) -> None:
    """Freeze, or end a freeze."""
    governor.frozen = frozen
    governor.allow_rollback = frozen and allow_rollback
    governor.frozen_by = person if frozen else ""
