"""The diagnoser's relational tables."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, Index, Integer, LargeBinary, MetaData, Table, Text

_METADATA = MetaData()

DISPOSITION = Table(
    "disposition",
    _METADATA,
    Column("message_id", Text, primary_key=True),
    Column("receipt", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("received_at", Double, nullable=False),
    Column("disposition", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("incident_id", Text),
    Column("alert", Text),
    Column("environment", Text, nullable=False),
)
"""What became of each message of a delivery. `alert` is its parsed alert as JSON."""
Index("disposition_receipt", DISPOSITION.c.receipt)
Index("disposition_received", DISPOSITION.c.received_at)

INVESTIGATION = Table(
    "investigation",
    _METADATA,
    Column("id", Text, primary_key=True),
    Column("fence", Integer, primary_key=True, autoincrement=False),
    Column("incident_id", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("data", LargeBinary, nullable=False),
)
"""Everything an investigation saw and concluded: `data` is JSON, compressed. A run that was repeated has a row more."""
Index("investigation_incident", INVESTIGATION.c.incident_id)
Index("investigation_at", INVESTIGATION.c.at)

MODEL_USE = Table(
    "model_use",
    _METADATA,
    Column("scope", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("at", Double, nullable=False),
    Column("turns", Integer, nullable=False),
    Column("tool_calls", Integer, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cost_usd", Double, nullable=False),
    Column("seconds", Double, nullable=False),
)
"""What asking a model has used or reserved: `scope` is `day` or `saved` (id is a date, UTC) or `incident`."""
Index("model_use_at", MODEL_USE.c.at)

VERDICT = Table(
    "verdict",
    _METADATA,
    Column("incident_id", Text, primary_key=True),
    Column("person", Text, primary_key=True),
    Column("environment", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("confidence", Double, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("actual", Text, nullable=False),
    Column("at", Double, nullable=False),
)
"""What each person says of a diagnosis: `cause` was named with `confidence` (empty: none was); `actual` is theirs."""
Index("verdict_environment", VERDICT.c.environment, VERDICT.c.at)
Index("verdict_at", VERDICT.c.at)

PAST_INCIDENT = Table(
    "past_incident",
    _METADATA,
    Column("incident_id", Text, primary_key=True),
    Column("environment", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("title", Text),
    Column("cause", Text),
    Column("signs", Text),
    Column("closed_at", Double),
)
"""What incidents showed: `signs` is a JSON list. Only what is closed is looked at; `cause` is what was diagnosed."""
Index("past_incident_closed", PAST_INCIDENT.c.environment, PAST_INCIDENT.c.closed_at)
Index("past_incident_at", PAST_INCIDENT.c.at)

BACKGROUND = Table(
    "background",
    _METADATA,
    Column("environment", Text, primary_key=True),
    Column("entity", Text, primary_key=True),
    Column("at", Double, nullable=False),
    Column("seen", Double, nullable=False),
    Column("data", LargeBinary, nullable=False),
)
"""What was normal for the series of an entity up to the data time `seen`: `data` is JSON, compressed."""
Index("background_at", BACKGROUND.c.at)

TABLES = (DISPOSITION, INVESTIGATION, MODEL_USE, VERDICT, PAST_INCIDENT, BACKGROUND)
