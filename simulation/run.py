"""One run of a scenario: its clock, what was done in it, and everything that can be seen. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from shared.incident.evidence import MetricTimeSeries
from shared.integrations.reading import CallRecord, Change, Host, LogLine, Process, Topology
from simulation.scenario import MonitorSpec, ProcessSpec, Scenario
from simulation.signals import LOG_BUCKET, Call, lines_in, metric_at, pressure_at

RESTART = "host/restart-process@v1"
STEP_SECONDS = 30.0
POINTS_MAX = 1500
LINES_MAX = 20_000


@dataclass(frozen=True, slots=True)
class Clock:
    """Data time runs `speed` times as fast as wall time, from `wall0` on. Both in seconds since the epoch."""

    wall0: float
    speed: float = 1.0

    def data(self, wall: float) -> float:
        """Return the data time at a wall time."""
        return self.wall0 + (wall - self.wall0) * self.speed


@dataclass(frozen=True, slots=True)
class Done:
    """A call as the ledger keeps it."""

    token: str
    at: float
    verb: str
    target: str
    arguments: dict[str, str]
    applied: bool
    detail: str


@dataclass(slots=True)
class Run:
    """A run. `done` grows by `call`; everything else is computed from it."""

    id: str
    scenario: Scenario
    clock: Clock
    done: list[Done] = field(default_factory=list)

    def _minute(self, at: float) -> float:
        return self.scenario.begins_minute + (at - self.clock.wall0) / 60.0

    def _time(self, minute: float) -> float:
        return self.clock.wall0 + (minute - self.scenario.begins_minute) * 60.0

    def _calls(self) -> list[Call]:
        return [Call(self._minute(d.at), d.verb, d.target, d.arguments) for d in self.done if d.applied]

    def pressure(self, name: str, minute: float) -> float:
        """Return a pressure at a minute of the scenario."""
        spec = next(spec for spec in self.scenario.pressures if spec.id == name)
        return pressure_at(spec, self._calls(), minute)

    def series(self, entities: Sequence[str], start: float, end: float) -> list[MetricTimeSeries]:
        """Return the series of these entities over [start, end), at most 1,500 points each."""
        step = STEP_SECONDS
        while (end - start) / step > POINTS_MAX:
            step *= 2
        first = start - start % step + (step if start % step else 0)
        times = [first + index * step for index in range(max(int((end - first - 1e-9) // step) + 1, 0))]
        return [
            MetricTimeSeries(
                id=spec.id,
                entity=spec.entity,
                name=spec.name,
                unit=spec.unit,
                harmful=spec.harmful,
                start=datetime.fromtimestamp(first, UTC),
                step_seconds=step,
                values=tuple(self._value(spec.id, at) for at in times),
                limit=spec.limit,
            )
            for spec in self.scenario.metrics
            if spec.entity in entities
        ]

    def _value(self, metric: str, at: float) -> float:
        spec = next(spec for spec in self.scenario.metrics if spec.id == metric)
        return metric_at(spec, self.scenario.seed, at, self._minute(at), self.pressure)

    def logs(self, entities: Sequence[str], start: float, end: float, limit: int) -> list[LogLine]:
        """Return the newest `limit` lines of these entities over [start, end), oldest first."""
        found: list[LogLine] = []
        for bucket in range(int(end // LOG_BUCKET), int(start // LOG_BUCKET) - 1, -1):
            minute = self._minute(bucket * LOG_BUCKET)
            for spec in self.scenario.logs:
                if spec.entity not in entities:
                    continue
                for at, message in lines_in(spec, self.scenario.seed, bucket, minute, self.pressure):
                    if start <= at < end:
                        found.append(LogLine(datetime.fromtimestamp(at, UTC), spec.entity, spec.level, message))
            if len(found) >= min(limit, LINES_MAX):
                break
        return sorted(found, key=lambda line: line.at)[-limit:]

    def changes(self, start: float, end: float) -> list[Change]:
        """Return the changes over [start, end)."""
        found = []
        for spec in self.scenario.changes:
            at = self._time(spec.minute)
            if start <= at < end:
                values = spec.model_dump(exclude={"minute"})
                found.append(Change(at=datetime.fromtimestamp(at, UTC), **values))
        return sorted(found, key=lambda change: change.at)

    def hosts(self, names: Sequence[str]) -> list[Host]:
        """Return the named hosts, or all."""
        return [
            Host(host.name, tuple(sorted({p.service for p in host.processes})), dict(host.facts))
            for host in self.scenario.hosts
            if not names or host.name in names
        ]

    def topology(self) -> Topology:
        """Return services, hosts and their edges."""
        entities = {service.name: service.kind for service in self.scenario.services}
        entities |= {host.name: "host" for host in self.scenario.hosts}
        edges = [(s.name, callee, "calls") for s in self.scenario.services for callee in s.calls]
        edges += [(s.name, host, "runs_on") for s in self.scenario.services for host in s.runs_on]
        return Topology(entities, tuple(edges))

    def processes(self, host: str, at: float) -> list[Process] | None:
        """Return the processes of a host at a data time, None for an unknown host."""
        spec = next((spec for spec in self.scenario.hosts if spec.name == host), None)
        return None if spec is None else [self._process(host, process, at) for process in spec.processes]

    def _process(self, host: str, spec: ProcessSpec, at: float) -> Process:
        restarts = [
            d.at
            for d in self.done
            if d.applied and (d.verb, d.target, d.arguments.get("process")) == (RESTART, host, spec.name) and d.at <= at
        ]
        cpu = f"{host}/cpu.percent"
        known = {metric.id for metric in self.scenario.metrics}
        return Process(
            host=host,
            name=spec.name,
            pid=spec.pid + 1000 * len(restarts),
            service=spec.service,
            started_at=datetime.fromtimestamp(restarts[-1] if restarts else self._time(spec.started_minute), UTC),
            cpu_percent=self._value(cpu, at) if spec.memory_metric and cpu in known else 0.5,
            memory_bytes=int(self._value(spec.memory_metric, at)) if spec.memory_metric in known else 0,
        )

    def call(self, verb: str, target: str, arguments: dict[str, str], token: str, at: float) -> Done:
        """Obey one call, once for each token; say why when it is not obeyed."""
        earlier = self.find(token)
        if earlier is not None:
            return earlier
        problem = self._problem(verb, target, arguments, at)
        done = Done(token, at, verb, target, dict(arguments), not problem, problem or "done")
        self.done.append(done)
        return done

    def _problem(self, verb: str, target: str, arguments: dict[str, str], at: float) -> str:
        if verb != RESTART:
            return f"unknown verb {verb!r}"
        processes = self.processes(target, at)
        if processes is None:
            return f"unknown host {target!r}"
        process = next((p for p in processes if p.name == arguments.get("process")), None)
        if process is None:
            return f"no process {arguments.get('process')!r} on {target}"
        pid = arguments.get("pid")
        return "" if pid in (None, str(process.pid)) else f"process {process.name} has pid {process.pid}, not {pid}"

    def find(self, token: str) -> Done | None:
        """Return what was done with a token."""
        return next((done for done in self.done if done.token == token), None)

    def record(self, token: str) -> CallRecord | None:
        """Return what was done with a token, as a vendor's record."""
        done = self.find(token)
        return (
            None if done is None else CallRecord(token, done.applied, datetime.fromtimestamp(done.at, UTC), done.detail)
        )

    def mean(self, monitor: MonitorSpec, at: float) -> float:
        """Return what a monitor looks at."""
        span = [at - second for second in range(0, int(monitor.minutes * 60), 10)] or [at]
        return sum(self._value(f"{monitor.entity}/{monitor.metric}", moment) for moment in span) / len(span)

    def judge(self, monitor: MonitorSpec, at: float, *, firing: bool) -> Literal["fires", "recovers", "same"]:
        """Return whether a monitor changes at a data time."""
        value = self.mean(monitor, at)
        if not firing and value > monitor.above:
            return "fires"
        return "recovers" if firing and value < monitor.recovers else "same"
