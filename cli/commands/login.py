"""`signoff login`: a link that signs a person in, once."""

from __future__ import annotations

from cli.client import DATA, Data, login_link
from cli.output import write


def login(person: str = "", *, data: Data = DATA) -> None:
    """Print a one-time link that signs a person in on this machine.

    Parameters
    ----------
    person
        An id of `people.yaml`, or of the SAMPLE people: sample-responder, sample-approver, sample-second-approver.
        Default: `notifier.operator`, who started the server.
    """
    write(login_link(data, person, "/login"))
