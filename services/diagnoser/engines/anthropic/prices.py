"""What tokens cost."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from services.diagnoser.domain.model_use import Reach
from services.diagnoser.engines.anthropic.client import GivenUpError, Reply

TABLE = Path(__file__).parent / "prices.yaml"
MILLION = 1e6
WRITTEN, READ = 1.25, 0.1
"""What a token costs that is written to, or read from, the cache, against one that is not."""


@dataclass(frozen=True, slots=True)
class Price:
    """USD for a million tokens."""

    input: float
    output: float

    def of(self, reply: Reply) -> float:
        """Return what a reply cost, in USD."""
        plain = reply.input_tokens - reply.written - reply.read
        paid = plain + WRITTEN * reply.written + READ * reply.read
        return (paid * self.input + reply.output_tokens * self.output) / MILLION

    def most(self, input_tokens: int, output_tokens: int) -> float:
        """Return what a turn may cost at most, in USD."""
        return (WRITTEN * input_tokens * self.input + output_tokens * self.output) / MILLION


def price_of(reach: Reach) -> Price:
    """Return the price of the configured model. Raises GivenUpError when nobody knows it: a budget needs one."""
    if reach.input_usd is not None and reach.output_usd is not None:
        return Price(reach.input_usd, reach.output_usd)
    known = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    if reach.model not in known:
        raise GivenUpError("no_price", f"set diagnoser.model.input_usd and output_usd for {reach.model[:60]!r}")
    return Price(**known[reach.model])
