"""What becomes of an attempt: the delivery moves or ends, the endpoint rests or is disabled (webhooks W5, W6)."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog

from app.db import deliveries, endpoint_health, outbox
from app.db.claims import Claimed
from app.db.deliveries import ABORTED, DELIVERED, EXHAUSTED, FAILED, Attempt
from app.db.outbox import Notice
from app.db.transactions import Engine, passing, surviving, transaction
from app.domain import messages, typeid
from app.webhooks import protection, retries
from app.webhooks.sender import Answer

GONE_STATUS = 410
DISABLE, ABORT = "disable", "abort-message"
"""What a shop may answer in the header `webhook-delivery`."""

log = structlog.get_logger(__name__)


def judge(
    claimed: Claimed,
    answer: Answer,
    *,
    id: bytes,
    started_at: datetime,
    now: datetime,
    schedule: Sequence[timedelta],
    draw: float,
) -> Attempt:
    """What an answer makes of a delivery: 2xx, read to its end or to 4 KiB, has delivered it (webhooks W6)."""
    delivered = answer.error is None and answer.status is not None and 200 <= answer.status < 300
    delay = retries.next_delay(
        schedule,
        attempts=claimed.attempts + 1,
        status=answer.status,
        timed_out=answer.timed_out,
        retry_after=retries.parse_retry_after(answer.retry_after, now=now),
        draw=draw,
    )
    state: str | None = None
    if delivered:
        state = DELIVERED
    elif answer.asked == ABORT:
        state = ABORTED
    elif delay is None and not claimed.holds:
        state = EXHAUSTED
    return Attempt(
        claimed=claimed,
        id=id,
        started_at=started_at,
        finished_at=now,
        duration_ms=answer.duration_ms,
        status=answer.status,
        outcome=DELIVERED if delivered else FAILED,
        error=answer.error,
        answer=answer.body,
        state=state,
        due_at=now + delay if state is None and delay is not None else None,
        disables=_disables(answer),
    )


async def record(
    engine: Engine, attempts: Sequence[Attempt], *, new_id: Callable[[], bytes], clock: Callable[[], datetime]
) -> None:
    """Records attempts and what follows from them. Running it again after an error changes no delivery twice."""
    ours = await deliveries.finish(engine, [attempt for attempt in attempts if not attempt.exhausted])
    for attempt in attempts:
        if attempt.exhausted:
            ours += await _exhaust(engine, attempt, id=new_id(), now=clock())
    if ours < len(attempts):
        log.warning("webhooks_lease_lost", deliveries=len(attempts) - ours)
    await _note_health(engine, attempts, new_id=new_id, now=clock())


async def record_and_follow(
    engine: Engine,
    attempt: Attempt,
    *,
    lease: timedelta,
    new_id: Callable[[], bytes],
    clock: Callable[[], datetime],
) -> Claimed | None:
    """The same for what a strict endpoint has taken; what comes next there is leased along with it."""
    now = clock()
    ours, following = await deliveries.finish_and_follow(engine, attempt, now=now, until=now + lease, lease=new_id())
    if not ours:
        log.warning("webhooks_lease_lost", deliveries=1)
    await _note_health(engine, [attempt], new_id=new_id, now=clock())
    return following


def _disables(answer: Answer) -> str | None:
    if answer.asked == DISABLE:
        return protection.ASKED
    return protection.GONE if answer.status == GONE_STATUS else None


async def _exhaust(engine: Engine, attempt: Attempt, *, id: bytes, now: datetime) -> int:
    """Ends the delivery, or holds it, and tells the other endpoints; but no message is about such a message."""
    claimed = attempt.claimed
    async with transaction(engine) as connection:
        ours = await deliveries.finish_in(connection, [attempt], program_id=claimed.program_id)
        if ours and claimed.type not in messages.OPERATOR_TYPES:
            data = {
                "message": typeid.encode(typeid.MESSAGE, claimed.message_id),
                "type": claimed.type,
                "attempts": claimed.attempts + 1,
                "held": attempt.state is None,
            }
            health = await endpoint_health.lock(connection, [claimed.endpoint_id], program_id=claimed.program_id)
            source = health[claimed.endpoint_id].source
            notice = _notice(messages.EXHAUSTED, claimed.endpoint_id, source, data, id=id, now=now)
            await outbox.tell_others(
                connection, notice, program_id=claimed.program_id, about=claimed.endpoint_id, source=source
            )
    return ours


async def _note_health(
    engine: Engine, attempts: Sequence[Attempt], *, new_id: Callable[[], bytes], now: datetime
) -> None:
    """The healthy ones that go on being so cost nothing here."""
    by_program: dict[bytes, dict[bytes, list[Attempt]]] = defaultdict(lambda: defaultdict(list))
    for attempt in attempts:
        by_program[attempt.claimed.program_id][attempt.claimed.endpoint_id].append(attempt)
    for program_id, endpoints in by_program.items():
        changing = {id: of for id, of in endpoints.items() if any(_matters(attempt) for attempt in of)}
        if changing:
            await _note(engine, changing, program_id=program_id, new_id=new_id, now=now)


def _matters(attempt: Attempt) -> bool:
    return attempt.outcome != DELIVERED or attempt.claimed.ailing or attempt.disables is not None


async def _note(
    engine: Engine,
    endpoints: Mapping[bytes, Sequence[Attempt]],
    *,
    program_id: bytes,
    new_id: Callable[[], bytes],
    now: datetime,
) -> None:
    async with passing(engine) as connection:  # claims wait for these locks; and what is lost comes to light again
        before = await endpoint_health.lock(connection, sorted(endpoints), program_id=program_id)
        after = {id: protection.fare(health, endpoints[id]) for id, health in before.items()}
        changed = {id: health for id, health in after.items() if health != before[id]}
        if changed:
            await endpoint_health.save(connection, changed, program_id=program_id, now=now)
        for id, health in changed.items():
            if health.state == protection.DISABLED != before[id].state:
                await surviving(connection)  # others are told, and must not be told what never was
                log.info("webhooks_endpoint_disabled", endpoint=typeid.encode(typeid.ENDPOINT, id), why=health.reason)
                data = {"reason": health.reason}
                notice = _notice(messages.DISABLED, id, health.source, data, id=new_id(), now=now)
                await outbox.tell_others(connection, notice, program_id=program_id, about=id, source=health.source)


def _notice(
    type: str, endpoint_id: bytes, source: str | None, data: Mapping[str, Any], *, id: bytes, now: datetime
) -> Notice:
    about = {"endpoint": typeid.encode(typeid.ENDPOINT, endpoint_id), "source": source}
    body = messages.notice(type, now=now, data={**about, **data})
    return Notice(id, type, body, now, audience=outbox.audience(source))
