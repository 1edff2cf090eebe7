"""Settings of the diagnoser: section `[diagnoser]`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from services.diagnoser.domain.model_use import Use
from shared.runtime.settings import Section, WebAddress, WorldSettings


def use_of(settings: Section) -> Use:
    """Return a limit as an amount."""
    return Use.model_validate(settings.model_dump())


class ConversationSettings(Section):
    """What one conversation with the model may use."""

    turns: int = Field(default=6, ge=1)
    tool_calls: int = Field(default=12, ge=0)
    input_tokens: int = Field(default=40_000, ge=0)
    output_tokens: int = Field(default=6_000, ge=0)
    cost_usd: float = Field(default=0.25, ge=0)
    seconds: float = Field(default=45.0, gt=0, le=50)


class StepSettings(Section):
    """What one small step may use: to classify, recommend, summarise or answer. None of them has tools."""

    turns: int = Field(default=2, ge=1)
    tool_calls: Literal[0] = 0
    input_tokens: int = Field(default=16_000, ge=0)
    output_tokens: int = Field(default=1_500, ge=0)
    cost_usd: float = Field(default=0.08, ge=0)
    seconds: float = Field(default=15.0, gt=0, le=20)


class IncidentSettings(Section):
    """What all conversations about one incident may use together."""

    turns: int = Field(default=24, ge=0)
    tool_calls: int = Field(default=48, ge=0)
    input_tokens: int = Field(default=160_000, ge=0)
    output_tokens: int = Field(default=24_000, ge=0)
    cost_usd: float = Field(default=1.0, ge=0)
    seconds: float = Field(default=240.0, ge=0)


class DaySettings(Section):
    """What all conversations of one day (UTC) may use together."""

    turns: int = Field(default=1_200, ge=0)
    tool_calls: int = Field(default=2_400, ge=0)
    input_tokens: int = Field(default=8_000_000, ge=0)
    output_tokens: int = Field(default=1_200_000, ge=0)
    cost_usd: float = Field(default=20.0, ge=0)
    seconds: float = Field(default=9_000.0, ge=0)


class ModelSettings(Section):
    """The model that is asked for a second opinion and in small steps, when `engine` is not `offline`."""

    name: str = "claude-sonnet-5-5"
    base_url: WebAddress | Literal[""] = ""
    """Empty: the vendor's own address."""
    api_key: SecretStr = SecretStr("")
    input_usd: float | None = Field(default=None, ge=0)
    output_usd: float | None = Field(default=None, ge=0)
    """USD for a million tokens, for a model that the price table does not know."""
    replies: Path | None = None
    """Recorded replies, a folder or one file. None: `fixtures/replies` of the project."""
    conversation: ConversationSettings = ConversationSettings()
    step: StepSettings = StepSettings()
    incident: IncidentSettings = IncidentSettings()
    day: DaySettings = DaySettings()

    @model_validator(mode="after")
    def _is_affordable(self) -> Self:
        for what, one in (("conversation", use_of(self.conversation)), ("step", use_of(self.step))):
            for name, most in (("incident", self.incident), ("day", self.day)):
                for beyond in one.beyond(use_of(most)):
                    raise ValueError(
                        f"model.{what}.{beyond} is more than model.{name}.{beyond}: nothing could be asked"
                    )
        return self


class DatadogSettings(Section):
    """The organisation at Datadog whose metrics, logs and monitors live incidents are looked up in."""

    url: WebAddress = "https://api.datadoghq.com"
    """The API of its site."""
    api_key: SecretStr = SecretStr("")
    application_key: SecretStr = SecretStr("")
    """Without both keys nothing is connected."""
    metrics: tuple[str, ...] = ()
    """Such as `avg:system.cpu.user by host`: the tag names the entity. Empty: a few of its agent's and its tracer's."""


class Settings(Section):
    """The diagnoser. All times are wall seconds."""

    receipt_key: SecretStr = SecretStr("")
    """The same as ingest's: proves that ingest took a live delivery in."""
    rules_file: Path = Path(__file__).parent / "rules.yaml"
    """How alerts are correlated, held back and suppressed by plan."""
    runbooks: Path | None = None
    """None: `runbooks/` of the project."""
    reopen_within: float = Field(default=1800.0, ge=0)
    close_after: float = Field(default=900.0, ge=0)
    """How long a live incident stays resolved before it closes; simulated runs do not wait."""
    investigate_every: float = Field(default=60.0, gt=0)
    answer_within: float = Field(default=60.0, gt=0)
    """How long the executor may take to answer a recommendation before it is sent again."""
    collect_seconds: float = Field(default=20.0, gt=0, le=20)
    """How long each collector may take; they run beside each other."""
    engine_seconds: float = Field(default=30.0, gt=0, le=55)
    """How long the engine may think about one case before its process is ended."""
    engine: Literal["offline", "anthropic", "recorded"] = "offline"
    """Who diagnoses: code alone, or a model beside it; `recorded` replays stored replies and needs no key."""
    model: ModelSettings = ModelSettings()
    datadog: DatadogSettings = DatadogSettings()
    knowledge: Path | None = None
    """A folder of Markdown files, such as a handbook, in which live incidents look for what is written about them."""
    world: WorldSettings = WorldSettings()
