"""A run: rounds in which every case has its turn, in an order that moves on by one case a round."""

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime

from app.bench import processes, scene
from app.bench.cases import Case, Scheme
from app.bench.load import Job, Told
from app.bench.messages import Said
from app.bench.processes import Generator, Listener
from app.bench.scene import Program, Scene
from app.db import transactions
from app.settings import Settings

LEAST_WARM_UP = 0.2


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    cases: tuple[Case, ...]
    rounds: int
    seconds: float
    members: int

    @property
    def warm_up(self) -> float:
        return max(LEAST_WARM_UP, self.seconds / 6)


@dataclass(frozen=True, slots=True)
class Turn:
    """One case of one round. `delivered` per second and `behind` count webhooks, where the worker runs."""

    case: Case
    round: int
    told: Told
    delivered: float | None = None
    behind: int | None = None


def run(
    plan: Plan,
    settings: Settings,
    programs: dict[Scheme, Program],
    *,
    clock: Callable[[], datetime],
    say: Callable[[str], None],
) -> list[Turn]:
    """Sets the scene and measures. Raises BenchError where a process fails."""
    environment = scene.environment(settings)
    with ExitStack() as stack:
        receiver = stack.enter_context(processes.listener("app.bench.receiver"))
        server = stack.enter_context(processes.listener("app.bench.server", environment=environment))
        load = stack.enter_context(processes.generator())
        at = scene.time_text(clock())
        say(f"enrolling {plan.members} members in {len(programs)} programs")
        ids = {
            scheme: scene.populate(server.port, program, members=plan.members, receiver=receiver.port, at=at)
            for scheme, program in programs.items()
        }
        stage = Scene(settings, programs, ids, receiver.port)
        turns = []
        for round in range(plan.rounds):
            say(f"round {round + 1} of {plan.rounds}")
            for case in _rotated(plan.cases, round):
                said = stage.said(case.scheme, tag=os.urandom(6).hex(), at=scene.time_text(clock()))
                if case.scheme is Scheme.WORKER:
                    turns.append(_with_worker(case, round, plan, stage, load, said))
                else:
                    told = load.run(_job(case, plan, server, said))
                    turns.append(Turn(case, round, told))
        return turns


def _rotated(cases: Sequence[Case], by: int) -> Sequence[Case]:
    at = by % len(cases)
    return [*cases[at:], *cases[:at]]


def _job(case: Case, plan: Plan, server: Listener, said: Said) -> Job:
    return Job(case.work, server.port, case.in_flight, plan.seconds, plan.warm_up, server.pid, said)


def _with_worker(case: Case, round: int, plan: Plan, stage: Scene, load: Generator, said: Said) -> Turn:
    """The case on a service of its own that delivers as well; it starts and ends with nothing to deliver."""
    asyncio.run(_forget(stage))
    with processes.listener("app.bench.server", "--worker", environment=scene.environment(stage.settings)) as server:
        began, before = time.perf_counter(), _received(stage)
        told = load.run(_job(case, plan, server, said))
        took, after = time.perf_counter() - began, _received(stage)
    behind = asyncio.run(_waiting(stage, stage.programs[case.scheme]))
    asyncio.run(_forget(stage))
    return Turn(case, round, told, delivered=(after - before) / took, behind=behind)


def _received(stage: Scene) -> int:
    request = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    return int(processes.body(processes.answer(stage.receiver, request), status=200))


async def _forget(stage: Scene) -> None:
    assert stage.settings.database_url is not None
    engine = transactions.create_engine(stage.settings.database_url, pool_size=3)
    try:
        await scene.forget_deliveries(engine, stage)
    finally:
        await engine.dispose()


async def _waiting(stage: Scene, program: Program) -> int:
    assert stage.settings.database_url is not None
    engine = transactions.create_engine(stage.settings.database_url, pool_size=3)
    try:
        return await scene.waiting_deliveries(engine, program)
    finally:
        await engine.dispose()
