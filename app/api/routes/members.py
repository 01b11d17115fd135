"""Members: enrolled, looked up, read, changed."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Header
from starlette.responses import Response

from app.api import etags, identities, ids
from app.api.dependencies import Caller, Parts, PartsHere, Reader, allowed
from app.api.problems import Problem, invalid
from app.api.routes import accounts
from app.api.routes.events import problem_of
from app.api.routing import PrivateRoute, problems
from app.api.schemas import commands
from app.api.schemas import members as bodies
from app.domain import profiles, typeid
from app.domain.commands import Command, Identity, Reference
from app.domain.profiles import Birthday, Change
from app.domain.refusals import IdentityTaken
from app.domain.scopes import Scope
from app.ledger.outcomes import Created, Refused, Replayed
from app.operations import profiles as profile_operations
from app.queries import members as member_queries

router = APIRouter(prefix="/v1/members", tags=["members"], route_class=PrivateRoute)

Enroller = Annotated[Caller, Depends(allowed(Scope.MEMBERS_WRITE))]
IfMatch = Annotated[
    str | None, Header(max_length=256, description="The ETag of the member that was read: 412 if it was changed.")
]


@router.post(
    "",
    operation_id="enrol_member",
    summary="Enrol a member",
    response_model=bodies.MemberOut,
    status_code=201,
    responses={
        200: {"model": bodies.MemberOut, "description": "Enrolled before, or (`if_exists: return`) known already."},
        **problems(
            "malformed_json", "malformed_header", "unsupported_media_type", "body_too_large", "invalid",
            "idempotency_key_missing", "identity_taken", "unknown_referral_code", "event_id_reused", "too_late",
            "too_early", "no_rules",
            "shop_key_required", "unknown_outcome",
        ),
    },
)  # fmt: skip
async def enrol_member(
    body: bodies.MemberIn,
    mine: PartsHere,
    caller: Enroller,
    idempotency_key: Annotated[
        str | None,
        Header(pattern=r"^[\x20-\x7e]{1,128}$", description="Names the enrolment where the body has no `id`."),
    ] = None,
) -> Response:
    """Enrols a person under their identities, perhaps by a friend's code, and answers with the member.

    Retry freely with the same `id` (or `Idempotency-Key`): the same member comes back, and nothing is given twice.
    """
    name = body.id if body.id is not None else idempotency_key
    if name is None:
        raise Problem("idempotency_key_missing", detail="Send an `id` in the body or an Idempotency-Key header.")
    commands.check_born(body.birthday, now=mine.clock())
    facts, particulars = commands.enrolment(
        body, channel=body.channel, location=body.location, key=mine.secrets.identities
    )
    command = Command(
        id=mine.fresh_id(),
        source=caller.shop,
        key=name,
        member=Reference(),
        occurred_at=body.occurred_at or mine.clock(),
        time_said=body.occurred_at is not None,
        facts=facts,
        particulars=particulars,
    )
    (outcome,) = await mine.ledger.submit([command], program_id=caller.program_id)
    match outcome:
        case Created(event):
            return await _member(event.member_id, mine, caller, status=201)
        case Replayed(event):
            return await _member(event.member_id, mine, caller, headers={"Idempotent-Replayed": "true"})
        case Refused(IdentityTaken(_, member_id)) if body.if_exists == "return":
            return await _member(member_id, mine, caller)
        case _:
            raise problem_of(outcome)


@router.post(
    "/lookup",
    operation_id="look_up_member",
    summary="Look a member up by card",
    response_model=bodies.MemberOut,
    responses=problems("malformed_json", "unsupported_media_type", "body_too_large", "invalid", "unknown_member"),
)
async def look_up_member(body: bodies.LookupIn, mine: PartsHere, caller: Reader) -> Response:
    """One call when a card is scanned: the member, with balance and tier if asked for."""
    named = identities.reference(body.member, at="/member", key=mine.secrets.identities)
    member_id = await _resolved(named.member_id, named.identity, mine, caller)
    found = None if member_id is None else await _member_answer(member_id, mine, caller)
    if found is None or member_id is None:
        raise Problem("unknown_member", detail="Nobody is known so: enrol them with `POST /v1/members`.")
    answer, _ = found
    if "balance" in body.include:
        answer["balance"] = await accounts.balances(member_id, mine, caller)
    if "tier" in body.include:
        answer["tier"] = (await accounts.tiers(member_id, mine, caller, now=mine.clock()))[0]
    return Response(orjson.dumps(answer), media_type="application/json")


@router.get(
    "/{member_id}",
    operation_id="get_member",
    summary="Read a member",
    response_model=bodies.MemberOut,
    responses=problems("not_found"),
)
async def get_member(member_id: str, mine: PartsHere, caller: Reader) -> Response:
    """Who the member is and how they are known. The ETag is for changes of them (`If-Match`)."""
    return await _member(ids.in_path(typeid.MEMBER, member_id), mine, caller)


@router.patch(
    "/{member_id}",
    operation_id="change_member",
    summary="Change the birthday, attributes and tags",
    response_model=bodies.MemberOut,
    responses=problems(
        "malformed_json", "malformed_header", "unsupported_media_type", "body_too_large", "invalid", "not_found",
        "changed_meanwhile",
    ),
)  # fmt: skip
async def change_member(
    member_id: str, body: bodies.ProfileIn, mine: PartsHere, caller: Enroller, if_match: IfMatch = None
) -> Response:
    """Sets the birthday, attributes and tags, or takes them away; what is not named stays.

    Rules see it from the next event on.
    """
    commands.check_born(body.birthday, now=mine.clock())
    asked = Change(
        attributes=body.attributes,
        removed=frozenset(name for name, tag in body.tags.items() if tag is None),
        tags={name: tag.until for name, tag in body.tags.items() if tag is not None},
        birthday=Birthday(commands.birthday(body.birthday)) if "birthday" in body.model_fields_set else None,
    )
    known = None if if_match is None else etags.versions(if_match)
    try:
        changed = await profile_operations.change(
            mine.engine,
            ids.in_path(typeid.MEMBER, member_id),
            asked,
            program_id=caller.program_id,
            known=known,
            audit_id=mine.fresh_id(),
            actor=typeid.encode(typeid.KEY, caller.key_id),
            now=mine.clock(),
        )
    except profile_operations.Stale:
        raise Problem("changed_meanwhile") from None
    except profiles.TooMany as many:
        raise invalid(f"/{many.what}", f"would be more than {many.most}") from None
    if not changed:
        raise Problem("not_found")
    return await _member(ids.in_path(typeid.MEMBER, member_id), mine, caller)


async def _resolved(member_id: bytes | None, identity: Identity | None, mine: Parts, caller: Caller) -> bytes | None:
    if member_id is not None or identity is None:
        return member_id
    return await member_queries.known_as(mine.engine, identity.digest, program_id=caller.program_id)


async def _member_answer(member_id: bytes, mine: Parts, caller: Caller) -> tuple[dict[str, Any], str] | None:
    """The member, and the version of what may be changed of them."""
    state = await member_queries.state(mine.engine, member_id, program_id=caller.program_id)
    if state is None:
        return None
    person = await member_queries.person(mine.engine, member_id, program_id=caller.program_id)
    return bodies.member(state, person, now=mine.clock()), profiles.version(person.profile)


async def _member(
    member_id: bytes, mine: Parts, caller: Caller, *, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    found = await _member_answer(member_id, mine, caller)
    if found is None:
        raise Problem("not_found")
    answer, version = found
    location = {"Location": f"/v1/members/{answer['id']}"} if status == 201 else {}
    headers = {"ETag": etags.etag(version), **location, **(headers or {})}
    return Response(orjson.dumps(answer), status, headers, "application/json")
