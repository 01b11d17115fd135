"""What every route needs: the app's parts, and who is calling."""

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from hmac import compare_digest
from typing import Annotated

from fastapi import Depends, Request

from app.api.problems import Problem
from app.db.transactions import Engine
from app.domain import keys
from app.domain.keys import Secrets
from app.domain.rules import Versions
from app.domain.scopes import Scope
from app.ledger.corridor import Ledger
from app.queries import balances, credentials
from app.queries.balances import MemberAccounts
from app.queries.credentials import Credential
from app.queries.feeds import Awaiting
from app.queries.gathering import Gathering
from app.queries.rulebook import Rulebook

KEY_SECONDS = 1.0
"""A key is judged again after this long, so that a revoked one ends within seconds."""
_CALLERS_KEPT = 10_000
REPORTS_AT_ONCE = 2
"""Reports that are made at once; others wait, so that the pool stays free for events."""


@dataclass(slots=True)
class Parts:
    """What main puts together and the routes use. `schema_version` is the newest migration that the code knows."""

    engine: Engine
    ledger: Ledger
    secrets: Secrets
    clock: Callable[[], datetime]
    fresh_id: Callable[[], bytes]
    rulebook: Rulebook
    address_check: Callable[[str], str | None]
    secret_text: Callable[[bytes], str]
    schema_version: str | None
    accounts: Gathering[tuple[bytes, bytes], MemberAccounts] = field(init=False)
    callers: "dict[bytes, tuple[float, Caller]]" = field(default_factory=dict)
    keys_asked: Gathering[bytes, Credential] = field(init=False)
    reports: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(REPORTS_AT_ONCE))
    awaiting: Awaiting = field(init=False)
    backtesting: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by the one backtest that runs."""
    draining: bool = False
    backlog_seen: float = -math.inf

    def __post_init__(self) -> None:
        self.accounts = Gathering(self._read_accounts)
        self.awaiting = Awaiting(self.engine, draining=lambda: self.draining)
        self.keys_asked = Gathering(lambda ids: credentials.find(self.engine, ids))

    async def _read_accounts(self, wanted: Sequence[tuple[bytes, bytes]]) -> dict[tuple[bytes, bytes], MemberAccounts]:
        by_program: dict[bytes, list[bytes]] = {}
        for program_id, member_id in wanted:
            by_program.setdefault(program_id, []).append(member_id)
        found: dict[tuple[bytes, bytes], MemberAccounts] = {}
        for program_id, members in by_program.items():
            mine = await balances.accounts(self.engine, program_id=program_id, members=members, now=self.clock())
            found |= {(program_id, member_id): accounts for member_id, accounts in mine.items()}
        return found


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, in which program; `source` is the shop, None for the program's own key; `owner` the person."""

    key_id: bytes
    program_id: bytes
    source: str | None
    scopes: frozenset[str]
    owner: str

    @property
    def shop(self) -> str:
        """The source of the caller's events. Raises Problem for a program's own key."""
        if self.source is None:
            raise Problem("shop_key_required")
        return self.source


async def parts(request: Request) -> Parts:
    """The app's parts. Async only so that the framework does not run it in a thread."""
    found: Parts = request.app.state.parts
    return found


async def authenticated(request: Request) -> Caller:
    """Who calls; raises Problem `unauthenticated`. The same answer whatever is wrong with the key."""
    mine: Parts = request.app.state.parts
    header = next((value for name, value in request.scope["headers"] if name == b"authorization"), b"")
    name = blake2b(header, digest_size=16).digest()
    known = mine.callers.get(name)
    if known is not None and time.monotonic() < known[0]:
        return known[1]
    caller = await _judged(header.decode("latin-1"), mine)
    if len(mine.callers) >= _CALLERS_KEPT:
        mine.callers.clear()
    mine.callers[name] = (time.monotonic() + KEY_SECONDS, caller)
    return caller


async def _judged(header: str, mine: Parts) -> Caller:
    scheme, _, text = header.partition(" ")
    parsed = keys.parse_key(text) if scheme.lower() == "bearer" else None
    if parsed is None:
        raise Problem("unauthenticated")
    key_id, secret = parsed
    credential = await mine.keys_asked.get(key_id)
    if credential is None or credential.program_id is None:
        raise Problem("unauthenticated")
    if not compare_digest(keys.key_digest(secret, key=mine.secrets.api_keys), credential.secret_digest):
        raise Problem("unauthenticated")
    if credential.expires_at is not None and credential.expires_at <= mine.clock():
        raise Problem("unauthenticated")
    return Caller(credential.key_id, credential.program_id, credential.source, credential.scopes, credential.owner)


async def published(mine: Parts, caller: Caller) -> Versions:
    """The versions of the program's rules, as of the last second. Raises Problem where there are none yet."""
    versions = await mine.rulebook.of(caller.program_id)
    if not versions.all:
        raise Problem("no_rules")
    return versions


def may(caller: Caller, scope: Scope) -> None:
    """Raises Problem `forbidden` unless the caller's key has the scope."""
    if scope not in caller.scopes:
        raise Problem("forbidden", scope=scope.value)


def allowed(scope: Scope) -> Callable[[Request], object]:
    """A dependency: the caller, if the key has the scope."""

    async def caller(request: Request) -> Caller:
        return caller_of(request, scope)

    return caller


def caller_of(request: Request, scope: Scope) -> Caller:
    """The caller whom the route has authenticated, if the key has the scope. Raises Problem `forbidden`."""
    found: Caller = request.scope["caller"]
    may(found, scope)
    return found


PartsHere = Annotated[Parts, Depends(parts)]
Reader = Annotated[Caller, Depends(allowed(Scope.MEMBERS_READ))]
