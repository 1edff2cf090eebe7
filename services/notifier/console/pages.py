"""What each page shows: a template and what it needs. The same fragment is in the page and in its stream."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment

from services.notifier.console.rendering import Context
from services.notifier.domain import wording
from services.notifier.domain.approvals import pending
from services.notifier.domain.detail import Detail, halted
from services.notifier.domain.executions import current_step, offers, running
from services.notifier.domain.question import charts, question
from services.notifier.domain.verdicts import choices
from services.notifier.domain.views import times
from services.notifier.handlers.catalogue import Catalogue
from services.notifier.handlers.signing_in import SigningIn
from services.notifier.ports import ReadModel, Session
from shared.errors import NotFoundError
from shared.incident.enums import Role
from shared.incident.model import is_simulated
from shared.runtime.people import Person
from shared.store.port import Store

CHARTS_MAX = 6
"""Charts that an incident's page shows at once; the others are one click away."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page: its fragment's template and context, the incident it follows (empty: all) and its stream."""

    template: str
    title: str
    context: Context
    feed: str
    live: str


Show = Callable[[Session], Awaitable[Page]]


class Pages:
    """Builds pages from the read model."""

    def __init__(
        self,
        read_model: ReadModel,
        store: Store,
        signing_in: SigningIn,
        templates: Environment,
        *,
        catalogue: Catalogue,
    ) -> None:
        self._read_model = read_model
        self._catalogue = catalogue
        self._store = store
        self._signing_in = signing_in
        self._templates = templates

    def incidents(self, environment: str) -> Show:
        """Return the list; those that need a person first."""

        async def show(session: Session) -> Page:
            found = await self._read_model.incidents(environment=environment)
            groups = (
                ("Needs you", sorted((o for o in found if o.incident.stage in wording.NEEDS_YOU), key=wording.urgency)),
                ("Under way", [o for o in found if o.incident.stage not in wording.NEEDS_YOU | wording.OVER]),
                ("Over", [o for o in found if o.incident.stage in wording.OVER]),
            )
            context = {**await self._common(session), "groups": groups, "environment": environment}
            return Page("fragments/incidents.html", "Incidents", context, "", f"/live?environment={environment}")

        return show

    def incident(self, prefix: str) -> Show:
        """Return everything about one incident."""

        async def show(session: Session) -> Page:
            overview = await self._read_model.find(prefix)
            incident = overview.incident
            detail = await self._read_model.detail(incident.id)
            asked, execution = pending(detail), running(detail)
            cited, others = charts(detail)
            context = {
                **await self._common(session),
                **await self._about(detail, incident.id),
                "pending": asked,
                "halted": halted(detail),
                "running": execution,
                "offers": offers(execution) if execution else (),
                "step": current_step(execution) if execution else "",
                "cited": cited[:CHARTS_MAX],
                "others": cited[CHARTS_MAX:] + others,
                "snapshot": detail.snapshot(),
                "times": times(detail),
                "causes": choices(detail.diagnosis, await self._catalogue.causes()) if detail.diagnosis else [],
            }
            return Page(
                "fragments/incident.html",
                f"{incident.id} {incident.title}",
                context,
                incident.id,
                f"/live/i/{incident.id}",
            )

        return show

    def approval(self, approval_id: str) -> Show:
        """Return one question."""

        async def show(session: Session) -> Page:
            incident_id = await self._read_model.incident_of(approval_id)
            detail = await self._read_model.detail(incident_id)
            asked = question(detail, approval_id)
            if asked is None or detail.overview is None:
                raise NotFoundError(f"no approval {approval_id!r}")
            common = await self._common(session)
            left = asked.seconds_left(common["now"])
            voted = {vote["actor"]["id"] for vote in asked.approval["votes"]}
            waits = {decision["person"] for decision in asked.submitted}
            may_approve = _may_approve(common["person"], detail.overview.incident.environment)
            context = {
                **common,
                **await self._about(detail, incident_id),
                "question": asked,
                "approval": asked.approval,
                "left": left,
                "may_approve": may_approve,
                "may_decide": asked.approval["state"] == "pending"
                and left > 0
                and not asked.problem
                and may_approve
                and session.person not in voted | waits,
                "has_voted": session.person in voted,
            }
            return Page("fragments/approval.html", f"{asked.headline}?", context, incident_id, f"/live/a/{approval_id}")

        return show

    def whole(self, page: Page) -> str:
        """Return a page as HTML."""
        context = {**page.context, "title": page.title, "live": page.live, "fragment": page.template}
        return self._templates.get_template("page.html").render(context)

    def fragment(self, page: Page) -> str:
        """Return the part of a page that its stream replaces."""
        return self._templates.get_template(page.template).render(page.context)

    def plain(self, template: str, context: Context) -> str:
        """Return a page without session or stream."""
        return self._templates.get_template(template).render({"live": "", "person": None, "csrf": "", **context})

    async def _common(self, session: Session) -> Context:
        return {
            "person": self._signing_in.person(session.person),
            "name_of": self._signing_in.name,
            "csrf": session.csrf,
            "now": await self._store.now(),
        }

    async def _about(self, detail: Detail, incident_id: str) -> Context:
        silent: list[Any] = [d for d in await self._read_model.silent(incident_id) if d in detail.decisions]
        return {
            "detail": detail,
            "overview": detail.overview,
            "incident": detail.overview.incident if detail.overview else None,
            "unanswered": [detail.decisions[decision] for decision in silent],
        }


def _may_approve(person: Person, environment: str) -> bool:
    """Say whether the executor may take this person's word; it alone rules."""
    return person.has(Role.APPROVER) and (is_simulated(environment) or not person.sample)
