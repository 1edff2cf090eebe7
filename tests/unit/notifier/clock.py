"""The instant at which the stories of these tests begin."""

from datetime import UTC, datetime

T0 = datetime(2026, 11, 3, 3, 0, tzinfo=UTC)
