"""A run: rounds in which every case has its turn, in an order that moves on by one case a round."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.bench import processes, scene, usage
from app.bench.cases import Case, Crowd, Scheme
from app.bench.load import Job, Told
from app.bench.processes import BenchError, Generator, Listener
from app.bench.scene import Program, Scene
from app.db import transactions
from app.settings import Settings

LEAST_WARM_UP = 0.1
MANY_LOTS_SHARE = 50
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    cases: tuple[Case, ...]
    rounds: int
    seconds: float
    members: int

    @property
    def warm_up(self) -> float:
        """Seconds of the same load before each measurement."""
        return max(LEAST_WARM_UP, self.seconds / 6)

    @property
    def many_lots(self) -> int:
        """Members who have many open lots, besides the others."""
        return max(1, self.members // MANY_LOTS_SHARE)


@dataclass(frozen=True, slots=True)
class Turn:
    """One case of one round, and the service's memory after it. `delivered` per second and `behind` count webhooks."""

    case: Case
    round: int
    told: Told
    megabytes: float
    delivered: float | None = None
    behind: int | None = None

    @property
    def rate(self) -> float:
        """Events (or reads) a second."""
        return self.told.events / self.told.seconds


@dataclass(frozen=True, slots=True)
class _Stage:
    """The scene with the processes that act on it."""

    plan: Plan
    scene: Scene
    load: Generator
    service: Listener
    receiver: Listener
    database: int | None
    clock: Callable[[], datetime]


def run(
    plan: Plan,
    settings: Settings,
    programs: dict[Scheme, Program],
    *,
    clock: Callable[[], datetime],
    say: Callable[[str], None],
) -> list[Turn]:
    """Sets the scene and measures. Raises BenchError where a process fails or nothing is answered."""
    environment = scene.environment(settings)
    with ExitStack() as stack:
        receiver = stack.enter_context(processes.listener("app.bench.receiver"))
        service = stack.enter_context(processes.listener("app.bench.server", environment=environment))
        load = stack.enter_context(processes.generator())
        say(f"enrolling {plan.members:,} members in each of {len(programs)} programs")
        at = scene.time_text(clock())
        ids = {scheme: scene.enrol(service.port, program, plan.members, at=at) for scheme, program in programs.items()}
        if any(case.crowd is Crowd.MANY_LOTS for case in plan.cases):
            scene.fill(service.port, programs[Scheme.PLAIN], first=plan.members, count=plan.many_lots, at=at)
        for program in programs.values():
            scene.subscribe(service.port, program, receiver=receiver.port)
        database = asyncio.run(_with_engine(settings, _server_process))
        stage = _Stage(plan, Scene(settings, programs, ids, plan.many_lots), load, service, receiver, database, clock)
        turns = []
        for round in range(plan.rounds):
            say(f"round {round + 1} of {plan.rounds}")
            turns += [_turn(case, round, stage) for case in _rotated(plan.cases, round)]
        return turns


def _rotated(cases: Sequence[Case], by: int) -> Sequence[Case]:
    at = by % len(cases)
    return [*cases[at:], *cases[:at]]


def _turn(case: Case, round: int, stage: _Stage) -> Turn:
    if case.scheme is Scheme.WORKER:
        return _with_worker(case, round, stage)
    return Turn(case, round, _measured(case, stage, stage.service), usage.memory(stage.service.pid))


def _measured(case: Case, stage: _Stage, service: Listener) -> Told:
    watched = {usage.SERVICE: service.pid, usage.RECEIVER: stage.receiver.pid}
    if stage.database is not None:
        watched[usage.DATABASE] = stage.database
    said = stage.scene.said(case, tag=os.urandom(6).hex(), at=scene.time_text(stage.clock()))
    plan = stage.plan
    told = stage.load.run(Job(case.work, service.port, case.in_flight, plan.seconds, plan.warm_up, watched, said))
    if not told.requests:
        raise BenchError(f"{case.name}: nothing was answered in time: {told.failures} {told.sample}")
    return told


def _with_worker(case: Case, round: int, stage: _Stage) -> Turn:
    """The case on a service of its own that delivers as well, and that finds nothing to deliver when it starts."""
    settings, program = stage.scene.settings, stage.scene.programs[case.scheme]
    mine = [program.id for program in stage.scene.programs.values()]
    asyncio.run(_with_engine(settings, lambda engine: scene.forget_deliveries(engine, mine)))
    with processes.listener("app.bench.server", "--worker", environment=scene.environment(settings)) as service:
        processes.answer(service.port, b"GET /empty HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        before, began = _received(stage), time.perf_counter()
        told = _measured(case, stage, service)
        after, took = _received(stage), time.perf_counter() - began
        behind = asyncio.run(_with_engine(settings, lambda engine: scene.waiting_deliveries(engine, program.id)))
        megabytes = usage.memory(service.pid)
    return Turn(case, round, told, megabytes, delivered=(after - before) / took, behind=behind)


def _received(stage: _Stage) -> int:
    answer = processes.answer(stage.receiver.port, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    return int(processes.body(answer, status=200))


async def _server_process(engine: AsyncEngine) -> int | None:
    """The first process of PostgreSQL, if it runs on this machine."""
    async with transactions.reading(engine) as connection:
        backend = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one()
        return usage.parent(int(backend), called="postgres")


async def _with_engine(settings: Settings, work: Callable[[AsyncEngine], Awaitable[T]]) -> T:
    assert settings.database_url is not None
    engine = transactions.create_engine(settings.database_url, pool_size=3)
    try:
        return await work(engine)
    finally:
        await engine.dispose()
