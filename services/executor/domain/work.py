"""The work the executor's transitions start: names and shapes. Each result may also be `{"error": {...}}` (worker).

Arguments always hold `environment` and `incident_id` too. Everything but `call` only reads and may be done again;
`call` is done once.
"""

from __future__ import annotations

from typing import Any, Final, Literal, NotRequired, TypedDict

PREPARE_PLAN: Final = "prepare_plan"
RECHECK: Final = "recheck"
CALL: Final = "call"
RECONCILE: Final = "reconcile"
VERIFY_READ: Final = "verify_read"

READ_LEASE = 90.0
"""Seconds a read may take, with 30 s to spare."""
LOOK_LASTS = READ_LEASE
"""Seconds after the beginning of the look before a step within which its intent may be stored."""
LEASE_MARGIN = 30.0
"""Seconds by which the lease of a call outlives the call's time limit."""
BEGIN_WITHIN = 60.0
"""Seconds after its intent within which a call may begin. A process that was away for longer must not act on what was
true before."""

Scalar = str | int | bool


class _Of(TypedDict):
    environment: str
    incident_id: str


class PreparePlan(_Of):
    """Make a plan of one recommended runbook. `item` is an `ActionRecommendation`, `index` its rank from 0."""

    recommendation_id: str
    index: int
    item: dict[str, Any]


class ClauseRead(TypedDict):
    """One precondition as it was read."""

    text: str
    holds: bool
    value: str


class AskedApproval(TypedDict):
    """What the runbook's author wants to be asked."""

    count: int
    expires_seconds: int
    on_expire: Literal["expire", "escalate", "remind"]


class PreparedPlan(TypedDict):
    """One of: `missing` (no runbook of this digest), `refused` (`why`, `detail`), or a `plan` as RFC 8785 text."""

    recommendation_id: str
    index: int
    missing: NotRequired[bool]
    refused: NotRequired[str]
    detail: NotRequired[str]
    plan: NotRequired[str]
    clauses: NotRequired[list[ClauseRead]]
    approval: NotRequired[AskedApproval]
    expected_effect: NotRequired[str]


class Recheck(_Of):
    """Look right before a step: does everything still hold that was approved?

    `plan` is the text that is kept, `plan_sha256` the digest that was approved. `claimed`: a step has begun before.
    """

    execution_id: str
    step_id: str
    rollback: bool
    claimed: bool
    plan: str
    plan_sha256: str


class Rechecked(TypedDict):
    """`ok` lets the step go on as approved; else `why` (stable) and `detail`. `before`: the state it will change.

    `read_at`: an instant on the database's clock right before anything was read.
    """

    execution_id: str
    step_id: str
    ok: bool
    why: str
    detail: str
    before: dict[str, str]
    read_at: float


class Call(_Of):
    """Call the verb once within `limit` seconds; the lease is `limit` + LEASE_MARGIN.

    `begin_by` is an instant on the database's clock after which the call must not begin.
    """

    execution_id: str
    step_id: str
    rollback: bool
    verb: str
    target: str
    arguments: dict[str, Scalar]
    token: str
    limit: float
    begin_by: float


class Called(TypedDict):
    """How the call ended. `failed_safe` is proof that nothing was done; every doubt is `unknown`."""

    execution_id: str
    step_id: str
    outcome: Literal["succeeded", "failed_safe", "unknown"]
    detail: str


class Reconcile(_Of):
    """Ask the vendor's own record what became of a call, by its token."""

    execution_id: str
    step_id: str
    rollback: bool
    verb: str
    target: str
    token: str


class Reconciled(TypedDict):
    """`not_applied` only from the vendor's record; without token or mark there it is `needs_human`."""

    execution_id: str
    step_id: str
    outcome: Literal["succeeded", "not_applied", "needs_human"]
    detail: str


class VerifyRead(_Of):
    """Read a metric once, with the condition judged at each point. `since` is data time (ISO), None before the first.

    Without `since` the read only tells `data_now` and `pace`: where the clock of the data stands.
    """

    execution_id: str
    attempt: int
    metric: str
    entity: str
    condition: str
    since: str | None


class VerifyPoints(TypedDict):
    """`points`: [data seconds, value, whether the condition holds], oldest first. `pace`: data seconds per second.

    `step`: data seconds between two measurements of the series, 0 without any. `read_at`: an instant on the database's
    clock right before `data_now` was read.
    """

    execution_id: str
    attempt: int
    points: list[tuple[float, float, bool]]
    data_now: float
    pace: float
    unit: str
    step: float
    read_at: float
