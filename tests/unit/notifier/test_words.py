from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Literal

import pytest

from services.notifier.channels.slack import escaped
from services.notifier.channels.terminal import Terminal
from services.notifier.console.rendering import ago, frame, minute, web_link
from services.notifier.domain.charts import amount, chart
from services.notifier.domain.notice import notice
from services.notifier.domain.origin import is_own, is_this_machine, own_path, place_of
from services.notifier.domain.overview import Overview
from services.notifier.domain.wording import cause, deed, duration, urgency
from services.notifier.entrypoints.consumer import route
from shared.bus.port import Received
from shared.errors import UnavailableError
from shared.events.approvals import ApprovalEscalated, ApprovalReminded
from shared.events.envelope import Outgoing, headers_of, read_headers
from shared.events.incidents import IncidentReopened
from shared.events.investigations import DiagnosisInconclusive, DiagnosisNoActiveFault
from shared.events.payload import Payload
from shared.incident.diagnosis import DiagnosticResult
from shared.incident.enums import Severity
from shared.incident.evidence import MetricTimeSeries
from tests.unit.notifier.clock import T0
from tests.unit.notifier.story import APPROVAL, INCIDENT, RUN, executed, granted, opened, until_asked
from tests.unit.notifier.test_folds import folded


def series(*values: float | None, unit: str = "%") -> MetricTimeSeries:
    return MetricTimeSeries(id="s", entity="web-3", name="cpu", unit=unit, start=T0, step_seconds=60, values=values)


def test_a_chart_says_in_a_sentence_what_its_line_shows() -> None:
    shown = chart(series(10, 20, 95, 90))
    assert shown.sentence == "It rose from 10 % to 90 %; the highest was 95 % at 03:02 UTC."
    assert len(shown.lines) == 1


@pytest.mark.parametrize(
    "first,last,text",
    [
        pytest.param(658.0, 656.0, "It stayed near 656 %", id="a difference that is noise is not told as a move"),
        pytest.param(80.0, 40.0, "It fell from 80 % to 40 %", id="a fall is a fall"),
        pytest.param(0.0, 0.0, "It stayed near 0 %", id="nothing stays nothing"),
    ],
)
def test_a_chart_tells_moves_from_noise(first: float, last: float, text: str) -> None:
    assert chart(series(first, last)).sentence.startswith(text)


def test_the_scale_of_a_chart_begins_at_zero_and_reaches_the_limit() -> None:
    plain = chart(series(50, 100))
    limited = chart(series(50, 100).model_copy(update={"limit": 200.0}))
    heights = [[float(point.split(",")[1]) for point in shown.lines[0].split()] for shown in (plain, limited)]
    assert heights == [[32.0, 2.0], [47.0, 32.0]]
    assert (plain.limit, plain.top) == (None, "100 %")
    assert (limited.limit, limited.top) == (2.0, "200 %")


def test_a_change_is_marked_where_it_fell_and_only_within_the_time_of_the_chart() -> None:
    changes = [(T0 + timedelta(minutes=1), "deploy"), (T0 - timedelta(minutes=1), "earlier")]
    assert chart(series(1, 2, 3), changes).marks == ((120.0, "deploy"),)


def test_missing_data_are_a_gap_not_a_zero() -> None:
    shown = chart(series(10, None, 30))
    assert len(shown.lines) == 2
    assert [value for _, value in shown.rows] == ["10 %", "no data", "30 %"]


def test_a_series_without_data_says_so() -> None:
    shown = chart(series(None, None))
    assert shown.sentence == "There are no data."
    assert shown.lines == ()


def test_a_long_series_has_a_short_table_that_ends_with_the_newest() -> None:
    shown = chart(series(*(float(number) for number in range(200))))
    assert len(shown.rows) <= 12
    assert shown.rows[-1][1] == "199 %"


@pytest.mark.parametrize(
    "value,unit,text", [(3_200_000_000, "bytes", "3.2 GB"), (0.25, "ms", "0.25 ms"), (None, "", "no data")]
)
def test_amounts_are_short(value: float | None, unit: str, text: str) -> None:
    assert amount(value, unit) == text


@pytest.mark.parametrize(
    "seconds,text",
    [(None, "-"), (0.2, "under 1 s"), (42, "42 s"), (600, "10 min"), (7200, "2.0 h"), (259_200, "3 days")],
)
def test_durations_are_short(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_a_verb_that_nobody_knows_is_shown_as_it_is() -> None:
    assert [deed(verb) for verb in ("approve", "confirm")] == ["approval", "confirm"]


def test_a_minute_names_its_day_unless_that_is_today() -> None:
    assert minute(T0, T0.timestamp() + 3600) == "03:00 UTC"
    assert minute(T0, T0.timestamp() + 86_400) == "2026-11-03 03:00 UTC"


def test_an_age_is_never_in_the_future() -> None:
    assert ago(T0, T0.timestamp() + 240) == "4 min ago"
    assert ago(T0, T0.timestamp() - 5) == "under 1 s ago"


def test_a_notice_asks_when_there_is_a_question_and_tells_otherwise() -> None:
    asking = folded(*until_asked()).overview
    telling = folded(*until_asked()[:-1]).overview
    assert asking
    assert telling
    question = notice(asking, "https://signoff.example")
    assert question.text.startswith("Approve? Restart shop on web-3")
    assert question.link == f"https://signoff.example/a/{APPROVAL}"
    assert question.approval == APPROVAL
    assert question.simulated
    assert notice(telling, "https://signoff.example/").link == f"https://signoff.example/i/{INCIDENT}"


@pytest.mark.parametrize(
    "late, told_as",
    [
        pytest.param(ApprovalReminded(approval_id=APPROVAL), "Nobody has answered yet", id="reminded"),
        pytest.param(
            ApprovalEscalated(approval_id=APPROVAL, to=("ann", "ben")),
            "Nobody has answered yet; escalated to ann, ben",
            id="escalated",
        ),
        pytest.param(
            ApprovalEscalated(approval_id=APPROVAL),
            "Nobody has answered yet; escalated to nobody, as none has the role",
            id="escalated while there is nobody to escalate to",
        ),
    ],
)
def test_who_has_not_answered_hears_of_it_in_the_thread(late: Payload, told_as: str) -> None:
    waiting, reminded = (folded(*until_asked(), *more).overview for more in ((), (late,)))
    assert waiting
    assert reminded
    asked, again = (notice(overview, "https://signoff.example") for overview in (waiting, reminded))
    assert again.line == f"{asked.line} · {told_as}"
    assert again.fields["Reminder"] == told_as
    assert again.stage != asked.stage

    answered = folded(*until_asked(), late, granted()).overview
    assert answered
    assert "Reminder" not in notice(answered, "https://signoff.example").fields


@pytest.mark.parametrize(
    "kind,status,told_as",
    [
        pytest.param(DiagnosisInconclusive, "inconclusive", "No cause stands out. Nothing fits", id="no cause"),
        pytest.param(DiagnosisNoActiveFault, "no_active_fault", "Nothing is wrong now. Nothing fits", id="no fault"),
    ],
)
def test_what_is_no_cause_is_never_told_as_a_likely_one(
    kind: type[DiagnosisInconclusive | DiagnosisNoActiveFault], status: Literal["inconclusive"], told_as: str
) -> None:
    result = DiagnosticResult(status=status, statement="Nothing fits", confidence=0.0)
    overview = folded(opened(), kind(investigation_id="inv-1", result=result)).overview
    assert overview
    assert cause(overview) == told_as
    assert notice(overview, "https://signoff.example").fields["Diagnosis"] == told_as


def test_a_likely_cause_says_how_sure_it_is() -> None:
    overview = folded(*until_asked()).overview
    assert overview
    assert cause(overview) == "Likely (87\u00a0%): Memory leak after the deploy of shop v2"
    fields = notice(overview, "https://signoff.example").fields
    assert "Diagnosis" not in fields
    assert fields["Risk"] == "▲ Medium risk, not reversible"


def test_production_comes_first_then_the_worst_then_the_newest() -> None:
    def found(environment: str, severity: Severity, number: str) -> Overview:
        overview = folded(opened()).overview
        assert overview
        about = {"environment": environment, "severity": severity, "id": number}
        return overview.model_copy(update={"incident": overview.incident.model_copy(update=about)})

    newest_first = [
        found(RUN, Severity.SEV1, "INC-4"),
        found("live", Severity.SEV2, "INC-3"),
        found("live", Severity.SEV1, "INC-2"),
        found("live", Severity.SEV2, "INC-1"),
    ]
    assert [one.incident.id for one in sorted(newest_first, key=urgency)] == ["INC-2", "INC-3", "INC-1", "INC-4"]


def test_what_is_asked_or_open_again_is_not_yet_verified() -> None:
    done = [*until_asked(), granted(), *executed()]
    for more, verified in (((), "passed: memory, read 41 %"), ((IncidentReopened(reason="refire"),), "")):
        overview = folded(*done, *more).overview
        assert overview
        assert overview.verified == verified


def test_slack_finds_no_mention_that_an_alert_wrote() -> None:
    assert escaped("<!channel> & <https://evil|here>") == "&lt;!channel&gt; &amp; &lt;https://evil|here&gt;"
    assert escaped("a\u202eb") == "a\\u202eb"


async def test_the_terminal_links_each_question_once() -> None:
    written: list[str] = []

    async def invite() -> str:
        return "one-time"

    overview = folded(*until_asked()).overview
    assert overview
    terminal = Terminal(written.append, invite)
    asking = notice(overview, "http://127.0.0.1:8700")
    await terminal.post("sim:night-shift-1a212dd423e", INCIDENT, asking)
    await terminal.post("sim:night-shift-1a212dd423e", INCIDENT, asking.model_copy(update={"line": ""}))
    assert "".join(written).count(f"/a/{APPROVAL}?login=one-time") == 1


async def test_the_terminal_writes_a_link_that_could_not_be_written_when_it_is_posted_again() -> None:
    written: list[str] = []
    logins: Iterator[UnavailableError | str] = iter([UnavailableError("the database is away"), "one-time"])

    async def invite() -> str:
        login = next(logins)
        if isinstance(login, UnavailableError):
            raise login
        return login

    overview = folded(*until_asked()).overview
    assert overview
    terminal = Terminal(written.append, invite)
    asking = notice(overview, "http://127.0.0.1:8700")
    with pytest.raises(UnavailableError):
        await terminal.post(RUN, INCIDENT, asking)
    await terminal.post(RUN, INCIDENT, asking)
    assert f"/a/{APPROVAL}?login=one-time" in "".join(written)


@pytest.mark.parametrize(
    "link,shown",
    [
        ("https://app.datadoghq.com/monitors/1", True),
        ("HTTP://x.example/", True),
        ("javascript:alert(1)", False),
        ("data:text/html,x", False),
        ("//evil.example", False),
        ("http://[", False),
        ("http://x:99999999/", False),
        ("", False),
        (None, False),
    ],
)
def test_only_links_to_the_web_are_links(link: str | None, shown: bool) -> None:  # noqa: FBT001 -- a column of the table
    assert web_link(link) == (link if shown else "")


def test_a_frame_is_one_event_whatever_lines_it_has() -> None:
    assert frame("<p>a</p>\n\n<p>b</p>", 7) == b"id: 7\ndata: <p>a</p>\ndata: \ndata: <p>b</p>\n\n"


def test_a_loopback_console_answers_to_the_names_of_this_machine_only() -> None:
    place = place_of("http://127.0.0.1:8700/")
    assert place.hosts == {"127.0.0.1:8700", "localhost:8700", "[::1]:8700"}
    assert place.cookie == "signoff-8700"


def test_a_public_console_has_a_cookie_that_no_sibling_can_set() -> None:
    place = place_of("https://signoff.example")
    assert place.hosts == {"signoff.example", "signoff.example:443"}
    assert place.cookie == "__Host-signoff"
    assert place.origins() == {"https://signoff.example", "https://signoff.example:443"}


@pytest.mark.parametrize(
    "headers,own",
    [
        ({"origin": "https://signoff.example"}, True),
        ({"origin": "https://signoff.example", "sec-fetch-site": "same-origin"}, True),
        ({"origin": "https://signoff.example", "sec-fetch-site": "cross-site"}, False),
        ({"origin": "http://signoff.example"}, False),
        ({"origin": "null"}, False),
        ({}, False),
        ({"sec-fetch-site": "same-origin"}, False),
    ],
)
def test_only_our_own_pages_change_things(headers: dict[str, str], own: bool) -> None:  # noqa: FBT001 -- a column of the table
    assert is_own(place_of("https://signoff.example"), headers) is own


@pytest.mark.parametrize(
    "client,headers,here",
    [
        ("127.0.0.1", {}, True),
        ("::1", {}, True),
        ("10.0.0.1", {}, False),
        (None, {}, False),
        ("unix", {}, False),
        ("127.0.0.1", {"x-forwarded-for": "10.0.0.1"}, False),
    ],
)
def test_a_proxy_makes_nobody_local(client: str | None, headers: dict[str, str], here: bool) -> None:  # noqa: FBT001 -- a column of the table
    assert is_this_machine(client, headers) is here


@pytest.mark.parametrize("path", ["//evil", "https://evil", "/\\evil", "", "/a\nb", "javascript:x"])
def test_a_path_that_is_not_ours_leads_home(path: str) -> None:
    assert own_path(path) == "/"


@pytest.mark.parametrize(
    "subject,taken", [(INCIDENT, True), ("", False), ("../x", False), ("a" * 65, False), ("a/b", False)]
)
def test_only_events_that_name_an_incident_are_taken(subject: str, taken: bool) -> None:  # noqa: FBT001 -- a column of the table
    event = Outgoing("incidents.v1", subject, "incident.noted", {}, "live")
    headers = headers_of(event, event_id="1", source="signoff/diagnoser", now=0.0)
    record = Received("incidents.v1", subject, read_headers(headers), headers, b"{}", 1)
    assert (route(record) is not None) is taken
