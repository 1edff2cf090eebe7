"""The base of every value that crosses a process boundary."""

from __future__ import annotations

import re
from typing import Annotated, NewType

from pydantic import AfterValidator, BaseModel, ConfigDict

IncidentId = NewType("IncidentId", str)
"""`INC-` and 10 base-32 characters; equal for a rerun of the same opening message."""

Fingerprint = NewType("Fingerprint", str)
"""Our stable identity of an alert: 32 hex characters over source, source key and environment-free labels."""


class Model(BaseModel):
    """A frozen value. Unknown fields are ignored when read, so that newer writers do not break older readers."""

    model_config = ConfigDict(frozen=True, extra="ignore")


_ENVIRONMENT = re.compile(r"live|sim:[a-z0-9][a-z0-9-]{0,40}")


def is_environment(text: str) -> bool:
    """Say whether a text is `live` or `sim:<run id>`."""
    return _ENVIRONMENT.fullmatch(text) is not None


def check_environment(value: str) -> str:
    """Return `value` if it is `live` or `sim:<run id>`, else raise ValueError."""
    if not is_environment(value):
        raise ValueError(f"environment {value!r} is neither 'live' nor 'sim:<run id>'")
    return value


Environment = Annotated[str, AfterValidator(check_environment)]
"""`live`, or `sim:<run id>` for the simulated world. Nothing correlates, counts or acts across environments."""

LIVE: Environment = "live"


def is_simulated(environment: str) -> bool:
    """Say whether `environment` is a simulated run."""
    return environment.startswith("sim:")
