"""What is written about it."""

from __future__ import annotations

from services.diagnoser.collectors.reader import Reader
from services.diagnoser.domain.gathering import CaseJSON
from services.diagnoser.ports import Scene
from shared.integrations.reading import KnowledgeProvider

ARTICLES_MAX = 3
TEXT_MAX = 1000


class Articles(Reader[KnowledgeProvider]):
    """The passages of wikis, post-mortems and handbooks that fit the words of the incident."""

    name = "knowledge"

    async def collect(self, scene: Scene) -> CaseJSON:
        """Return `articles`."""
        provider = self.provider(scene.environment)
        found = await provider.search(scene.words, limit=ARTICLES_MAX) if scene.words else []
        return {"articles": [{"title": one.title, "link": one.link, "text": one.text[:TEXT_MAX]} for one in found]}
