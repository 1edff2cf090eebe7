"""Chromium for tests that look at pages as people do."""

from __future__ import annotations

import shutil

from tests.support.provider import MissingServerError, install_packages

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def executable() -> str:
    """Return the browser's path. Raises MissingServerError."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        raise MissingServerError("Chromium is missing; run `make test-servers`")
    return found


def install() -> None:
    """Install Chromium from Debian's packages when it is missing."""
    try:
        executable()
    except MissingServerError:
        install_packages("Chromium", ["chromium", "fonts-dejavu-core"])
