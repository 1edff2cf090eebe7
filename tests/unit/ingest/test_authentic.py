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
from services.ingest.domain.receipt import is_ours, make_receipt, proof

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
        (check_standard(NOW), standard(OLD) | {"webhook-timestamp": "soon"}, None),
        (check_standard(NOW), standard(OLD) | {"webhook-timestamp": "9" * 400}, None),
        (check_standard(NOW), standard(OLD) | {"webhook-timestamp": "\u00b2"}, None),
        (check_standard(NOW), standard(OLD) | {"webhook-id": "other"}, None),
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


@pytest.mark.parametrize("blank", ["", " ", "\n", "whsec_"])
def test_a_blank_secret_is_none(blank: str) -> None:
    assert Secrets.of([blank], blank) == Secrets()
    assert Secrets.of([blank, "a"], "b") == Secrets((b"a",), b"b")


def test_every_bit_of_a_signed_body_and_of_its_signature_counts() -> None:
    good = signed(OLD)
    for place in range(len(BODY) * 8):
        body = bytearray(BODY)
        body[place // 8] ^= 1 << place % 8
        assert vouch(check_pagerduty, SECRETS, {"x-pagerduty-signature": good}, bytes(body)) is None
    for place in range(3, len(good)):
        other = good[:place] + ("0" if good[place] != "0" else "1") + good[place + 1 :]
        assert vouch(check_pagerduty, SECRETS, {"x-pagerduty-signature": other}, BODY) is None


def test_ten_thousand_signatures_are_one_refusal() -> None:
    header = {"x-pagerduty-signature": ",".join([f"v1={'0' * 64}"] * 10_000)}
    assert vouch(check_pagerduty, SECRETS, header, BODY) is None


@pytest.mark.parametrize(
    "secret, expected", [(OLD, "1"), (NEW, "2"), (REPLAY, "replay")], ids=["first", "second", "replay"]
)
def test_which_secret_vouched_is_told(secret: bytes, expected: str) -> None:
    voucher = vouch(check_token, SECRETS, {"x-signoff-token": secret.decode(), "signoff-run": "r1"}, BODY)
    assert voucher is not None
    assert voucher.secret == expected


def test_a_secret_that_is_no_ascii_is_compared_as_bytes() -> None:
    sent = "pässwörd".encode().decode("latin-1")
    assert vouch(check_token, Secrets.of(["pässwörd"]), {"x-signoff-token": sent}, BODY) == Voucher("live", "1")


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


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 200])
def test_a_proof_is_the_standard_one_whatever_the_size_of_its_key(size: int) -> None:
    key = bytes(range(256))[:size]
    assert proof(key, BODY) == proof(key, BODY) == hmac.digest(key, BODY, "sha256")


def test_a_receipt_is_time_and_chance_in_base_32_and_a_tag() -> None:
    receipt = make_receipt(OLD, NOW, b"0123456789")
    stem = base64.b32hexencode(int(NOW * 1000).to_bytes(6, "big") + b"0123456789").decode().rstrip("=")
    tag = hmac.digest(OLD, f"receipt\x00{stem}".encode(), "sha256")[:5]
    assert receipt == stem + base64.b32hexencode(tag).decode()
