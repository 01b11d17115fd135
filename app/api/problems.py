"""The one table from errors to answers: RFC 9457 problems, with facts as fields (api C5)."""

import difflib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from starlette.responses import Response

from app.domain import messages, money, refusals, typeid
from app.domain.refusals import Refusal

NOT_APPLIED, UNKNOWN = "not_applied", "unknown"


@dataclass(frozen=True, slots=True)
class Kind:
    """What a code means: its status, a title, what the caller can do, and whether sending it again may help."""

    status: int
    title: str
    advice: str
    retryable: bool = False


KINDS: Mapping[str, Kind] = {
    # 400: the request cannot be read
    "malformed_json": Kind(
        400, "The body is not JSON", "Send UTF-8 JSON without duplicate keys, NaN or lone surrogates."
    ),
    "malformed_header": Kind(400, "A header is malformed", "See the header's description in the OpenAPI pages."),
    "malformed_query": Kind(422, "A query parameter is wrong", "See the parameter's description in the OpenAPI pages."),
    "malformed_cursor": Kind(
        400, "The cursor is not one of ours", "Send a `next_cursor` back as it came, with the same filters."
    ),
    "idempotency_key_missing": Kind(
        400, "Idempotency-Key is missing", "Send a new Idempotency-Key header with each new write."
    ),
    # 401, 403
    "unauthenticated": Kind(401, "No valid API key", "Send `Authorization: Bearer zgl_…` with a key that is in force."),
    "forbidden": Kind(403, "The key may not do this", "Use a key with the scope named in `scope`."),
    "shop_key_required": Kind(403, "Only a shop's key can send events", "Make a key with `zegel keys create --shop`."),
    "self_approval": Kind(403, "Nobody decides on their own adjustment", "Use the key of another person."),
    # 404, 405, 413, 415
    "not_found": Kind(404, "There is nothing here", "Check the path and the id."),
    "method_not_allowed": Kind(405, "This path does not take that method", "See `Allow`."),
    "changed_meanwhile": Kind(
        412, "Somebody has changed it meanwhile", "Read it again, and send the `ETag` you get then in `If-Match`."
    ),
    "body_too_large": Kind(413, "The body is too large", "Send at most `limit` bytes."),
    "unsupported_media_type": Kind(415, "The body is no media type of this path", "Declare it as one of `allowed`."),
    "feed_gone": Kind(
        410, "What follows this position is kept no longer", "Go on from `oldest`; read what is missing by other means."
    ),
    # 409: the state of things is against it
    "insufficient_points": Kind(
        409, "Not enough points", "Ask for at most `available`. The id is free to be sent again."
    ),
    "identity_taken": Kind(409, "The identity belongs to a member", "Use that member, or send `if_exists: return`."),
    "nothing_left": Kind(409, "It has been taken back already", "Nothing of it is left; read the event named."),
    "more_than_left": Kind(409, "More comes back than is left", "Send at most what is left, or `all`."),
    "more_points_than_left": Kind(409, "More points than are left", "Give back at most `left`, or leave `points` out."),
    "already_fulfilled": Kind(409, "It has been fulfilled already", "Nothing waits for it any more."),
    "offline_allowance": Kind(
        409,
        "More than a member may owe",
        "Of what was there when it occurred `available` is left; somebody must let it in: see `GET /v1/refused`.",
    ),
    "hold_settled": Kind(409, "The hold keeps nothing any more", "It was `state`; place a new one if need be."),
    "more_than_held": Kind(409, "More than the hold keeps", "Capture at most `held`, or leave `points` out."),
    "already_opened": Kind(409, "The account was opened before", "Once a member; read the event `opened`."),
    "not_new": Kind(
        409, "Something has happened to the member", "Open accounts before all else; see the event `first`."
    ),
    "daily_limit": Kind(409, "Too much for one person in a day", "Ask for at most `left`, or wait until tomorrow."),
    "already_decided": Kind(409, "The adjustment has been decided on", "Read it: `state` says how."),
    "adjustment_lapsed": Kind(409, "Nobody decided on the adjustment in time", "Ask for it again under a new id."),
    "transfer_limit": Kind(409, "Too much given in a day", "Give at most `left`, or wait until tomorrow."),
    "recently_received": Kind(
        409, "Points that were just received stay for a day", "Give at most `free`, or wait 24 hours."
    ),
    "backtest_running": Kind(
        409, "A backtest is running already", "One at a time: wait for it, or end it by hanging up.", retryable=True
    ),
    "transfer_spent": Kind(409, "The receiver has not all of the points", "Only `left` are there; nothing was taken."),
    "no_tier_floor": Kind(409, "Nobody set a tier there", "There is nothing to remove; name the `ladder`."),
    "already_referred": Kind(409, "A friend has been named before", "One names one once; `claimed_at`, `state`."),
    "has_referred": Kind(409, "Who has brought others cannot be brought", "Leave it; nothing was recorded."),
    "has_bought": Kind(409, "A friend is named before a first purchase", "Leave it; nothing was recorded."),
    "not_in_review": Kind(409, "Nobody has to look at the referral", "Read it: `state` says how far it has come."),
    "request_in_flight": Kind(409, "The same request is being worked on", "Wait, and send it again.", retryable=True),
    # 422: readable, but against a rule
    "invalid": Kind(422, "The body breaks the schema", "Mend the fields named in `errors`."),
    "batch_too_large": Kind(422, "Too many events in one batch", "Send at most `limit` events a call."),
    "event_id_reused": Kind(
        422, "The event id is taken", "This id was recorded with other content; new events need new ids."
    ),
    "idempotency_key_reused": Kind(422, "The Idempotency-Key is taken", "It was sent with another body before."),
    "unknown_member": Kind(422, "No such member", "Enrol the member first, or send `enrol: true` with an identity."),
    "unknown_referral_code": Kind(422, "No such referral code", "Check the code, or leave it out."),
    "own_referral_code": Kind(422, "The code is the member's own", "Ask for the code of the friend who brought them."),
    "unknown_event": Kind(
        422, "No such event", "Send the event it names first; for another shop's id, name the `shop`."
    ),
    "not_admissible": Kind(422, "It cannot be let in from here", "Let the sender send it again."),
    "purchase_needed": Kind(
        422, "Goods come back with their purchase", "Name the `purchase`; the program takes none without."
    ),
    "unknown_hold": Kind(422, "No such hold", "Name a hold that was placed; for another shop's id, name the `shop`."),
    "other_members_event": Kind(422, "The event is another member's", "Name the member whose event it is."),
    "not_reversible": Kind(422, "That cannot be taken back so", "It is for events of the `kinds` named."),
    "unknown_line": Kind(422, "The purchase has no such line", "Name one of `lines`."),
    "other_currency": Kind(422, "The purchase was in another currency", "Use `currency`."),
    "as_of_out_of_range": Kind(
        422, "There is nothing to look back at", "Ask for an instant between `earliest` and `latest`."
    ),
    "too_late": Kind(
        422, "It happened too long ago", "Events are taken from `earliest` on; older ones need `events:history`."
    ),
    "too_early": Kind(422, "It lies in the future", "Events are taken up to `latest`; set the sender's clock."),
    "not_after_passed": Kind(
        422, "The sender had given up on it", "Nothing was recorded; send a new event if it is still wanted."
    ),
    "unlisted_currency": Kind(422, "The program does not take this currency", "Use one of `listed`."),
    "total_mismatch": Kind(422, "The lines do not sum to the total", "Leave `total` out, or mend the lines."),
    "unknown_unit": Kind(422, "No such unit", "Name one of `known`."),
    "unit_has_lots": Kind(422, "The unit's points have dates", "Send them as `lots`, not as a total."),
    "unit_has_no_lots": Kind(422, "The unit only counts", "Send it in `totals`, without dates."),
    "unknown_tier": Kind(422, "No such tier", "Name one of `known`: ladder:tier."),
    "until_passed": Kind(422, "That instant is over", "Name an instant after `now`, or none."),
    "unknown_reason": Kind(
        422, "The program has no such reason", "Name one of `known`; the program's document lists them."
    ),
    "expiry_not_possible": Kind(
        422, "Points cannot end then", "Name an instant after `earliest`, or none: then the unit's own dates hold."
    ),
    "not_spendable": Kind(422, "This unit cannot be spent", "It only counts; see the program's units."),
    "transfers_off": Kind(
        422, "These points cannot be passed on", "Only those of `units` can; see the program's rules."
    ),
    "unknown_receiver": Kind(422, "Nobody is known there", "Check `to`, or let them join first."),
    "own_transfer": Kind(422, "Nobody passes points on to themselves", "Name another member in `to`."),
    "points_out_of_range": Kind(422, "The result is beyond all points", "Balances lie within ±(2^53 − 1)."),
    "no_rules": Kind(422, "The program has no rules yet", "Publish a document with `zegel program publish`."),
    "history_scope": Kind(403, "The key may not send history", "Use a key with the scope `events:history`."),
    "too_many_secrets": Kind(
        409, "Too many secrets sign already", "Wait until one has ended, or end them all with `overlap_hours: 0`."
    ),
    "endpoint_not_enabled": Kind(409, "The endpoint is not enabled", "Enable it first."),
    "endpoint_refused": Kind(422, "The endpoint's address is not allowed", "Use a public https:// address."),
    "mistakes_in_document": Kind(
        422,
        "The document has mistakes",
        "Mend what `errors` names; `POST /v1/program/rules/draft/check` tells them too.",
    ),
    "not_in_the_past": Kind(
        422, "Rules cannot be published into the past", "Name an instant from `earliest` on, or none for at once."
    ),
    # 428: what is to be changed must be named as it was read
    "if_match_missing": Kind(
        428,
        "If-Match is missing",
        "Send the `ETag` of what you read in `If-Match`; for a first draft `If-None-Match: *`.",
    ),
    # 5xx
    "too_busy": Kind(503, "Too many events are waiting", "Send it again after `Retry-After` seconds.", retryable=True),
    "too_many_wait": Kind(
        503, "Too many callers wait for messages", "Ask again after `Retry-After` seconds.", retryable=True
    ),
    "unavailable": Kind(503, "The database cannot be reached", "Send it again with the same id.", retryable=True),
    "contended": Kind(
        503,
        "Others wrote the same at the same time",
        "Nothing was recorded. Send it again with the same id; if that goes on, report `request_id`.",
        retryable=True,
    ),
    "unknown_outcome": Kind(
        503, "Nobody knows yet if it was recorded", "Send it again with the same id.", retryable=True
    ),
    "internal": Kind(
        500, "A defect on our side", "Send it again with the same id; report `request_id`.", retryable=True
    ),
}
"""Every code there is; docs/errors.md names each, and a test compares."""

MEDIA_TYPE = "application/problem+json"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name nearest to one that is not known, if one is near."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return close[0] if close else None


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong at one place of the body, as a JSON Pointer (RFC 6901); of a text with lines, also the line."""

    pointer: str
    message: str
    suggestion: str | None = None
    line: int | None = None

    def shown(self) -> dict[str, Any]:
        """As JSON, without what is not known."""
        said = {"pointer": self.pointer, "line": self.line, "message": self.message, "suggestion": self.suggestion}
        return {name: value for name, value in said.items() if value is not None}


class Problem(Exception):
    """Ends a request with a problem. `facts` become fields of the answer."""

    def __init__(
        self,
        code: str,
        *,
        detail: str | None = None,
        errors: Iterable[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        **facts: Any,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.facts = facts

    @property
    def status(self) -> int:
        return KINDS[self.code].status

    def body(self, *, request_id: str, instance: str) -> dict[str, Any]:
        """The problem as JSON; `instance` is the path asked for."""
        kind = KINDS[self.code]
        answer: dict[str, Any] = {
            "type": f"/problems#{self.code}",
            "title": kind.title,
            "status": kind.status,
            "detail": self.detail or kind.advice,
            "instance": instance,
            "code": self.code,
            "request_id": request_id,
            "retryable": kind.retryable,
            "outcome": UNKNOWN if self.code in ("unknown_outcome", "internal") else NOT_APPLIED,
        }
        answer.update(self.facts)
        if self.errors:
            answer["errors"] = [error.shown() for error in self.errors]
        return answer


def invalid(pointer: str, message: str) -> Problem:
    """The problem of a body that is wrong at one place."""
    return Problem("invalid", errors=(FieldError(pointer, message),))


def malformed_query(parameter: str, message: str, suggestion: str | None = None) -> Problem:
    """The problem of a parameter that is wrong."""
    return Problem("malformed_query", errors=(FieldError(f"/{parameter}", message, suggestion),))


def respond(problem: Problem, *, request_id: str, instance: str) -> Response:
    """The problem as a response."""
    body = json.dumps(problem.body(request_id=request_id, instance=instance), ensure_ascii=False)
    headers = dict(problem.headers)
    if KINDS[problem.code].status == 503 or problem.code == "request_in_flight":
        headers.setdefault("Retry-After", "1")
    if KINDS[problem.code].status == 401:
        headers.setdefault("WWW-Authenticate", 'Bearer realm="zegel"')
    return Response(body.encode(), status_code=problem.status, media_type=MEDIA_TYPE, headers=headers)


def of_refusal(refusal: Refusal) -> Problem:
    """A refusal with its facts as fields, each in the form the API speaks."""
    facts = {field.name: _fact(getattr(refusal, field.name)) for field in fields(refusal)}
    match refusal:
        case refusals.EventIdReused():
            facts = {"recorded": typeid.encode(typeid.EVENT, refusal.recorded)}
        case refusals.IdentityTaken():
            facts = {"kind": refusal.kind, "member": typeid.encode(typeid.MEMBER, refusal.member_id)}
        case refusals.AlreadyOpened():
            facts = {"opened": typeid.encode(typeid.EVENT, refusal.opened)}
        case refusals.NotNew():
            facts = {"first": typeid.encode(typeid.EVENT, refusal.first)}
        case refusals.InsufficientPoints():
            facts["missing"] = refusal.missing
        case refusals.TotalMismatch():
            facts = {
                "currency": refusal.currency,
                "total": money.decimal_text(refusal.total, decimals=refusal.decimals),
                "lines": money.decimal_text(refusal.lines, decimals=refusal.decimals),
            }
        case refusals.MoreThanLeft():
            left = money.decimal_text(refusal.amount, decimals=refusal.decimals)
            facts = {"line": refusal.line, "quantity": refusal.quantity, "amount": left, "currency": refusal.currency}
        case _:
            pass
    return Problem(refusal.code, **facts)


_REFUSALS: Mapping[str, type[Refusal]] = {
    kind.code: kind
    for kind in map(vars(refusals).get, refusals.__all__)
    if isinstance(kind, type) and issubclass(kind, Refusal)
}


def facts_kept(code: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of a refusal that was listed, as its problem told them."""
    return of_refusal(refusals.read(_REFUSALS[code], facts)).facts


def _fact(value: Any) -> Any:
    if isinstance(value, datetime):
        return messages.time_text(value)
    return list(value) if isinstance(value, tuple) else value
