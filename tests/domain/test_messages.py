"""What shops are told: ids, points and balances, and nothing personal (webhooks W3, W11)."""

import json
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from app.domain import messages
from app.domain.commands import Activity, Command, Enrolment, Identity, Mode, Redemption, Reference
from app.domain.events import Decision
from app.domain.state import MemberState
from tests.domain.builders import (
    ANNA,
    BRAM,
    NOW,
    accepted,
    command,
    decide,
    fixed,
    friends_rules,
    ladder_rules,
    lot,
    make_rules,
    make_state,
    purchase,
    rate,
    settle,
    told,
    unit,
)

CANARIES = ("2740001234567", "sanne@example.com", "+31201234567", "1990-02-28", "Minoes", "SECRETCODE")
NEW = MemberState(id=ANNA)


def bodies(decision: Decision) -> bytes:
    return b"\n".join(message.body for posted in decision.events for message in posted.messages)


def person() -> Enrolment:
    """Somebody with a canary in every field."""
    card, email, phone, birthday, pet, code = CANARIES
    return Enrolment(
        (
            Identity("card", card, b"1" * 16),
            Identity("email", email, b"2" * 16),
            Identity("phone", phone, b"3" * 16),
        ),
        birthday=date.fromisoformat(birthday),
        attributes=json.dumps({"pet": pet}),
        referral_code=Identity("code", code, b"4" * 16),
    )


def test_nothing_personal_is_told_or_hashed() -> None:
    """Semantics M4, webhooks W11: canaries in every field, looked for in messages and in the event's content."""
    rules = friends_rules()
    everything = json.dumps(CANARIES).encode()
    joined = decide(
        NEW,
        command(person(), particulars=everything),
        rules=rules,
        identities={b"4" * 16: BRAM},
    )
    first = command(purchase("60.00"), particulars=everything)
    walked_in = command(
        purchase("60.00"), member=Reference(identity=person().identities[0], enrol=True), particulars=everything
    )

    decisions = [joined, decide(joined.state, first, rules=rules), decide(NEW, walked_in, rules=rules)]

    for decision in decisions:
        assert decision.refusal is None
        kept = b"".join(posted.recorded.content for posted in decision.events)
        for canary in CANARIES:
            assert canary.encode() not in bodies(decision), canary
            assert canary.encode() not in kept, canary
        assert all(posted.salt for posted in decision.events if posted.particulars)


def test_a_message_says_what_happened_to_whom_and_what_they_have_now() -> None:
    decision = decide(make_state(lot(5), messages=3), command(purchase("12.00"), key="till7-1"))

    (message,) = accepted(decision).messages
    body = json.loads(message.body)

    assert (message.type, message.number) == ("points.earned", 4)
    assert (body["type"], body["timestamp"]) == ("points.earned", "2026-11-21T09:00:00Z")
    data = body["data"]
    assert (data["id"], data["source"], data["kind"]) == ("till7-1", "till", "purchase")
    assert (data["sequence"], data["event_sequence"]) == (4, accepted(decision).recorded.sequence)
    assert data["member"].startswith("mem_")
    assert data["event"].startswith("evt_")
    assert data["points"] == {"points": 12}
    assert data["balances"] == {"points": {"balance": 17, "available": 17}}
    assert (data["occurred_at"], data["effective_at"]) == ("2026-11-21T09:00:00Z", "2026-11-21T09:00:00Z")


@pytest.mark.parametrize(
    ("decision", "types"),
    [
        (decide(NEW, Enrolment()), ["member.enrolled"]),
        (decide(NEW, Enrolment(), rules=friends_rules()), ["member.enrolled"]),
        (decide(make_state(), Activity("survey")), ["activity.recorded"]),
        (decide(make_state(), purchase("0.00")), []),
        (decide(make_state(), purchase("200.00"), rules=ladder_rules()), ["points.earned", "tier.upgraded"]),
        (decide(make_state(lot(9)), Redemption(9)), ["points.redeemed"]),
        (settle(make_state(lot(9, expires="2026-11-21")), now=NOW + timedelta(days=1)), ["points.expired"]),
    ],
)
def test_each_kind_of_event_is_told_as_its_own_types(decision: Decision, types: list[str]) -> None:
    """A purchase that gives nothing tells nothing."""
    assert [type for type, _ in told(decision)] == types
    assert set(types) <= set(messages.TYPES)


def test_messages_are_numbered_densely_per_member() -> None:
    """Webhooks W3: a receiver can see order and gaps, whatever the events' numbers are."""
    rules, state, numbers = ladder_rules(), make_state(lot(50, expires="2026-11-21")), list[int]()
    for facts in (purchase("0.00"), purchase("300.00"), Redemption(10), Activity("survey")):
        decision = decide(state, facts, rules=rules, now=NOW + timedelta(days=2))
        numbers += [message.number for posted in decision.events for message in posted.messages]
        state = decision.state

    assert numbers == list(range(1, state.messages + 1)) == [1, 2, 3, 4, 5]


def test_history_is_told_only_if_asked() -> None:
    """Semantics E7."""
    sales: dict[Mode, Command] = {mode: command(purchase("12.00"), mode=mode) for mode in Mode}

    counts = {mode: len(told(decide(make_state(), sale))) for mode, sale in sales.items()}

    assert counts == {Mode.LIVE: 1, Mode.HISTORY: 0, Mode.HISTORY_WITH_MESSAGES: 1}


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        (NOW, "2026-11-21T09:00:00Z"),
        (NOW.replace(microsecond=50), "2026-11-21T09:00:00.000050Z"),
        (datetime(1970, 1, 1, tzinfo=UTC), "1970-01-01T00:00:00Z"),
    ],
)
def test_times_are_written_in_utc(instant: datetime, text: str) -> None:
    """api C3."""
    assert messages.time_text(instant) == text
    assert datetime.fromisoformat(text) == instant.astimezone(timezone(timedelta(hours=2)))


def test_the_points_of_an_event_are_told_per_unit_without_sign() -> None:
    rules = make_rules(rate(), fixed(1, unit="stamps"), units=(unit(), unit("stamps")))

    earned = decide(make_state(), purchase("12.00"), rules=rules)

    assert told(earned)[0][1]["points"] == {"points": 12, "stamps": 1}
    assert told(decide(earned.state, Redemption(5, "points"), rules=rules))[0][1]["points"] == {"points": 5}
