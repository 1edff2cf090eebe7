"""The notifier's relational tables."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, Index, Integer, MetaData, Table, Text

_METADATA = MetaData()

JOURNAL = Table(
    "journal",
    _METADATA,
    Column("id", Text, primary_key=True),
    Column("incident_id", Text, nullable=False),
    Column("n", BigInteger, nullable=False),
    Column("type", Text, nullable=False),
    Column("time", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("causation", Text, nullable=False),
    Column("body", Text, nullable=False),
)
"""Every consumed and own event, verbatim. `n` is its place among the events of its incident."""
Index("journal_incident", JOURNAL.c.incident_id, JOURNAL.c.n)

INCIDENT = Table(
    "incident",
    _METADATA,
    Column("id", Text, primary_key=True),
    Column("environment", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("opened_at", Text, nullable=False),
    Column("overview", Text, nullable=False),
    Column("fold", Integer, nullable=False),
)
"""The list. `fold` is the number of the rules by which `overview` was folded."""
Index("incident_opened", INCIDENT.c.opened_at)

APPROVAL = Table(
    "approval",
    _METADATA,
    Column("id", Text, primary_key=True),
    Column("incident_id", Text, nullable=False),
)

SESSION = Table(
    "session",
    _METADATA,
    Column("digest", Text, primary_key=True),
    Column("person", Text, nullable=False),
    Column("via", Text, nullable=False),
    Column("authenticated_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
)

LOGIN = Table(
    "login",
    _METADATA,
    Column("digest", Text, primary_key=True),
    Column("person", Text, nullable=False),
    Column("expires_at", Double, nullable=False),
)
"""One-time logins that nobody has used; using one deletes its row."""

TABLES = (JOURNAL, INCIDENT, APPROVAL, SESSION, LOGIN)
