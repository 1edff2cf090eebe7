"""How to reach Kafka: section `[kafka]`, shared by all services."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from shared.runtime.settings import Section

_SERVER = r"(?:[^\s,:\[\]]+|\[[0-9A-Fa-f:]+\])(?::\d{1,5})?"


class KafkaSettings(Section):
    """Empty `bootstrap_servers` means the embedded bus."""

    bootstrap_servers: str = Field(default="", pattern=f"^({_SERVER}(,{_SERVER})*)?$")
    """`host[:port]`, separated by commas without spaces."""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    sasl_username: str = ""
    sasl_password: SecretStr = SecretStr("")
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    topic_prefix: str = ""
    auto_create: bool = False
    """Create missing topics at start, with one replica; for trying things out."""
    replicas: int = Field(default=3, ge=1)
    """Replication of topics that `topics apply` creates."""
    instance_id: str = ""
    """A stable name of this replica: a restart after a crash then takes its partitions over in a second."""
    high_water: int = Field(default=50_000, gt=0)
