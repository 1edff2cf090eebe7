"""What leaves this machine."""

from __future__ import annotations

import asyncio

import pytest

from services.diagnoser.engines.anthropic.client import GivenUpError, Request
from services.diagnoser.engines.anthropic.consulting import consult, opinion
from services.diagnoser.engines.anthropic.veil import Veil, VeiledClient
from shared.telemetry.redacting import Redactor
from tests.support.second_opinions import CATALOGUE, TERMS, Scripted, answer, consulted, leaking, redacted_ground, said
from tests.support.seeded import places_of, seeds


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("mail of kim@shop.example bounced", id="a mail address"),
        pytest.param("host 10.20.30.40 is slow", id="a network address"),
        pytest.param("from 2001:db8:0:0:1:2:3:4 on", id="a network address of version 6"),
        pytest.param("card 4111 1111 1111 1111 declined", id="a card number"),
        pytest.param("trace a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d6", id="a long random word"),
    ],
)
def test_what_names_people_and_machines_gets_a_placeholder_that_only_we_can_replace(text: str) -> None:
    veil = Veil(Redactor())
    hidden = veil.hide(text)

    assert hidden != text
    assert veil.hide(text) == hidden
    assert veil.reveal(hidden) == text
    assert Veil(Redactor()).reveal(hidden) == hidden
    assert veil.is_clean(hidden)


def test_plain_text_stays_as_it_is() -> None:
    text = "mem.used_pct of web-a went from 50.1 % to 1,087.7 %, since 55 min; payments-7d9f8b6c5d-x2x4z restarted"
    assert Veil(Redactor()).hide(text) == text


def test_every_seeded_secret_is_taken_out_and_what_is_left_counts_as_clean() -> None:
    for seed in seeds(7):
        veil = Veil(Redactor())
        hidden = veil.hide(f"failed with {seed.text} twice")
        assert not places_of(seed.core, hidden)
        assert veil.is_clean(hidden), hidden


class Broken(Redactor):
    """A redactor that has stopped working."""

    def text(self, text: str) -> str:
        """Raise."""
        raise ValueError(text)


class Blind(Redactor):
    """A redactor that sees nothing."""

    def text(self, text: str) -> str:
        """Return it as it is."""
        return text


def request(text: str) -> Request:
    return Request("diagnose", "", [], [{"role": "user", "content": [{"type": "text", "text": text}]}], {}, 10, 1.0)


@pytest.mark.parametrize(
    "redactor,text",
    [
        pytest.param(Broken(), "all is well", id="a redactor that breaks"),
        pytest.param(
            Redactor(["hunter2-hunter2"]), "it is hunter2-hunter2", id="a known secret that was not taken out"
        ),
        pytest.param(Blind(), "AKIAABCDEFGHIJKLMNOP", id="a key of a known form that the redactor missed"),
        pytest.param(Blind(), "-----BEGIN RSA PRIVATE KEY-----", id="a private key that the redactor missed"),
        pytest.param(Blind(), "postgresql://shop:geheim@db/x", id="a password in an address that it missed"),
    ],
)
def test_nothing_is_sent_in_doubt(redactor: Redactor, text: str) -> None:
    client = Scripted([said(answer())])

    with pytest.raises(GivenUpError, match="nothing was sent"):
        asyncio.run(VeiledClient(client, Veil(redactor)).ask(request(text)))

    assert client.asked == []


def test_a_redactor_that_breaks_leaves_the_offline_answer_and_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Scripted([said(answer())])
    ground = redacted_ground()
    monkeypatch.setattr(Redactor, "text", Broken.text)

    found = asyncio.run(opinion(ground, client, TERMS))

    assert (found.outcome, client.asked) == ("redaction", [])
    assert found.conclusion.result.status == "diagnosed"


def test_a_redactor_that_breaks_before_anything_is_read_leaves_the_offline_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Redactor, "text", Broken.text)

    found = consult(leaking(), CATALOGUE, TERMS)

    assert (found.outcome, found.used.turns) == ("redaction", 0)
    assert found.conclusion.result.degraded == "redaction: the redactor failed (ValueError); nothing was sent"


def test_an_entity_that_is_an_address_is_called_otherwise_and_found_again() -> None:
    value = leaking()
    for part in (value["topology"]["entities"], value["metrics"], value["logs"]):
        for item in part:
            key = "id" if "kind" in item else "entity"
            item[key] = "10.1.2.3" if item[key] == "web-a" else item[key]
    for edge in value["topology"]["edges"]:
        edge["dst"] = "10.1.2.3" if edge["dst"] == "web-a" else edge["dst"]
    cause = {"cause": "resource_leak.memory", "entity": "[ip-1]", "change": "", "cites": ["M02"]}
    client = Scripted([said(answer(causes=[cause]))])

    found = consulted(client, value)

    assert found.outcome == "passed"
    assert "10.1.2.3" not in str(client.asked)
