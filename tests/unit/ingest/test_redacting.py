"""A secret that slipped into an alert goes no further than the raw body."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.app import PARSERS
from services.ingest.handlers import redacting
from services.ingest.handlers.accept import Accepted, accept
from services.ingest.handlers.redacting import AlertRedactor
from tests.support.seeded import Seed, bodies, places_of, seeds

NOW = 1_795_488_000.0
KNOWN = "a-webhook-secret-of-ours"
SEEDS = [*seeds(), Seed(f"it says {KNOWN} here", KNOWN)]


def events(source: str, body: bytes) -> list[dict[str, object]]:
    """Return what ingest says of a body, without the raw body."""
    accepted = Accepted(source, "live", {"webhook-id": "w"}, body, NOW, len(body))
    delivered = accept(accepted, PARSERS[source], b"key", b"0123456789", AlertRedactor([KNOWN]))
    return [{**json.loads(record.body), "raw": "", "key": record.key} for record in delivered.records]


@pytest.mark.parametrize("seed", [pytest.param(seed, id=seed.text.replace(seed.core, "X")[:60]) for seed in SEEDS])
def test_no_field_of_an_event_holds_a_secret_of_the_alert(seed: Seed) -> None:
    for source, body in bodies(seed.text).items():
        told = json.dumps(events(source, body))
        assert places_of(seed.core, told) == 0, source
        assert "[redacted]" in told, source


def test_alerts_that_differ_in_a_secret_alone_are_still_two_alerts() -> None:
    for source in PARSERS:
        one, other = (
            [event] for secret in ("first1", "second2") for event in events(source, bodies(f"token={secret}")[source])
        )
        assert one[0]["key"] != other[0]["key"]
        assert one[0]["alert"]["source_key"] != other[0]["alert"]["source_key"]  # type: ignore[index]  # JSON


def test_what_is_known_to_be_clean_hides_no_secret_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redacting, "REMEMBERED", 3)
    redactor = AlertRedactor([KNOWN])
    assert redactor.finds_nothing(["CPU is high", None], {"host": "a"})
    assert redactor.finds_nothing(["CPU is high"], {"host": "b", "team": "c", "zone": "d"})
    assert not redactor.finds_nothing(["CPU is high"], {"host": "b", "note": KNOWN})
    assert not redactor.finds_nothing([KNOWN], {"host": "a"})
    assert not redactor.finds_nothing(["CPU is high"], {"password": "CPU is high"})
    assert redactor.finds_nothing(["CPU is high"], {"host": "a"})


TEXTS = st.sampled_from(["CPU is high", "a", "", "password", "key", KNOWN, "Bearer abcdefgh", "password=", "x" * 300])


@given(alerts=st.lists(st.tuples(st.lists(TEXTS), st.dictionaries(TEXTS, TEXTS)), min_size=1, max_size=6))
def test_a_redactor_that_knows_texts_again_finds_what_one_finds_that_does_not(
    alerts: list[tuple[list[str], dict[str, str]]],
) -> None:
    redactor = AlertRedactor([KNOWN])
    for texts, labels in alerts:
        whole = "\n".join([*texts, *(f"{name}={value}" for name, value in labels.items())])
        if any(AlertRedactor([KNOWN]).text(one) != one for one in whole.split("\n")):
            assert not redactor.finds_nothing(texts, labels)
