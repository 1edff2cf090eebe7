from __future__ import annotations

import json
import time

import pytest

from shared.telemetry.redacting import Redactor
from tests.support.seeded import Seed, seeds

SEEDS = list(seeds())


@pytest.mark.parametrize("seed", [pytest.param(seed, id=seed.text.replace(seed.core, "X")[:60]) for seed in SEEDS])
def test_a_secret_is_taken_out_for_its_form_or_its_name_wherever_it_stands(seed: Seed) -> None:
    redactor = Redactor()
    for text in (seed.text, f"before {seed.text} after", f"a\n{seed.text}\nb", json.dumps({"text": seed.text})):
        found = redactor.text(text)
        assert seed.core not in found
        assert "[redacted]" in found
        assert redactor.text(found) == found
    assert seed.core not in json.dumps(redactor.value({"logs": [{"message": seed.text}]}))


def test_a_text_with_every_secret_keeps_what_stands_between_them() -> None:
    found = Redactor().text("\n".join(f"{number}. {seed.text}" for number, seed in enumerate(SEEDS)))
    assert not [seed.core for seed in SEEDS if seed.core in found]
    assert "orders-db/shop" in found
    assert "git.example/x.git" in found


@pytest.mark.parametrize(
    "text",
    [
        "CPU is high on web-3: 97 % (limit 90 %)",
        "https://app.datadoghq.com/monitors/42?group=host%3Aweb-1&from_ts=1764000000000",
        "avg(last_5m):avg:system.cpu.user{host:web-1} by {host} > 90",
        "env:prod,host:web-1,service:shop,version:v2.14.0,kube_namespace:default",
        "GET /product/81 200 in 12 ms, trace 4bf92f3577b34da6a3ce929d0e0e4736",
        "the token has expired; the password was wrong three times; key ceremony at 10:00",
        "sha256:8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4",
        "java.lang.OutOfMemoryError: GC overhead limit exceeded while handling request 7",
        "deploy of storefront v2.14.0 by release-train <ops@example.com>",
    ],
)
def test_what_alerts_and_logs_usually_say_stays_as_it_is(text: str) -> None:
    assert Redactor(["known-secret"]).text(text) == text


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(part * (100_000 // len(part)), id=part.strip()[:12] or "blanks")
        for part in (
            "a", " ", "token", "token ", "token= ", "token='", 'token="', "://", "://a", "&a", "?token", "basic ",
            "eyJ", "eyJaaaaaaaa.", "-----BEGIN PRIVATE KEY-----", "--token ", "a-token-", "sk-", "api ", "\\",
            "token\\", ":", "=",
        )
    ],
)  # fmt: skip
def test_no_text_of_a_sender_takes_more_than_its_length_in_time(text: str) -> None:
    redactor = Redactor(["known-secret"])
    redactor.text(text[:10_000])
    took = []
    for size in (10_000, 100_000):
        begin = time.perf_counter()
        redactor.text(text[:size])
        took.append(time.perf_counter() - begin)
    assert took[1] < max(40 * took[0], 0.5)
