"""The first tables: created from the metadata, so there is nothing to do."""

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Do nothing; databases start at this revision."""
