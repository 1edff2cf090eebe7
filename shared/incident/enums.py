"""The closed vocabularies of the house."""

from __future__ import annotations

from enum import StrEnum


class Severity(StrEnum):
    """How bad it is, as said by the source; may be raised, never lowered, while an incident is open."""

    SEV1 = "sev1"
    SEV2 = "sev2"
    SEV3 = "sev3"
    SEV4 = "sev4"

    rank: int
    """1 for the worst."""

    def __init__(self, value: str) -> None:
        self.rank = int(value[-1])


class AlertStatus(StrEnum):
    """Whether the source still sees the problem."""

    FIRING = "firing"
    RECOVERED = "recovered"


class Stage(StrEnum):
    """Where an incident is in its lifecycle (`shared/lifecycle/stage.py` folds it from events)."""

    OPEN = "open"
    INVESTIGATING = "investigating"
    RECOMMENDED = "recommended"
    AWAITING_APPROVAL = "awaiting_approval"
    EXECUTING = "executing"
    VERIFYING = "verifying"
    MITIGATED = "mitigated"
    RESOLVED = "resolved"
    CLOSED = "closed"
    NEEDS_HUMAN = "needs_human"
    REJECTED = "rejected"
    EXPIRED = "expired"
    FAILED = "failed"
    ROLLED_BACK = "rolled_back"
    CANCELLED = "cancelled"


class IncidentCategory(StrEnum):
    """What kind of trouble it is, in the words of the cause catalogue's families."""

    SATURATION = "saturation"
    RESOURCE_LEAK = "resource_leak"
    DEPLOYMENT = "deployment"
    CONFIGURATION = "configuration"
    DEPENDENCY = "dependency"
    NETWORK = "network"
    DATA = "data"
    TRAFFIC = "traffic"
    INFRASTRUCTURE = "infrastructure"
    UNKNOWN = "unknown"


class RiskLevel(StrEnum):
    """What an action may break; written by the runbook's author, never by a model."""

    NONE = "none"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"

    @property
    def rank(self) -> int:
        """0 for no risk; larger is riskier."""
        return list(RiskLevel).index(self)


class ActionStatus(StrEnum):
    """The state of one step of a plan."""

    PENDING = "pending"
    RECHECKING = "rechecking"
    AWAITING_PERMIT = "awaiting_permit"
    CALLING = "calling"
    SUCCEEDED = "succeeded"
    FAILED_SAFE = "failed_safe"
    UNKNOWN = "unknown"
    RECONCILING = "reconciling"
    NOT_APPLIED = "not_applied"
    NEEDS_HUMAN = "needs_human"
    SKIPPED = "skipped"


class ApprovalPolicyType(StrEnum):
    """What a policy rule asks for."""

    AUTO = "auto"
    REQUIRE_ONE = "require_one"
    REQUIRE_TWO = "require_two"
    FORBID = "forbid"


class IntegrationMode(StrEnum):
    """`live` is the vendor; `mock` and `off` mean not connected for the live environment."""

    LIVE = "live"
    MOCK = "mock"
    OFF = "off"


class Disposition(StrEnum):
    """What became of one message of a delivery; each accepted message has exactly one."""

    NEW_INCIDENT = "new_incident"
    ATTACHED = "attached"
    DEDUPLICATED = "deduplicated"
    SUPPRESSED = "suppressed"
    HELD = "held"
    RECOVERED = "recovered"
    NOT_AN_ALERT = "not_an_alert"
    TEST = "test"
    QUARANTINED = "quarantined"


class Role(StrEnum):
    """What a person may do. Roles do not include each other; `people.yaml` lists all a person has."""

    VIEWER = "viewer"
    RESPONDER = "responder"
    APPROVER = "approver"
    AUTHOR = "author"
    ADMIN = "admin"
