from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from services.ingest.domain.authentic import (
    Check,
    Secrets,
    Voucher,
    check_pagerduty,
    check_standard,
    check_token,
    vouch,
)
from services.ingest.domain.receipt import is_ours, make_receipt

OLD, NEW, REPLAY = b"old-secret", b"new-secret", b"replay-secret"
SECRETS = Secrets(live=(OLD, NEW), replay=REPLAY)
BODY = b'{"a": 1}'
NOW = 1_764_000_000.0


def signed(secret: bytes, body: bytes = BODY) -> str:
    return f"v1={hmac.new(secret, body, hashlib.sha256).hexdigest()}"


def standard(secret: bytes, stamp: float = NOW) -> dict[str, str]:
    text = f"msg.{int(stamp)}.".encode() + BODY
    signature = base64.b64encode(hmac.new(secret, text, hashlib.sha256).digest()).decode()
    return {"webhook-id": "msg", "webhook-timestamp": str(int(stamp)), "webhook-signature": f"v1a,x v1,{signature}"}


@pytest.mark.parametrize(
    "check, headers, environment",
    [
        (check_token, {"x-signoff-token": "old-secret"}, "live"),
        (check_token, {"x-signoff-token": "new-secret"}, "live"),
        (check_token, {"x-signoff-token": "other"}, None),
        (check_token, {}, None),
        (check_token, {"x-signoff-token": "old-secret", "signoff-run": "r1"}, "live"),
        (check_token, {"x-signoff-token": "replay-secret", "signoff-run": "r1"}, "sim:r1"),
        (check_token, {"x-signoff-token": "replay-secret"}, None),
        (check_token, {"x-signoff-token": "replay-secret", "signoff-run": "../live"}, None),
        (check_token, {"signoff-run": "r1"}, None),
        (check_pagerduty, {"x-pagerduty-signature": signed(NEW)}, "live"),
        (check_pagerduty, {"x-pagerduty-signature": f"v2=00, {signed(b'else')}, {signed(OLD)}"}, "live"),
        (check_pagerduty, {"x-pagerduty-signature": signed(OLD, b"other body")}, None),
        (check_pagerduty, {"x-pagerduty-signature": signed(OLD).removeprefix("v1=")}, None),
        (check_pagerduty, {"x-pagerduty-signature": signed(REPLAY), "signoff-run": "r1"}, "sim:r1"),
        (check_pagerduty, {"x-pagerduty-signature": "v1=\u00e9"}, None),
        (check_standard(NOW), standard(OLD), "live"),
        (check_standard(NOW + 301), standard(OLD), None),
        (check_standard(NOW), standard(b"else"), None),
        (check_standard(NOW), {}, None),
    ],
)
def test_a_delivery_belongs_where_its_secret_says(
    check: Check, headers: dict[str, str], environment: str | None
) -> None:
    voucher = vouch(check, SECRETS, headers, BODY)
    assert (voucher.environment if voucher else None) == environment


def test_a_secret_in_standard_form_is_decoded() -> None:
    raw = b"0123456789abcdef01234567"
    secrets = Secrets(live=(b"whsec_" + base64.b64encode(raw),))
    assert vouch(check_standard(NOW), secrets, standard(raw), BODY) == Voucher("live", "1")


def test_a_source_without_any_secret_is_off() -> None:
    assert Secrets().off
    assert not Secrets(replay=REPLAY).off


def test_receipts_are_ordered_by_time_and_cannot_be_invented() -> None:
    early, late = (make_receipt(b"key", now, b"0123456789") for now in (NOW, NOW + 1))
    assert early < late
    assert is_ours(b"key", early)
    assert not is_ours(b"other key", early)
    assert not is_ours(b"key", early[:-1] + ("0" if early[-1] != "0" else "1"))
    assert not is_ours(b"key", "")
