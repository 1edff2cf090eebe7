"""Acting in the simulated world. Loaded by the executor and the notifier only, through the registry."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from shared.errors import NotFoundError, UnavailableError
from shared.incident.diagnosis import ParameterValue
from shared.integrations.acting import CallResult, CommunicationProvider, InfrastructureActuator, Post
from simulation.providers.client import RunClient
from simulation.run import RESTART


class SimulatedActuator(RunClient, InfrastructureActuator):
    """Calls verbs on the hosts of one run."""

    def verbs(self) -> Collection[str]:
        return (RESTART,)

    async def call(
        self, verb: str, target: str, arguments: Mapping[str, ParameterValue], *, token: str, limit: float
    ) -> CallResult:
        """Call once. A connection that ends in between leaves doubt, never a second call."""
        question = {
            "verb": verb,
            "target": target,
            "arguments": {name: str(value) for name, value in arguments.items()},
            "token": token,
        }
        try:
            answer = await self.ask("calls", question, limit=limit)
        except NotFoundError as error:
            return CallResult("failed_safe", str(error))
        except UnavailableError as error:
            return CallResult("unknown", str(error))
        return CallResult("succeeded" if answer["applied"] else "failed_safe", answer["detail"])


class SimulatedSlack(RunClient, CommunicationProvider):
    """The channel of one run: one message for each marker, edited in place."""

    async def upsert(self, post: Post) -> str:
        await self.ask(
            "slack",
            {
                "marker": post.marker,
                "text": post.text,
                "fields": dict(post.fields),
                "link": post.link,
                "simulated": post.simulated,
                "line": post.thread,
            },
        )
        return post.marker
