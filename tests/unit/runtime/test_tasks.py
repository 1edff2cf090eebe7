from __future__ import annotations

import asyncio

import pytest

from shared.runtime.tasks import begin_task, stop_tasks, why_ended


async def test_a_background_task_that_fails_is_logged_at_once_and_raises_when_it_is_stopped(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail() -> None:
        raise OSError("the disk is gone")

    task = begin_task(fail())
    await asyncio.wait([task])
    await asyncio.sleep(0)

    assert "a background task has ended" in caplog.text
    assert "the disk is gone" in caplog.text
    with pytest.raises(OSError, match="the disk is gone"):
        await stop_tasks(task)


async def test_a_background_task_that_is_stopped_or_has_done_its_work_says_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    await stop_tasks(begin_task(asyncio.sleep(60)))
    await begin_task(asyncio.sleep(0))

    assert not caplog.records


async def fail() -> None:
    raise OSError("token=hunter2")


async def test_how_something_ended_names_the_error_and_never_what_it_says() -> None:
    failed, returned, cancelled, running = (
        begin_task(work) for work in (fail(), asyncio.sleep(0), asyncio.sleep(60), asyncio.sleep(60))
    )
    cancelled.cancel()
    await asyncio.wait([failed, returned, cancelled])

    assert [(why_ended(task) or "").partition(",")[0] for task in (failed, returned, cancelled, running, None)] == [
        "has ended (OSError)",
        "has ended (returned)",
        "has ended (cancelled)",
        "",
        "",
    ]
    await stop_tasks(running)
