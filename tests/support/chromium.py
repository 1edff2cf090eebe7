"""Chromium for tests that look at pages as people do."""

from __future__ import annotations

import os
import shutil
import subprocess

from tests.support.provider import MissingServerError

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
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            raise MissingServerError(
                "Chromium is missing: install it (Debian: `sudo apt-get install chromium`)"
            ) from None
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-q"], check=True, timeout=300, env=environment)
        packages = ["apt-get", "install", "-y", "-q", "--no-install-recommends", "chromium", "fonts-dejavu-core"]
        subprocess.run(packages, check=True, timeout=900, env=environment)
