"""Who must agree: a YAML file, first match wins. No file means that everything needs approval."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.incident.enums import ApprovalPolicyType, RiskLevel


class Rule(BaseModel):
    """One rule; an empty condition fits everything. Patterns are shell-like (`prod-*`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    runbooks: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    environments: tuple[Literal["live", "sim"], ...] = ()
    risk_at_least: RiskLevel | None = None
    policy: ApprovalPolicyType

    def fits(self, runbook_id: str, targets: tuple[str, ...], environment: str, risk: RiskLevel) -> bool:
        """Say whether the rule speaks of this plan: of all its targets."""
        return (
            (not self.runbooks or any(fnmatchcase(runbook_id, pattern) for pattern in self.runbooks))
            and (not self.targets or all(any(fnmatchcase(t, p) for p in self.targets) for t in targets))
            and (not self.environments or environment.partition(":")[0] in self.environments)
            and (self.risk_at_least is None or risk.rank >= self.risk_at_least.rank)
        )


class Caps(BaseModel):
    """Limits of the governor, for each environment."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    executions_per_hour: int = Field(default=20, gt=0)
    same_target_per_hour: int = Field(default=3, gt=0)
    """The loop breaker: more executions on one target within an hour do not help, whatever the diagnosis says."""
    cooldown_seconds: int = Field(default=60, ge=0)
    """Between the end of one execution on a target and the next one."""


class Policy(BaseModel):
    """The policy file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rules: tuple[Rule, ...] = ()
    caps: Caps = Caps()

    def of(
        self, runbook_id: str, targets: tuple[str, ...], environment: str, risk: RiskLevel, asked: int
    ) -> tuple[ApprovalPolicyType, str]:
        """Return the policy of a plan and the rule that decided.

        `asked` is how many approvals the runbook's author wants: policy only tightens that. High risk needs two. A
        standing approval (`auto`) is no rule's to give here: without its signature it counts as one person.
        """
        rule = next((rule for rule in self.rules if rule.fits(runbook_id, targets, environment, risk)), None)
        found = rule.policy if rule else ApprovalPolicyType.REQUIRE_ONE
        if found is ApprovalPolicyType.FORBID:
            return found, rule.name if rule else ""
        two = found is ApprovalPolicyType.REQUIRE_TWO or asked > 1 or risk is RiskLevel.HIGH
        policy = ApprovalPolicyType.REQUIRE_TWO if two else ApprovalPolicyType.REQUIRE_ONE
        return policy, rule.name if rule else "default"
