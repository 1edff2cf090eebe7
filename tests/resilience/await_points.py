"""Stop a process at each place where a task of it waits, as `kill -9` would, and let the next one mend what is left.

A *point* is what waits (the frames of the product, from the outermost to the innermost) and a moment: a task has just
given control away, so what it waits for is under way; or it is about to get it back, so what it waited for has
happened and nothing was made of it. One undisturbed life of a story tells which points there are. Then each chosen
point has a life of its own that ends there, in a fork, so that really nothing of its memory is left; the next life,
begun later over the same files, has to end well, and what both left behind is judged. That next life has points too:
one more story ends at the first, then at one of those, and it is the third life that has to end well. Or a life does
not end at its point but stands still there for longer than any lease, as after `kill -STOP`, and goes on.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import sys
import time
import traceback
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Coroutine, Generator, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal

import orjson

from shared.store import failpoints

ROOT = Path(__file__).parents[2]
OURS = tuple(f"{ROOT}/{name}/" for name in ("services", "shared"))
ASIDE = f"{ROOT}/tests/support/kinds.py"
"""Whoever asks again and again whether a story is over is no part of it."""
LIFE_LIMIT = 60
"""Seconds after which a life that has not ended is stuck."""
LATER = 40.0
"""Seconds that pass between a death and the next life: leases have ended by then, approvals have not."""
VISITS = 4
"""Visits of a failpoint among which one is drawn."""
TRIES = 3
"""Lives in which a point must be met; a few are met only by chance."""
STOOD = "stood"
"""File that says that a life stood still."""
MET = "met.json"
"""File in which a life tells its points."""

Moment = Literal["given away", "got back"]
Reach = Callable[[str, Moment], None]


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """Where, when, and at which visit."""

    place: str
    moment: str
    visit: int

    def __str__(self) -> str:
        return f"{self.place} ({self.moment}, visit {self.visit})"


Ends = tuple[Point, ...]
"""Where one life after the other ended."""


@dataclass(frozen=True, slots=True)
class Sample:
    """How many of the points that are met are chosen, half of them of what the story is about; 0: all."""

    count: int
    seed: int

    def order(self, points: list[Point], heart: Sequence[str]) -> list[Point]:
        """Return the points in the order in which they are tried."""
        if not self.count:
            return points
        shuffled = random.Random(self.seed).sample(points, len(points))
        core = [point for point in shuffled if any(name in point.place for name in heart)]
        others = [point for point in shuffled if point not in core]
        return [point for pair in zip_longest(core, others) for point in pair if point]


class Story(ABC):
    """A part of the product at work in a folder."""

    name: str
    heart: tuple[str, ...]
    """Files, or lines' beginnings, of which each must be among what waits: what the story is about."""
    clock_may_run_ahead = True
    """Whether the next life may be told that it is later; a server has a clock of its own."""
    deaths = 1
    """How often what is judged may have been broken off."""

    def prepare(self) -> None:  # noqa: B027 -- most need nothing
        """Make what is outside as it was before the first life."""

    @abstractmethod
    async def live(self, folder: Path) -> None:
        """Go on from what is there until all is done, and stop in order."""

    @abstractmethod
    def judge(self, folder: Path) -> None:
        """Assert that everything happened, and once. Nothing runs any more."""


@dataclass(slots=True)
class Explored:
    """What became of a story: its points, and those at which it was ended and mended."""

    points: list[Point]
    ended: list[Ends] = field(default_factory=list)
    not_met: list[Ends] = field(default_factory=list)
    broken: list[tuple[str, str]] = field(default_factory=list)


class Watched(Coroutine[Any, Any, Any]):
    """The coroutine of a task, which tells each time that it gives control away and gets it back."""

    def __init__(self, inner: Coroutine[Any, Any, Any], reach: Reach) -> None:
        self._inner, self._reach, self._place = inner, reach, ""

    def send(self, value: Any) -> Any:  # noqa: ANN401 -- as the interface has it
        return self._step(lambda: self._inner.send(value))

    def throw(self, *error: Any) -> Any:  # noqa: ANN401 -- as the interface has it
        return self._step(lambda: self._inner.throw(*error))

    def close(self) -> None:
        self._inner.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._inner.__await__()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 -- what libraries look up in coroutines
        return getattr(self._inner, name)

    def _step(self, step: Callable[[], Any]) -> Any:  # noqa: ANN401 -- as the interface has it
        if self._place:
            self._reach(self._place, "got back")
        found = step()
        self._place = _place_of(self._inner)
        if self._place:
            self._reach(self._place, "given away")
        return found


def _place_of(awaited: Any) -> str:  # noqa: ANN401 -- a coroutine, generator or future
    """Return the frames of the product that wait in a suspended coroutine."""
    places = []
    while awaited is not None:
        frame = getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None)
        if frame is not None:
            file = frame.f_code.co_filename
            if file == ASIDE:
                return ""
            if file.startswith(OURS):
                places.append(f"{file.removeprefix(f'{ROOT}/')}:{frame.f_lineno}")
        awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)
    return " > ".join(places)


def watched(main: Coroutine[Any, Any, None], reach: Reach) -> None:
    """Run to the end with every task watched."""

    def factory(loop: asyncio.AbstractEventLoop, coroutine: Any, **given: Any) -> asyncio.Task[Any]:  # noqa: ANN401 -- as the loop has it
        return asyncio.Task(Watched(coroutine, reach), loop=loop, **given)

    def new_loop() -> asyncio.AbstractEventLoop:
        loop = asyncio.new_event_loop()
        loop.set_task_factory(factory)
        return loop

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main)


def in_fork(work: Callable[[], None], said: Path) -> int:
    """Do it in a process of its own; return how that ended: 0, or 1 with a traceback in `said`, or -signal."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 1
    try:
        with said.open("ab") as output:
            os.dup2(output.fileno(), sys.stdout.fileno())
            os.dup2(output.fileno(), sys.stderr.fileno())
        signal.signal(signal.SIGALRM, _is_stuck)
        signal.alarm(LIFE_LIMIT)
        work()
        code = 0
    except BaseException:  # noqa: BLE001 -- this process must not go on as its parent would
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _is_stuck(*_: object) -> None:
    with suppress(RuntimeError):  # Without a loop there is nothing that waits.
        print("waits:", *sorted({_place_of(task.get_coro()) for task in asyncio.all_tasks()}), sep="\n  ")  # noqa: T201 -- goes to the file of the life
    raise TimeoutError(f"not over within {LIFE_LIMIT} s")


def points_of(story: Story, folder: Path) -> list[Point]:
    """Return the points of one undisturbed life, at their first visits and at their last."""
    said = folder / "said"
    assert in_fork(partial(_live_on, story, _made(folder / "undisturbed"), 0), said) == 0, _tail_of(said)
    return _points_met(folder / "undisturbed")


def explore(story: Story, folder: Path, *samples: Sample) -> Explored:
    """End a life of the story at each chosen point, and judge what the next one makes of it.

    With a second sample those next lives end in their turn, at some of their own points.
    """
    story.prepare()
    explored = Explored(points_of(story, folder))
    _end_at_some(story, folder / "undisturbed", (), samples, explored)
    return explored


def explore_pauses(story: Story, folder: Path, sample: Sample) -> Explored:
    """Let a life of the story stand still at each chosen point, and judge what it makes of the rest."""
    story.prepare()
    explored = Explored(points_of(story, folder))
    for number, point in enumerate(sample.order(explored.points, story.heart)):
        if len(explored.ended) == (sample.count or len(explored.points)):
            break
        story.prepare()
        place = _made(folder / str(number))
        code = in_fork(partial(_pause, story, place, point), place / "said")
        (explored.ended if (place / STOOD).exists() else explored.not_met).append((point,))
        if code:
            explored.broken.append((f"stood still at {point}", f"exit {code}: {_tail_of(place / 'said')}"))
        else:
            shutil.rmtree(place)
    return explored


def _end_at_some(story: Story, lived: Path, before: Ends, samples: Sequence[Sample], explored: Explored) -> None:
    """After lives that ended at `before`, end one at as many of the points of what was lived as the sample wants."""
    sample, *others = samples
    points, met = _points_met(lived), 0
    for number, point in enumerate(sample.order(points, story.heart)):
        if met == (sample.count or len(points)):
            return
        ends = (*before, point)
        code, place = _end_at(story, lived / str(number), ends)
        met += bool(code)
        if _mend(story, place, ends, code, explored):
            if code and others:
                _end_at_some(story, place, ends, others, explored)
            shutil.rmtree(place)


def _mend(story: Story, place: Path, ends: Ends, code: int, explored: Explored) -> bool:
    """Go on where lives ended, the last of them with `code`; note what came of it and say whether it is well."""
    if code == -signal.SIGKILL:
        explored.ended.append(ends)
        code = in_fork(partial(_live_on, story, place, len(ends)), place / "said")
    elif not code:
        explored.not_met.append(ends)
    if code:
        explored.broken.append((", then ".join(map(str, ends)), f"exit {code}: {_tail_of(place / 'said')}"))
    return not code


def _end_at(story: Story, folder: Path, ends: Ends, tries: int = TRIES) -> tuple[int, Path]:
    """Live until all points are met, if need be in several tries; return how the last life ended, and where it was."""
    story.prepare()
    place = _made(folder / str(tries))
    code = -signal.SIGKILL
    for life, point in enumerate(ends):
        if code == -signal.SIGKILL:
            code = in_fork(partial(_die, story, place, point, life), place / "said")
    return (code, place) if code or tries == 1 else _end_at(story, folder, ends, tries - 1)


def explore_failpoints(story: Story, folder: Path, names: Iterable[str], seed: int) -> Explored:
    """End a life of the story at each named failpoint, at one of its first visits, and judge likewise."""
    explored = Explored([])
    chance = random.Random(seed)
    for name in names:
        point, code, place = _end_at_failpoint(story, folder, name, (chance.randint(2, VISITS), 1))
        explored.points.append(point)
        if _mend(story, place, (point,), code, explored):
            shutil.rmtree(place)
    return explored


def _end_at_failpoint(story: Story, folder: Path, name: str, visits: Sequence[int]) -> tuple[Point, int, Path]:
    """Live until one of the visits is met, the first of them if it is; return how the last life ended, and where."""
    visit, *others = visits
    story.prepare()
    point = Point(name, "failpoint", visit)
    place = _made(folder / f"{name}.{visit}")
    code = in_fork(partial(_die_at_failpoint, story, place, point), place / "said")
    return (point, code, place) if code or not others else _end_at_failpoint(story, folder, name, others)


def _die_at_failpoint(story: Story, folder: Path, point: Point) -> None:
    failpoints.arm({"SIGNOFF_TEST_BUILD": "1", "SIGNOFF_FAILPOINT": f"{point.place}:{point.visit}"})
    asyncio.run(story.live(folder))


def _die(story: Story, folder: Path, point: Point, life: int) -> None:
    _run_ahead(story, life)
    watched(story.live(folder), _at(point, lambda: os.kill(os.getpid(), signal.SIGKILL)))


def _pause(story: Story, folder: Path, point: Point) -> None:
    def stand_still() -> None:
        (folder / STOOD).touch()
        wall, monotonic = time.time, time.monotonic
        time.time = lambda: wall() + LATER
        time.monotonic = lambda: monotonic() + LATER

    watched(story.live(folder), _at(point, stand_still))
    story.judge(folder)


def _at(point: Point, do: Callable[[], None]) -> Reach:
    """Do something at this visit of the point."""
    left = point.visit

    def reach(place: str, moment: str) -> None:
        nonlocal left
        if (place, moment) == (point.place, point.moment):
            left -= 1
            if not left:
                do()

    return reach


def _live_on(story: Story, folder: Path, life: int) -> None:
    visits: Counter[tuple[str, str]] = Counter()
    _run_ahead(story, life)
    watched(story.live(folder), lambda place, moment: visits.update([(place, moment)]))
    story.deaths = max(1, life)
    story.judge(folder)
    met = [[place, moment, count] for (place, moment), count in visits.items()]
    (folder / MET).write_bytes(orjson.dumps(met))


def _run_ahead(story: Story, life: int) -> None:
    """Let it be later by as much as so many deaths take."""
    if story.clock_may_run_ahead and life:
        now = time.time
        time.time = lambda: now() + life * LATER


def _points_met(folder: Path) -> list[Point]:
    found = [(place, moment, count) for place, moment, count in orjson.loads((folder / MET).read_bytes())]
    return sorted({Point(place, moment, visit) for place, moment, count in found for visit in (1, min(count, 3))})


def _tail_of(said: Path) -> str:
    return said.read_text("utf-8", "replace")[-4000:]


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder
