"""Who may do what: `people.yaml`, and the SAMPLE people of the embedded default, who count in `sim:*` only."""

from __future__ import annotations

from pathlib import Path
from typing import Self
from unicodedata import normalize

from pydantic import BaseModel, ConfigDict, model_validator

from shared.incident.actor import Actor
from shared.incident.enums import Role
from shared.runbooks.authored import read


class Person(BaseModel):
    """One person. `sample` people let a first start need no file; the executor accepts them in `sim` only."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    name: str
    email: str = ""
    roles: tuple[Role, ...] = ()
    slack_id: str = ""
    pagerduty_id: str = ""
    sample: bool = False

    @property
    def actor(self) -> Actor:
        """This person as events name them."""
        return Actor(kind="person", id=self.id, name=self.name)

    def has(self, role: Role) -> bool:
        """Say whether the person has a role."""
        return role in self.roles


class People(BaseModel):
    """All people Signoff knows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    people: tuple[Person, ...]

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        """One person with two entries would count as two people."""
        for name in ("id", "email", "slack_id", "pagerduty_id"):
            seen: dict[str, str] = {}
            for person in self.people:
                # However it is written: with a space at its end, or in letters of another width.
                value = normalize("NFKC", str(getattr(person, name))).strip().casefold()
                if value and value in seen:
                    raise ValueError(f"{seen[value]} and {person.id} have the same {name}: a person has one entry")
                seen[value] = person.id
        return self

    def find(self, person_id: str) -> Person | None:
        """Return the person with this id."""
        return next((person for person in self.people if person.id == person_id), None)


_RESPONDER = (Role.VIEWER, Role.RESPONDER)
_APPROVER = (*_RESPONDER, Role.APPROVER)

SAMPLE = People(
    people=(
        Person(id="sample-responder", name="SAMPLE responder", roles=_RESPONDER, sample=True),
        Person(id="sample-approver", name="SAMPLE approver", roles=_APPROVER, sample=True),
        Person(id="sample-second-approver", name="SAMPLE second approver", roles=_APPROVER, sample=True),
    )
)


def load_people(path: Path | None) -> People:
    """Return the people of the file, or the SAMPLE people when there is none. Raises ConfigurationError."""
    return read(path, People) if path is not None else SAMPLE
