from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable

import pytest

from shared.telemetry.redacting import Redactor
from tests.support.seeded import Seed, seeds

SEEDS = list(seeds())
TOLD = (
    "{'X-Api-Key': ['<>']}", '{"secret": {"value": "<>"}}', '{"secret": {"value": {"of": "<>"}}}', "password2=<>",
    '{"name": "DB_PASSWORD", "value": "<>"}', "- name: DB_TOKEN\n  value: <>", '<add key="Password" value="<>"/>',
    "<db:password><></db:password>", '["--db-password", "<> x"]', "SMTP_PASS=<>", "[(b'x-api-key', b'<>')]",
    "{'x-api-key': b'<>'}", "'password' => '<>'", 'token := "<>"', "$c['secret'] = '<>'", "password: |\n  <>",
    "password%3D<>", "https%3A%2F%2Fa.example%3Ftoken%3D<>", "&quot;password&quot;:&quot;<>&quot;", "[36mtoken[0m=<>",
    "\x1b[36mpassword\x1b[0m=\x1b[32m<>\x1b[0m", "--token <>", "--token '<> x'", "api_key_old: <>",
    "TOKEN_SECRET_V2=<>",
    "https://hooks.slack.com/triggers/T0/1/<>", "https://discord.com/api/webhooks/1/<>", "postgresql://shop:p@<>@db/x",
    "https://x.webhook.office.com/webhookb2/<>/a", "https://api.telegram.org/bot12345:<>/send", "amqp://shop:p/<>@mq/x",
    "jdbc:oracle:thin:scott/<>@//db:1521/x", "curl -u shop:<> https://a.example", "ATATT3x<>", "dop_v1_<>", "hf_<>",
)  # fmt: skip
"""How tools and dumps tell of a secret."""
CORE = "s33d000" + "5e1f" * 7


def base64_of(text: str) -> str:
    return base64.b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize("seed", [pytest.param(seed, id=seed.text.replace(seed.core, "X")[:60]) for seed in SEEDS])
def test_a_secret_is_taken_out_for_its_form_or_its_name_wherever_it_stands(seed: Seed) -> None:
    redactor = Redactor()
    for text in (seed.text, f"before {seed.text} after", f"a\n{seed.text}\nb", json.dumps({"text": seed.text})):
        found = redactor.text(text)
        assert seed.core not in found
        assert "[redacted]" in found
        assert redactor.text(found) == found
    assert seed.core not in json.dumps(redactor.value({"logs": [{"message": seed.text}]}))


@pytest.mark.parametrize("form", TOLD)
def test_a_secret_is_taken_out_of_what_tools_and_dumps_tell_of_it(form: str) -> None:
    redactor, text = Redactor(), form.replace("<>", CORE)
    for told in (text, f"before {text} after", f"a\n{text}\nb", json.dumps({"text": text}), f"x={text}"):
        found = redactor.text(told)
        assert CORE not in found
        assert "[redacted]" in found
        assert redactor.text(found) == found


@pytest.mark.parametrize("form", [json.dumps, base64_of, "{}/x".format, lambda secret: secret.replace("/", r"\/")])
def test_a_known_secret_is_taken_out_in_every_spelling(form: Callable[[str], str]) -> None:
    secret = 'a"secret/of\\ours\u00fc'
    found = Redactor([secret]).text(f"it is {form(secret)} here")
    assert form(secret).strip('"') not in found
    assert "[redacted]" in found


@pytest.mark.parametrize(
    "text, left",
    [
        ('{"password": "s3cret", "user": "bob"}', '{"password": [redacted], "user": "bob"}'),
        ('{"password":12345,"user":"bob"}', '{"password":[redacted],"user":"bob"}'),
        ("{token=s3cret, user=bob}", "{token=[redacted], user=bob}"),
        ('{"a":"http://h:80/x","mail":"a@b.example"}', '{"a":"http://h:80/x","mail":"a@b.example"}'),
        ("https://registry.example:5000/@scope/pkg", "https://registry.example:5000/@scope/pkg"),
        ("https://x.example/a?password=s3cret&user=bob", "https://x.example/a?password=[redacted]&user=bob"),
    ],
)
def test_what_stands_beside_a_secret_stays_and_redacting_again_changes_nothing(text: str, left: str) -> None:
    assert Redactor().text(text) == Redactor().text(left) == left


@pytest.mark.parametrize("joint", ["|", ";", ",", "&", "/"])
def test_a_secret_is_taken_out_behind_another_that_ends_in_its_name(joint: str) -> None:
    assert CORE not in Redactor().text(f"pwd=s3cret{joint}X-Api-Key: {CORE}")


@pytest.mark.parametrize("form", ["token={} known-secret", 'password="{} known-secret"', "token={} [redacted]"])
def test_a_secret_before_another_that_is_out_already_is_taken_out_too(form: str) -> None:
    assert CORE not in Redactor(["known-secret"]).text(form.format(CORE))


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
            "token\\", ":", "=", "token={", "token=[", "token=(", "token=}", "token: |", '"token",', "<token>",
            "</<token ", "//a:", "//a:b", "-u a", "-u a:", ":thin:", ":thin:a/", "token]", "token[0m", "token value",
            "-pass=[", "\\u0022", "\\n ", "\x1b[0m", "&quot;", "]\\u0022", "eyJ--", "//a:b@", "{token", "token, ",
        )
    ],
)  # fmt: skip
def test_no_text_of_a_sender_takes_more_than_its_length_in_time(text: str) -> None:
    redactor = Redactor(["known-secret"])
    redactor.text(text[:10_000])
    took = []
    for size in (10_000, 100_000):
        begin = time.perf_counter()
        redactor.text(f"\u00e9 {text[:size]}")  # Beyond ASCII every pattern is tried.
        took.append(time.perf_counter() - begin)
    assert took[1] < max(40 * took[0], 0.5)
