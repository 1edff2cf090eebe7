"""A local Kafka that wants TLS and a password, as one in production does."""

from __future__ import annotations

import ipaddress
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.support.kafka import LocalKafka, format_data
from tests.support.provider import free_port

USER, PASSWORD = "signoff", "hush-hush"
_MODULE = "org.apache.kafka.common.security"
_SETTINGS = """listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,CLIENT:SASL_SSL
listeners={listeners},CLIENT://127.0.0.1:{port}
advertised.listeners={advertised},CLIENT://127.0.0.1:{port}
listener.name.client.ssl.keystore.type=PEM
listener.name.client.ssl.keystore.location={keys}
listener.name.client.sasl.enabled.mechanisms=SCRAM-SHA-512,PLAIN
listener.name.client.scram-sha-512.sasl.jaas.config={module}.scram.ScramLoginModule required;
listener.name.client.plain.sasl.jaas.config={module}.plain.PlainLoginModule required user_{user}="{password}";
"""


class SecuredKafka(LocalKafka):
    """A broker with a second listener: `secured_servers` takes `USER` with `PASSWORD`, and `ca_file` signed it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        port = free_port()
        self.secured_servers = f"127.0.0.1:{port}"
        self.ca_file = folder / "ca.pem"
        keys = folder / "server.pem"
        write_certificates(self.ca_file, keys)
        properties = folder / "server.properties"
        given = dict(line.split("=", 1) for line in properties.read_text().splitlines())
        more = _SETTINGS.format(
            listeners=given["listeners"],
            advertised=given["advertised.listeners"],
            port=port,
            keys=keys,
            module=_MODULE,
            user=USER,
            password=PASSWORD,
        )
        with properties.open("a") as file:
            file.write(more)
        shutil.rmtree(folder / "data")
        format_data(properties, "--add-scram", f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]")


def write_certificates(ca_file: Path, keys: Path) -> None:
    """Write an authority's certificate, and a server's key and certificate for 127.0.0.1 that it signed."""
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Signoff test authority")])
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    authority = _certificate(ca_name, ca_key, ca_name, ca_key, x509.BasicConstraints(ca=True, path_length=0))
    server = _certificate(name, key, ca_name, ca_key, address)
    ca_file.write_bytes(authority.public_bytes(Encoding.PEM))
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    keys.write_bytes(secret + server.public_bytes(Encoding.PEM))


def _certificate(
    name: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    extension: x509.ExtensionType,
) -> x509.Certificate:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(extension, critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
