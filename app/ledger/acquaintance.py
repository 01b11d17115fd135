"""What a batch knows of those who name a friend, and of those who named one and buy (semantics F1, F4)."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from app.db import loading, referrals
from app.db.referrals import Known
from app.domain import bonuses, suspicions
from app.domain.commands import (
    CLOCK,
    Command,
    Enrolment,
    Named,
    Purchase,
    ReferralBonus,
    ReferralClaim,
    ReferralReversal,
)
from app.domain.effects import NOBODY, Friends
from app.domain.rules import Versions
from app.domain.state import MemberState, ReferralState, Scheduled
from app.domain.suspicions import Traits
from app.ledger.working import Fold

_OPEN = (ReferralState.CLAIMED, ReferralState.LAPSED)


async def of(
    connection: Any,
    commands: Sequence[Command],
    states: Mapping[bytes, MemberState],
    known: Mapping[bytes, bytes],
    versions: Versions,
    *,
    program_id: bytes,
    now: datetime,
) -> Known:
    """What the decisions of these commands read about referrals; without one, nothing is asked."""
    naming = [(c, known.get(digest)) for c in commands if (digest := _code(c)) is not None]
    buying = {_member(c, known) for c in commands if isinstance(c.facts, Purchase)}
    buyers = [s for s in states.values() if s.id in buying and s.referrer is not None and s.referral in _OPEN]
    if not naming and not buyers:
        return Known()
    claiming = {_member(c, known) for c, _ in naming if isinstance(c.facts, ReferralClaim)} - {None}
    referrers = {friend for _, friend in naming if friend is not None}
    brought = {friend for state in buyers for friend in (state.id, state.referrer)}
    members = {id for id in claiming | referrers | brought if id is not None}
    limits = [r.referrals.review for r in versions.all if r.referrals is not None and r.referrals.review is not None]
    earliest = min([now, *(command.occurred_at for command, _ in naming)])
    return await referrals.known(
        connection,
        program_id=program_id,
        members=members,
        referrers=referrers if limits else (),
        claiming={id for id in claiming if id is not None},
        since=earliest - max((suspicions.span(limit) for limit in limits), default=timedelta(0)),
    )


async def with_bonuses(
    connection: Any, states: Mapping[bytes, MemberState], *, program_id: bytes
) -> dict[bytes, MemberState]:
    """The members of whom a bonus is to be taken back now, with what it gave."""
    due = {
        bonuses.bonus_key(s.key): state.id
        for state in states.values()
        for s in state.scheduled
        if s.kind == ReferralReversal.kind
    }
    if not due:
        return {}
    named = [Named(None, CLOCK, ReferralBonus.kind, key) for key in sorted(due)]
    found = await loading.named(connection, named, program_id=program_id)
    given: dict[bytes, dict[str, Any]] = {id: {} for id in due.values()}
    for event in found:
        given[due[event.key]][event.key] = bonuses.standing(event)
    return {id: states[id]._replace(bonuses=mine) for id, mine in given.items()}


def can_run(scheduled: Scheduled, state: MemberState) -> bool:
    """Whether the batch may settle what one of its commands scheduled: taking back needs lots, and what was given."""
    if scheduled.kind != ReferralReversal.kind:
        return True
    key = bonuses.bonus_key(scheduled.key)
    return state.lots_loaded and (key in state.bonuses or any(waiting.key == key for waiting in state.scheduled))


def friends(command: Command, state: MemberState, batch: Fold) -> Friends:
    """What is known of this command's member and of who brought them."""
    facts, known = command.facts, batch.friends
    if isinstance(facts, Purchase):
        if state.referrer is None or state.referral not in _OPEN:
            return NOBODY
        return Friends(_reasons(command, state, state.referrer, (), batch, emails=()))
    digest = _code(command)
    referrer = None if digest is None else batch.identities.get(digest)
    if referrer is None:
        return NOBODY
    emails = known.emails.get(state.id, set())
    if isinstance(facts, Enrolment):
        emails = {identity.value for identity in facts.identities if identity.kind == referrals.EMAIL}
    return Friends(
        _reasons(command, state, referrer, known.claims.get(referrer, ()), batch, emails=emails),
        refers=state.id in known.referring,
    )


def remember(command: Command, state: MemberState, batch: Fold) -> None:
    """Lets the commands that follow in the batch know what this one brought, once it is kept."""
    known = batch.friends
    for digest in suspicions.fingerprints(command.particulars):
        if digest not in known.fingerprints.setdefault(state.id, set()):
            known.fingerprints[state.id].add(digest)
            batch.fingerprints.add((state.id, digest))
    if _code(command) is not None and state.referrer is not None:
        known.referring.add(state.referrer)
        known.claims.setdefault(state.referrer, []).append(command.occurred_at)


def _reasons(
    command: Command,
    state: MemberState,
    referrer: bytes,
    claims: Sequence[datetime],
    batch: Fold,
    *,
    emails: Iterable[str],
) -> tuple[str, ...]:
    terms, known = batch.versions.at(command.occurred_at).referrals, batch.friends
    if terms is None:
        return ()
    sent = suspicions.fingerprints(command.particulars)
    mine = Traits(frozenset(known.fingerprints.get(state.id, ())) | frozenset(sent), suspicions.mailboxes(emails))
    theirs = Traits(
        frozenset(known.fingerprints.get(referrer, ())), suspicions.mailboxes(known.emails.get(referrer, ()))
    )
    return suspicions.reasons(mine, theirs, claims, terms.review, at=command.occurred_at)


def _code(command: Command) -> bytes | None:
    """The digest of the code that a command names, if it names one."""
    if isinstance(command.facts, ReferralClaim):
        return command.facts.code.digest
    if isinstance(command.facts, Enrolment) and command.facts.referral_code is not None:
        return command.facts.referral_code.digest
    return None


def _member(command: Command, known: Mapping[bytes, bytes]) -> bytes | None:
    if command.member.member_id is not None:
        return command.member.member_id
    return None if command.member.identity is None else known.get(command.member.identity.digest)
