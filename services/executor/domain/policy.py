"""Who must agree: a YAML file, first match wins. No file means that everything needs approval."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from services.executor.domain.state import OnExpire
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
    on_expire: OnExpire | None = None
    """Instead of what the runbook says happens when nobody answers."""

    def fits(self, runbook_id: str, targets: tuple[str, ...], environment: str, risk: RiskLevel) -> bool:
        """Say whether the rule speaks of this plan: of its runbook, its environment, its risk, its targets.

        A rule that forbids speaks of a plan with any such target, every other rule of one with only such targets.
        """
        named = [any(fnmatchcase(target, pattern) for pattern in self.targets) for target in targets]
        of_targets = any(named) if self.policy is ApprovalPolicyType.FORBID else all(named)
        return (
            (not self.runbooks or any(fnmatchcase(runbook_id, pattern) for pattern in self.runbooks))
            and (not self.targets or of_targets)
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


@dataclass(frozen=True, slots=True)
class Asked:
    """What the policy asks for a plan, and the rule that decided."""

    policy: ApprovalPolicyType
    rule: str
    on_expire: OnExpire | None = None

    @property
    def needed(self) -> int:
        """How many people must approve."""
        return 2 if self.policy is ApprovalPolicyType.REQUIRE_TWO else 1


class Policy(BaseModel):
    """The policy file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rules: tuple[Rule, ...] = ()
    caps: Caps = Caps()

    def of(self, runbook_id: str, targets: tuple[str, ...], environment: str, risk: RiskLevel, count: int) -> Asked:
        """Return what a plan needs.

        `count` is how many approvals the runbook's author wants: policy only tightens that. High risk needs two. A
        standing approval (`auto`) is no rule's to give here: without its signature it counts as one person.
        """
        fitting = (rule for rule in self.rules if rule.fits(runbook_id, targets, environment, risk))
        rule = next(fitting, Rule(name="default", policy=ApprovalPolicyType.REQUIRE_ONE))
        if rule.policy is ApprovalPolicyType.FORBID:
            return Asked(rule.policy, rule.name)
        two = rule.policy is ApprovalPolicyType.REQUIRE_TWO or count > 1 or risk is RiskLevel.HIGH
        policy = ApprovalPolicyType.REQUIRE_TWO if two else ApprovalPolicyType.REQUIRE_ONE
        return Asked(policy, rule.name, rule.on_expire)
