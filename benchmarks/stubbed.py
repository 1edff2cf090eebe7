"""`signoff serve diagnoser` with an engine that concludes nothing, at once: the way is measured, not the thinking."""

from __future__ import annotations

from functools import partial

from cli.main import main
from services.diagnoser import app
from services.diagnoser.domain.finding_out import Conclusion
from services.diagnoser.domain.gathering import CaseJSON
from services.diagnoser.ports import Recall
from shared.incident.diagnosis import DiagnosticResult


class NoEngine:
    """Knows nothing and says so."""

    async def diagnose(self, case: CaseJSON, *, limit: float, recall: Recall | None = None) -> Conclusion:
        """Return that nothing was found."""
        del case, limit, recall
        return Conclusion(
            result=DiagnosticResult(
                status="inconclusive",
                statement="Nobody has looked.",
                missing=("an engine",),
                next_checks=("look by hand",),
            )
        )

    async def stop(self) -> None:
        """Do nothing."""


if __name__ == "__main__":
    vars(app)["build_app"] = partial(app.build_app, engine=NoEngine())
    main()
