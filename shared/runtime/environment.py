"""The only reader of the process's environment."""

from __future__ import annotations

import os
from collections.abc import Mapping


def environment_variables() -> Mapping[str, str]:
    """Return the environment as it is now."""
    return dict(os.environ)
