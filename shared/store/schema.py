"""The tables of one service's store, for both databases. The stores run their own SQL on them.

JSON that Signoff wrote is text, so that people can read it; bodies that came from outside are bytes, because they may
be anything. All times are seconds since the epoch. `key_head` is the only place that says whether an aggregate has
work: `tail > done`, or a timer at `due`; nobody decides that by reading the inbox.
"""

from __future__ import annotations

import hashlib
from typing import Any, Literal

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    false,
    text,
)

Dialect = Literal["sqlite", "postgresql"]

REVISION = "0001"
"""The newest migration; a fresh database is created from these tables and stamped with it."""


def seen_key(message_id: str, resend: int) -> bytes:
    """Return the 16 bytes under which `seen` keeps a message. The format is frozen."""
    return hashlib.sha256(f"{message_id}\0{resend}".encode(errors="surrogatepass")).digest()[:16]


def _name(dialect: Dialect) -> Text:
    # Keys are compared as bytes on both databases; PostgreSQL's default collation would also make a prefix scan slow.
    return Text(collation="C") if dialect == "postgresql" else Text()


def _number() -> BigInteger:
    # SQLite numbers rows by itself only for a column that is declared exactly INTEGER.
    return BigInteger().with_variant(Integer, "sqlite")


def store_tables(metadata: MetaData, dialect: Dialect) -> dict[str, Table]:
    """Add the store's tables to `metadata` and return them by name."""
    for add in (_inboxes, _aggregates, _outboxes, _activities, _care):
        add(metadata, dialect)
    return dict(metadata.tables)


def _inboxes(metadata: MetaData, dialect: Dialect) -> None:
    claim: list[Column[Any]] = (
        [
            Column("fence", BigInteger, nullable=False, server_default=text("0")),
            Column("claimed", Boolean, nullable=False, server_default=false()),
        ]
        if dialect == "postgresql"
        else []
    )
    head = Table(
        "key_head",
        metadata,
        Column("agg", _name(dialect), primary_key=True),
        Column("lane", SmallInteger, nullable=False),
        Column("done", BigInteger, nullable=False),
        Column("tail", BigInteger, nullable=False),
        Column("due", Double),
        Column("parked", Boolean, nullable=False, server_default=false()),
        *claim,
        sqlite_with_rowid=False,
        postgresql_with={"fillfactor": 70},
    )
    due = head.c.due.is_not(None)
    Index("key_head_due", head.c.lane, head.c.due, sqlite_where=due, postgresql_where=due)
    Table(
        "inbox",
        metadata,
        Column("agg", _name(dialect), primary_key=True),
        Column("seq", BigInteger, primary_key=True),
        Column("id", Text, nullable=False),
        Column("type", Text, nullable=False),
        Column("body", LargeBinary, nullable=False),
        Column("meta", Text, nullable=False),
        Column("at", Double, nullable=False),
        sqlite_with_rowid=False,
    )
    if dialect == "postgresql":
        seen = Table(
            "seen", metadata, Column("key", LargeBinary, primary_key=True), Column("at", Double, nullable=False)
        )
        Index("seen_at", seen.c.at, postgresql_using="brin")
    else:
        # In insertion order, so that retention finds the oldest without an index on time.
        Table(
            "seen",
            metadata,
            Column("n", Integer, primary_key=True),
            Column("key", LargeBinary, nullable=False, unique=True),
            Column("at", Double, nullable=False),
        )
    Table(
        "subscription",
        metadata,
        Column("name", Text, primary_key=True),
        Column("position", BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )


def _aggregates(metadata: MetaData, dialect: Dialect) -> None:
    # PostgreSQL compares `done` with the head's: a claim may have read a state older than its head.
    done = [Column("done", BigInteger, nullable=False)] if dialect == "postgresql" else []
    Table(
        "aggregate",
        metadata,
        Column("agg", _name(dialect), primary_key=True),
        Column("state", Text, nullable=False),
        Column("version", BigInteger, nullable=False),
        Column("out_seq", BigInteger, nullable=False),
        Column("audit_seq", BigInteger, nullable=False),
        Column("audit_head", LargeBinary, nullable=False),
        Column("timers", Text, nullable=False),
        *done,
        postgresql_with={"fillfactor": 70},
    )
    rows = Table(
        "aggregate_row",
        metadata,
        Column("agg", _name(dialect), primary_key=True),
        Column("key", _name(dialect), primary_key=True),
        Column("value", Text, nullable=False),
        Column("expires", Double),
        sqlite_with_rowid=False,
        postgresql_with={"fillfactor": 70},
    )
    expires = rows.c.expires.is_not(None)
    Index("aggregate_row_expires", rows.c.expires, sqlite_where=expires, postgresql_where=expires)
    Table(
        "audit",
        metadata,
        Column("agg", _name(dialect), primary_key=True),
        Column("seq", BigInteger, primary_key=True),
        Column("at", Double, nullable=False),
        Column("entry", LargeBinary, nullable=False),
        Column("hash", LargeBinary, nullable=False),
    )


def _outboxes(metadata: MetaData, dialect: Dialect) -> None:
    Table(
        "outbox",
        metadata,
        Column("n", _number(), primary_key=True, autoincrement=True),
        Column("agg", _name(dialect), nullable=False),
        Column("seq", BigInteger, nullable=False),
        Column("topic", Text, nullable=False),
        Column("key", Text, nullable=False),
        Column("id", Text, nullable=False),
        Column("headers", Text, nullable=False),
        Column("body", LargeBinary, nullable=False),
        sqlite_autoincrement=True,
    )
    Table(
        "parked_key",
        metadata,
        Column("topic", Text, primary_key=True),
        Column("key", Text, primary_key=True),
        Column("reason", Text, nullable=False),
        Column("at", Double, nullable=False),
        sqlite_with_rowid=False,
    )
    Table(
        "change",
        metadata,
        Column("n", _number(), primary_key=True, autoincrement=True),
        Column("feed", Text, nullable=False),
        sqlite_autoincrement=True,
    )


def _activities(metadata: MetaData, dialect: Dialect) -> None:
    """`state`: 0 waits, 1 runs under a lease that ends at `due`, 2 lost (a `once` whose lease ended)."""
    activity = Table(
        "activity",
        metadata,
        Column("id", Text, primary_key=True),
        Column("agg", _name(dialect), nullable=False),
        Column("kind", String(10), nullable=False),
        Column("name", Text, nullable=False),
        Column("args", Text, nullable=False),
        Column("lease", Double, nullable=False),
        Column("state", SmallInteger, nullable=False),
        Column("fence", BigInteger, nullable=False),
        Column("due", Double),
        sqlite_with_rowid=False,
    )
    due = activity.c.due.is_not(None)
    Index("activity_due", activity.c.due, sqlite_where=due, postgresql_where=due)


def _care(metadata: MetaData, dialect: Dialect) -> None:
    """`dead.parked`: the message still waits where it was, and its whole aggregate with it."""
    dead = Table(
        "dead",
        metadata,
        Column("agg", _name(dialect), primary_key=True),
        Column("seq", BigInteger, primary_key=True),
        Column("id", Text, primary_key=True),
        Column("type", Text, nullable=False),
        Column("body", LargeBinary, nullable=False),
        Column("meta", Text, nullable=False),
        Column("reason", Text, nullable=False),
        Column("at", Double, nullable=False),
        Column("parked", Boolean, nullable=False, server_default=false()),
    )
    Index("dead_id", dead.c.id)
    reply = Table(
        "reply",
        metadata,
        Column("id", Text, primary_key=True),
        Column("body", Text, nullable=False),
        Column("at", Double, nullable=False),
    )
    Index("reply_at", reply.c.at)
    Table("alembic_version", metadata, Column("version_num", String(32), primary_key=True))
