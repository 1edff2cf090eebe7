"""One incident in the house: asked about, decided on, and looked at from all sides."""

from __future__ import annotations

import html
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.events.incidents import IncidentOpened
from shared.events.investigations import RecommendationMade
from shared.incident.actor import Actor
from shared.incident.alert import Alert, fingerprint
from shared.incident.diagnosis import ActionRecommendation, RecommendationSet
from shared.incident.enums import RiskLevel, Severity
from shared.incident.model import LIVE
from simulation.life import Life
from tests.resilience.house import LIMIT, RUNBOOK, Heard, House
from tests.support.kinds import eventually

HOST = "prod-web-03"
_BASE32 = str.maketrans("0189", "GHJK")
SHOWN: Mapping[str, str] = {
    "granted": "✓ Approved",
    "claimed": "✓ Approved",
    "cancelled": "✓ Approved",
    "rejected": "✕ Rejected",
    "expired": "✕ Expired; nothing ran",
    "withdrawn": "↩ Withdrawn",
    "superseded": "↻ Superseded",
}
"""What the page of a question must say, by what the executor holds true; `pending` says none of it."""


def opened(environment: str) -> IncidentOpened:
    """The first word of the diagnoser."""
    now = datetime.now(UTC)
    alert = Alert(
        fingerprint=fingerprint("datadog", environment),
        source="datadog",
        source_key=environment,
        title="Memory high",
        services=("storefront",),
        occurred_at=now,
    )
    return IncidentOpened(
        title="Memory high",
        severity=Severity.SEV2,
        services=("storefront",),
        started_at=now,
        message_id="r1",
        alert=alert,
    )


@dataclass
class Matter:
    """An incident, its run, and the newest question about it."""

    house: House
    life: Life
    environment: str
    incident: str = field(default_factory=lambda: f"INC-{secrets.token_hex(5).upper().translate(_BASE32)}")
    question: dict[str, Any] = field(default_factory=dict)
    recommendations: int = 0

    @property
    def approval(self) -> str:
        """The id of the newest question."""
        return str(self.question["approval_id"])

    @property
    def execution(self) -> str:
        """The id of its execution."""
        return self.approval.replace("apr-", "exe-")

    @property
    def calls(self) -> list[str]:
        """The tokens of what reached the world."""
        return [done.token for done in self.life.run.done]

    def recommendation(self, runbook: str = RUNBOOK, proposed_by: str = "") -> RecommendationMade:
        """Return what helps, by this runbook."""
        item = ActionRecommendation(
            runbook_id=runbook,
            runbook_sha256=self.house.runbooks[runbook].sha256,
            title="Restart",
            cause="resource_leak.memory",
            entity=HOST,
            parameters={"host": HOST},
            risk=RiskLevel.MEDIUM,
            confidence=0.8,
            rationale="memory grows since the deploy",
        )
        return RecommendationMade(
            recommendation_id=f"rec-{self.incident}-{self.recommendations}",
            investigation_id="inv-1",
            recommendations=RecommendationSet(items=(item,)),
            proposed_by=Actor(kind="person", id=proposed_by) if proposed_by else None,
        )

    async def recommend(self, runbook: str = RUNBOOK, proposed_by: str = "") -> dict[str, Any]:
        """Let the diagnoser recommend, and return the question."""
        self.recommendations += 1
        await self.tell(self.recommendation(runbook, proposed_by))
        heard = await self.until("approval.requested", "plan.refused", count=self.recommendations)
        assert heard.type == "approval.requested", heard.body
        self.question = heard.body
        await self.house.journaled(self.incident)
        return self.question

    async def tell(self, *payloads: Any, source: str = "", event_id: str = "") -> None:  # noqa: ANN401 -- any payload
        """Say something about this incident on its topic."""
        await self.house.tell(self.incident, self.environment, *payloads, source=source, event_id=event_id)

    async def until(self, *types: str, count: int = 1) -> Heard:
        """Return the newest event of these types, once there are `count`."""
        return await self.house.until(self.incident, *types, count=count)

    def decision(self, verb: str = "approve", person: str = "ann", /, **wrong: Any) -> dict[str, Any]:  # noqa: ANN401 -- fields of a decision
        """Return a decision about the newest question, right in every field that is not given."""
        now = datetime.now(UTC)
        return {
            "kid": "test",
            "environment": self.environment,
            "incident_id": self.incident,
            "subject": self.approval,
            "plan_sha256": self.question["plan_sha256"],
            "verb": verb,
            "person": person,
            "via": "page:oidc",
            "authenticated_at": now - timedelta(minutes=1),
            "nonce": secrets.token_hex(16),
            "time": now,
            **wrong,
        }

    async def submit(
        self,
        decision: Mapping[str, Any] | None = None,
        *,
        key: Ed25519PrivateKey | None = None,
        forged: Mapping[str, str] | None = None,
    ) -> str:
        """Put a signed decision on the topic; `forged` replaces what travels."""
        signed = self.house.sign(decision or self.decision(), key)
        return await self.house.submit(self.incident, self.environment, {**signed, **(forged or {})})

    async def press(self, verb: str, person: str = "ann", **changes: str) -> httpx.Response:
        """Press a button of the page of the newest question."""
        browser = await self.house.browser(person)
        page = await browser.get(f"/a/{self.approval}")
        form = {
            "csrf": csrf_of(page.text),
            "subject": self.approval,
            "plan_sha256": self.question["plan_sha256"],
            "verb": verb,
            **changes,
        }
        return await browser.post(f"/i/{self.incident}/decisions", data=form)

    async def command(self, verb: str, person: str = "ann", **body: str) -> httpx.Response:
        """Decide by the command."""
        command = await self.house.command(person)
        return await command.post(f"/api/incidents/{self.incident}/decisions", json={"verb": verb, **body})

    async def freeze(self, *, on: bool = True) -> None:
        """Freeze every environment that has an open incident, or end that."""
        command = await self.house.command("ann")
        answer = await command.post("/api/freeze", json={"on": on, "reason": "change stop"})
        assert "refused" not in answer.json()["environments"][self.environment], answer.text

    async def freeze_here(self) -> dict[str, Any]:
        """Freeze this environment alone, by the route that the notifier uses; return the reply."""
        said = self.decision("freeze", incident_id="", subject=self.environment, plan_sha256=None)
        async with self.house.control() as control:
            answer = await control.post("/control/freeze", json=self.house.sign(said))
        assert answer.is_success, answer.text
        return dict(answer.json())

    def heard(self) -> list[Heard]:
        """Return everything that was said about the incident."""
        return list(self.house.heard[self.incident].values())

    async def ruled(self, decision_id: str) -> Heard:
        """Return the executor's ruling on a decision."""

        async def ruling() -> Heard | None:
            return next((one for one in self.heard() if one.body.get("decision_id") == decision_id), None)

        found = await eventually(ruling, LIMIT)
        assert found is not None
        return found

    async def disbelieved(self, count: int = 1) -> None:
        """Return when the notifier holds so many records as not to be believed."""

        async def there() -> bool:
            return sum("was not believed" in line for line in await self.timeline()) >= count

        await eventually(there, LIMIT)

    async def first(self) -> dict[str, Any]:
        """Return the question that was asked, as the executor holds it; of one that was replaced only its end."""
        approval = (await self.state())["approval"]
        return dict(approval) if approval["id"] == self.approval else {"state": "superseded"}

    async def is_settled(self) -> bool:
        """Say whether the executor waits for people, or what was approved has reached the world."""
        state = await self.state()
        execution, proposal = state["execution"], state["proposal"]
        if state["approval"]["id"] != self.approval:
            return True
        if proposal["preparing"] or state["waiting"]:
            return False
        return execution is None or execution["phase"] in ("held", "ended", "verifying")

    async def refusal(self, count: int = 1) -> dict[str, Any]:
        """Return the newest refusal of a decision."""
        return (await self.until("approval.decision_refused", count=count)).body

    async def state(self) -> dict[str, Any]:
        """Return what the executor holds true of the incident."""
        return dict(await self.house.store.state(f"incident/{self.incident}"))

    async def timeline(self) -> list[str]:
        """Return the lines of the timeline, as the command shows them."""
        await self.house.journaled(self.incident)
        command = await self.house.command("ann")
        shown = (await command.get(f"/api/incidents/{self.incident}")).json()
        return [line["text"] for line in shown["timeline"]]

    async def pages(self, person: str = "ben") -> tuple[str, str]:
        """Return the pages of the question and of the incident, as text without tags."""
        await self.house.journaled(self.incident)
        browser = await self.house.browser(person)
        asked = await browser.get(f"/a/{self.approval}")
        incident = await browser.get(f"/i/{self.incident}")
        assert (asked.status_code, incident.status_code) == (200, 200)
        return text_of(asked.text), text_of(incident.text)

    async def nothing_happened(self, *reasons: str) -> None:
        """Check ledger, timeline and pages: nothing ran, each reason is told, and no page says otherwise."""
        await eventually(self._is_quiet, LIMIT)
        timeline = await self.timeline()
        held, asked, incident = await self.pages_agree()
        for reason in reasons:
            assert any(reason in line for line in timeline), (reason, timeline)
            assert reason in incident, reason
        for lie in ("Verification passed", "succeeded", "Verifying"):
            assert lie not in asked, lie
            assert lie not in incident.partition("Timeline")[0], lie
        if held in ("granted", "cancelled"):
            for page in (asked, incident):
                assert ("paused" if held == "granted" else "cancelled") in page.lower(), page
        assert self.calls == []
        assert not await self.house.store.claim(limit=1, names=["call"])

    async def pages_agree(self) -> tuple[str, str, str]:
        """Check that both pages say of the question what the executor holds true; return that, and the pages."""
        await self.house.journaled(self.incident)
        held = str((await self.first())["state"])
        asked, incident = await self.pages()
        shown = {words for words in SHOWN.values() if words in asked}
        assert shown == ({SHOWN[held]} if held in SHOWN else set()), (held, asked)
        waits = (await self.state())["approval"]["state"] == "pending"
        assert "waits for approval" not in asked + incident or waits, (held, asked)
        assert ("Waits for approval" in incident) == waits, incident
        return held, asked, incident

    async def _is_quiet(self) -> bool:
        """Say whether the executor waits for people or for nothing."""
        state = await self.state()
        execution = state["execution"]
        return not state["waiting"] and (execution is None or execution["phase"] in ("held", "ended", "in_doubt"))


async def asked(house: House, runbook: str = RUNBOOK, *, live: bool = False, proposed_by: str = "") -> Matter:
    """Return an incident about whose plan people are asked."""
    if live:
        house.connect_live()
        matter = Matter(house, house.live, LIVE)
    else:
        life = house.begin()
        matter = Matter(house, life, f"sim:{life.run.id}")
    await matter.tell(opened(matter.environment))
    await matter.recommend(runbook, proposed_by)
    return matter


def csrf_of(page: str) -> str:
    """Return the CSRF token of a page's forms."""
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', page)
    assert found, page[:500]
    return found[1]


def text_of(page: str) -> str:
    """Return what a page says: no tags, no space but single ones."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())
