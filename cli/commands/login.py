"""`signoff login`: a link that signs a person in, once."""

from __future__ import annotations

from pathlib import Path

from cli.client import DATA, find, server
from cli.output import write


def login(person: str = "sample-approver", *, data: Path = DATA) -> None:
    """Print a one-time link that signs a person in on this machine."""
    token = server(data).post("/api/login-links", {"person": person})["token"]
    write(f"{find(data).url}/login?login={token}")
