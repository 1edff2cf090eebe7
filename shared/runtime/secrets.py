"""Secrets and keys of the embedded start, generated once into files that only their owner can read."""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
import tempfile
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from shared.errors import ConfigurationError


def private_folder(path: Path) -> Path:
    """Make a folder that only its owner can enter, and return it. Raises ConfigurationError when it cannot be used."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o700)
    except OSError as error:
        raise ConfigurationError(f"cannot write {path}: {error.strerror}; choose another --data") from error
    return path


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, all of it or nothing; the last writer wins."""
    _draft(path, text).replace(path)


def remembered(path: Path, make: Callable[[], str]) -> str:
    """Return the secret of a file, made and written at the first call.

    Of processes that start together the first writer wins, and all return what it wrote.
    """
    if not path.exists():
        private_folder(path.parent)
        draft = _draft(path, make() + "\n")
        with contextlib.suppress(FileExistsError):
            # A link, unlike a rename, never replaces; and what it names is whole from the start.
            path.hardlink_to(draft)
        draft.unlink()
    return path.read_text(encoding="utf-8").strip()


def _draft(path: Path, text: str) -> Path:
    """Write a file of another name beside `path`, on disk when this returns."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # 0600 from its first moment.
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return Path(name)


def random_secret() -> str:
    """Return 256 random bits as text."""
    return secrets.token_urlsafe(32)


def new_key() -> str:
    """Return a fresh Ed25519 private key as PEM text."""
    return (
        Ed25519PrivateKey.generate()
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        .decode()
        .strip()
    )


def private_key(pem: str) -> Ed25519PrivateKey:
    """Return the key of a PEM text. Raises ConfigurationError for anything else."""
    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except ValueError as error:
        raise ConfigurationError("the signing key is no PEM private key") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError("the signing key is no Ed25519 key")
    return key


def public_text(key: Ed25519PrivateKey) -> str:
    """Return the public half as base64 of its 32 bytes."""
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def public_key(text: str) -> Ed25519PublicKey:
    """Return the key of `public_text`. Raises ConfigurationError for anything else."""
    try:
        return Ed25519PublicKey.from_public_bytes(base64.b64decode(text, validate=True))
    except ValueError as error:
        raise ConfigurationError("a trusted key is not base64 of 32 bytes") from error
