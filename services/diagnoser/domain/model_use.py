"""What asking a model costs, what it may cost, and how it is reached. Pure; shared by the service and its child."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, SecretStr

from shared.incident.model import Model

ClientKind = Literal["anthropic", "recorded"]


class Use(Model):
    """An amount: what was used, or what may be used. `seconds` are wall seconds of conversation."""

    turns: int = Field(default=0, ge=0)
    tool_calls: int = Field(default=0, ge=0)
    input_tokens: int = Field(default=0, ge=0)
    output_tokens: int = Field(default=0, ge=0)
    cost_usd: float = Field(default=0.0, ge=0)
    seconds: float = Field(default=0.0, ge=0)

    def plus(self, other: Use) -> Use:
        """Return both together."""
        return Use(**{name: getattr(self, name) + getattr(other, name) for name in FIELDS})

    def minus(self, other: Use) -> Use:
        """Return what is left when `other` is taken away; nothing is less than nothing."""
        return Use(**{name: max(getattr(self, name) - getattr(other, name), 0) for name in FIELDS})

    def beyond(self, most: Use) -> list[str]:
        """Return the names of what is more than `most`."""
        return [name for name in FIELDS if getattr(self, name) > getattr(most, name)]


FIELDS = tuple(Use.model_fields)


class Reach(Model):
    """How to reach the model. `replies` is the folder or file of the recorded client."""

    kind: ClientKind
    model: str
    base_url: str = ""
    key: SecretStr = SecretStr("")
    input_usd: float | None = None
    output_usd: float | None = None
    """USD for a million tokens; None: as in the price table."""
    replies: str = ""

    def terms(self) -> dict[str, Any]:
        """Return what says who is asked and for what price."""
        return self.model_dump(include={"kind", "model", "input_usd", "output_usd"})

    def wire(self) -> dict[str, object]:
        """Return it with the key, for the pipe to the child and for nothing else."""
        return {**self.model_dump(mode="json"), "key": self.key.get_secret_value()}
