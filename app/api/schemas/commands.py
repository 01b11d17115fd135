"""The commands of bodies: amounts in minor units, identities as digests, earlier events by name."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from app.api import identities
from app.api.problems import invalid
from app.api.schemas import friends
from app.api.schemas.common import MINOR_UNITS
from app.api.schemas.events import (
    NOBODY,
    ActivityIn,
    CancellationIn,
    CaptureIn,
    EnrolmentIn,
    EventBody,
    FulfilmentIn,
    HoldIn,
    LineIn,
    MemberRef,
    OpenedLotIn,
    OpeningIn,
    PersonIn,
    PurchaseChangeIn,
    PurchaseIn,
    RedemptionIn,
    ReferralClaimIn,
    ReleaseIn,
    ReturnedLineIn,
    ReturnIn,
    SaleIn,
    TransferIn,
)
from app.domain import chain, money, referral_code, typeid
from app.domain import identities as stored
from app.domain.commands import (
    Activity,
    Cancellation,
    Capture,
    Command,
    Enrolment,
    Facts,
    Fulfilment,
    Hold,
    Identity,
    Line,
    LooseReturn,
    Mode,
    Named,
    OpenedLot,
    OpenedTier,
    OpenedTotal,
    Opening,
    Payment,
    Purchase,
    PurchaseChange,
    Redemption,
    Reference,
    ReferralClaim,
    Release,
    Return,
    ReturnedLine,
    Transfer,
)

Sent = (
    PurchaseIn
    | PurchaseChangeIn
    | FulfilmentIn
    | ReturnIn
    | ActivityIn
    | RedemptionIn
    | HoldIn
    | CaptureIn
    | ReleaseIn
    | CancellationIn
    | TransferIn
    | ReferralClaimIn
)
Place = tuple[str | None, str | None, str | None, str | None]
"""Channel, location, terminal, operator."""


def to_command(body: EventBody, *, id: bytes, source: str, key: bytes) -> Command:
    """The command of a body. Raises Problem with the field that is wrong."""
    mode = Mode.LIVE if not body.history else Mode.HISTORY_WITH_MESSAGES if body.messages else Mode.HISTORY
    if body.messages and not body.history:
        raise invalid("/messages", "goes with `history` only; other events always send webhooks")
    if isinstance(body, EnrolmentIn):
        facts, particulars = enrolment(body, channel=body.channel, location=body.location, key=key)
        member = Reference()
        return Command(id, source, body.id, member, body.occurred_at, facts, particulars, mode)
    if isinstance(body, OpeningIn):
        return _opening_command(body, id=id, source=source, key=key, mode=mode)
    if body.history and (
        isinstance(body, TransferIn) or (isinstance(body, CancellationIn) and body.kind == Transfer.kind)
    ):
        raise invalid("/history", "goes without transfers: two members' pasts would have to agree")
    return Command(
        id=id,
        source=source,
        key=body.id,
        member=_member(body.member, key),
        occurred_at=body.occurred_at,
        facts=_facts(body, source, key),
        particulars=_particulars(body, key),
        mode=mode,
        not_after=body.not_after if isinstance(body, PurchaseIn | RedemptionIn | HoldIn | TransferIn) else None,
    )


def enrolment(body: PersonIn, *, channel: str | None, location: str | None, key: bytes) -> tuple[Enrolment, bytes]:
    """The facts of an enrolment, and the personal part that lies apart and can be erased."""
    named = tuple(_identity(kind, value, key) for kind, value in sorted(body.identities.items()))
    birthday = None
    if body.birthday is not None:
        try:
            birthday = datetime.strptime(body.birthday, "%Y-%m-%d").date()  # noqa: DTZ007 - a day has no zone
        except ValueError:
            raise invalid("/birthday", "is no day that exists") from None
    code = None
    if body.referral_code is not None:
        code = friends.code(body.referral_code, key=key)
    said: dict[str, Any] = friends.said(body.fingerprints, key=key)
    if named:
        said["identities"] = {identity.kind: identity.value for identity in named}
    if body.birthday is not None:
        said["birthday"] = body.birthday
    if body.attributes:
        said["attributes"] = body.attributes
    if code is not None:
        said["referral_code"] = code.value
    attributes = chain.canonical(body.attributes).decode() if body.attributes else None
    facts = Enrolment(named, birthday, attributes, code, channel, location)
    return facts, chain.canonical(said) if said else b""


def _identity(kind: str, value: str, key: bytes) -> Identity:
    try:
        return identities.identity(kind, value, key=key)
    except ValueError as error:
        raise invalid(f"/identities/{kind}", str(error)) from None


def _member(name: str | MemberRef, key: bytes) -> Reference:
    if name == NOBODY:
        return Reference()
    try:
        if isinstance(name, str):
            return identities.reference(name, key=key)
        return identities.reference(name.identity, key=key, enrol=name.enrol)
    except ValueError as error:
        raise invalid("/member" if isinstance(name, str) else "/member/identity", str(error)) from None


def _facts(body: Sent, source: str, key: bytes) -> Facts:
    place = (body.channel, body.location, body.terminal, body.operator)
    match body:
        case PurchaseIn():
            return _purchase(body)
        case ActivityIn():
            return Activity(body.activity, *place)
        case RedemptionIn():
            return Redemption(body.points, body.unit, *place, offline=body.offline)
        case HoldIn():
            lasts = None if body.lasts is None else body.lasts // timedelta(seconds=1)
            return Hold(body.points, body.unit, lasts, *place)
        case ReferralClaimIn():
            return ReferralClaim(friends.code(body.referral_code, key=key), *place)
        case TransferIn():
            return Transfer(body.points, _receiver(body.to, key), body.unit, *place)
        case CaptureIn():
            return Capture(_named(body.hold, Hold.kind, body.shop, source), body.points, body.final, *place)
        case ReleaseIn():
            return Release(_named(body.hold, Hold.kind, body.shop, source), *place)
        case CancellationIn():
            return _cancellation(body, place, source)
        case _:
            return _of_purchase(body, place, source)


def _of_purchase(body: ReturnIn | PurchaseChangeIn | FulfilmentIn, place: Place, source: str) -> Facts:
    if isinstance(body, ReturnIn):
        return _return(body, place, source)
    of = _named(body.purchase, Purchase.kind, body.shop, source)
    if isinstance(body, PurchaseChangeIn):
        return PurchaseChange(of, body.revision, _purchase(body))
    if len(set(body.lines)) != len(body.lines):
        raise invalid("/lines", "names a line twice")
    return Fulfilment(of, tuple(sorted(body.lines)), *place)


def _receiver(name: str, key: bytes) -> Reference:
    try:
        return identities.reference(name, key=key)
    except ValueError as error:
        raise invalid("/to", str(error)) from None


def _loose_return(body: ReturnIn, place: Place) -> LooseReturn:
    """Goods without their purchase, as lines or an amount (semantics R7)."""
    for name in ("all", "lines", "shop"):
        if getattr(body, name):
            raise invalid(f"/{name}", "goes with a purchase only")
    if body.currency is None:
        raise invalid("/currency", "is needed where no purchase is named")
    decimals = _decimals(body.currency)
    lines = tuple(_line(line, i, decimals, at="/goods") for i, line in enumerate(body.goods))
    if any(line.amount < 0 for line in lines) or len({line.id for line in lines}) != len(lines):
        raise invalid("/goods", "has an amount below zero, or two lines with the same id")
    if bool(lines) == (body.amount is not None):
        raise invalid("/goods", "say what came back: goods, or an amount")
    total = _came_back(body.amount, "/amount", decimals) if body.amount is not None else sum(x.amount for x in lines)
    return LooseReturn(Purchase(body.currency, total, lines or (Line("1", total),), (), (), *place))


def _return(body: ReturnIn, place: Place, source: str) -> Return | LooseReturn:
    if body.purchase is None:
        return _loose_return(body, place)
    if body.goods:
        raise invalid("/goods", "goes without a purchase only")
    ways = [name for name in ("all", "lines", "amount") if getattr(body, name)]
    if len(ways) != 1:
        raise invalid("/lines" if "lines" in ways else "/all", "say what came back: one of all, lines and amount")
    if len({line.id for line in body.lines}) != len(body.lines):
        raise invalid("/lines", "two lines have the same id")
    decimals = None
    if body.currency is not None:
        decimals = _decimals(body.currency)
    elif body.amount is not None or any(line.amount is not None for line in body.lines):
        raise invalid("/currency", "is needed where an amount is named")
    return Return(
        _named(body.purchase, Purchase.kind, body.shop, source),
        tuple(_returned(line, f"/lines/{i}", decimals) for i, line in enumerate(body.lines)),
        None if body.amount is None else _came_back(body.amount, "/amount", decimals),
        body.currency,
        *place,
    )


def _returned(line: ReturnedLineIn, at: str, decimals: int | None) -> ReturnedLine:
    if line.quantity is not None and line.amount is not None:
        raise invalid(f"{at}/amount", "goes without a quantity: say one of them")
    quantity = None if line.quantity is None else _quantity(line.quantity, f"{at}/quantity")
    if quantity == "0":
        raise invalid(f"{at}/quantity", "must be more than zero")
    return ReturnedLine(
        line.id, quantity, None if line.amount is None else _came_back(line.amount, f"{at}/amount", decimals)
    )


def _came_back(amount: str, pointer: str, decimals: int | None) -> int:
    assert decimals is not None
    found = _minor(amount, pointer, decimals)
    if found <= 0:
        raise invalid(pointer, "must be more than zero")
    return found


def _cancellation(body: CancellationIn, place: Place, source: str) -> Cancellation:
    of = _named(body.event, body.kind, body.shop, source)
    if of.event_id is None and body.kind is None:
        raise invalid("/kind", "is needed with an id of a shop")
    if body.points is not None and body.kind not in (None, Redemption.kind, Capture.kind):
        raise invalid("/points", "goes with a redemption or a capture only")
    return Cancellation(of, body.points, *place)


def _named(id: str, kind: str | None, shop: str | None, source: str) -> Named:
    """An earlier event: by our id if it has the form of one, else by its shop's."""
    ours = typeid.decode(typeid.EVENT, id)
    if ours is not None and shop is not None:
        raise invalid("/shop", "goes with an id of a shop; this one is ours")
    return Named(ours, kind=kind or "") if ours is not None else Named(None, shop or source, kind or "", id)


def _opening_command(body: OpeningIn, *, id: bytes, source: str, key: bytes, mode: Mode) -> Command:
    code = None
    if body.referral_code is not None:
        text = referral_code.foreign(body.referral_code)
        if text is None:
            raise invalid("/referral_code", "is no code of another system, or has the form of ours: leave it out")
        code = stored.identity(stored.REFERRAL_CODE, text, key=key)
    particulars = chain.canonical({"referral_code": code.value}) if code is not None else b""
    facts = replace(_opening(body), referral_code=code)
    return Command(id, source, body.id, _member(body.member, key), body.occurred_at, facts, particulars, mode)


def _opening(body: OpeningIn) -> Opening:
    if not body.history:
        raise invalid("/history", "an opening always is an event of the past")
    if not (body.lots or body.totals or body.tiers):
        raise invalid("/lots", "say what there was: at least one of lots, totals and tiers")
    for i, total in enumerate(body.totals):
        if total.unit in {other.unit for other in body.totals[:i]}:
            raise invalid(f"/totals/{i}/unit", "has a total already")
    for i, tier in enumerate(body.tiers):
        if tier.ladder in {other.ladder for other in body.tiers[:i]}:
            raise invalid(f"/tiers/{i}/ladder", "has a tier already")
        if tier.since > body.occurred_at:
            raise invalid(f"/tiers/{i}/since", "is after `occurred_at`, the instant of the books")
    return Opening(
        tuple(_opened_lot(lot, f"/lots/{i}", body.occurred_at) for i, lot in enumerate(body.lots)),
        tuple(OpenedTotal(total.unit, total.points) for total in body.totals),
        tuple(OpenedTier(tier.ladder, tier.tier, tier.since, tier.review_at) for tier in body.tiers),
    )


def _opened_lot(lot: OpenedLotIn, at: str, books: datetime) -> OpenedLot:
    if lot.earned_at > books:
        raise invalid(f"{at}/earned_at", "is after `occurred_at`, the instant of the books")
    if lot.available_at is not None and lot.available_at < lot.earned_at:
        raise invalid(f"{at}/available_at", "is before `earned_at`")
    if lot.expires_at is not None and lot.expires_at <= (lot.available_at or lot.earned_at):
        raise invalid(f"{at}/expires_at", "is not after `earned_at` and `available_at`")
    never = lot.expires_at is None and "expires_at" in lot.model_fields_set
    return OpenedLot(lot.unit, lot.points, lot.earned_at, lot.available_at, lot.expires_at, never)


def _particulars(body: Sent, key: bytes) -> bytes:
    said: dict[str, Any] = {"attributes": body.attributes} if body.attributes else {}
    if isinstance(body, PurchaseIn | ReferralClaimIn) and body.fingerprints:
        said |= friends.said(body.fingerprints, key=key)
    if isinstance(body, ReferralClaimIn):
        said["referral_code"] = friends.code(body.referral_code, key=key).value
    if isinstance(body, SaleIn):
        lines = {str(i): line.attributes for i, line in enumerate(body.lines, start=1) if line.attributes}
        if lines:
            said["lines"] = lines
    return chain.canonical(said) if said else b""


def _purchase(body: SaleIn) -> Purchase:
    decimals = _decimals(body.currency)
    lines = tuple(_line(line, i, decimals) for i, line in enumerate(body.lines))
    if len({line.id for line in lines}) != len(lines):
        raise invalid("/lines", "two lines have the same id")
    total = _minor(body.total, "/total", decimals) if body.total is not None else sum(line.amount for line in lines)
    if body.total is None and not lines:
        raise invalid("/total", "is needed where there are no lines")
    if total < 0:
        raise invalid("/total", "is below zero: goods brought back are a return")
    return Purchase(
        currency=body.currency,
        total=total,
        lines=lines or (Line("1", total),),
        payments=tuple(
            Payment(payment.kind, _paid(payment.amount, f"/payments/{i}/amount", decimals), payment.hold)
            for i, payment in enumerate(body.payments)
        ),
        vouchers=tuple(body.vouchers),
        channel=body.channel,
        location=body.location,
        terminal=body.terminal,
        operator=body.operator,
    )


def _decimals(currency: str) -> int:
    decimals = MINOR_UNITS.get(currency)
    if decimals is None:
        raise invalid("/currency", "is not an ISO 4217 currency")
    return decimals


def _line(line: LineIn, position: int, decimals: int, *, at: str = "/lines") -> Line:
    at = f"{at}/{position}"
    return Line(
        id=line.id if line.id is not None else str(position + 1),
        amount=_minor(line.amount, f"{at}/amount", decimals),
        sku=line.sku,
        quantity=_quantity(line.quantity, f"{at}/quantity"),
        tax=None if line.tax is None else _minor(line.tax, f"{at}/tax", decimals),
        discount=None if line.discount is None else _minor(line.discount, f"{at}/discount", decimals),
        cost=None if line.cost is None else _minor(line.cost, f"{at}/cost", decimals),
        categories=tuple(line.categories),
    )


def _paid(amount: str, pointer: str, decimals: int) -> int:
    paid = _minor(amount, pointer, decimals)
    if paid < 0:
        raise invalid(pointer, "is below zero: name what was paid, less the change")
    return paid


def _quantity(text: str, pointer: str) -> str:
    """Plain decimal text without superfluous zeros, so that "2" and "2.0" are the same content."""
    if "." not in text:
        return text
    try:
        plain = format(Decimal(text).normalize(), "f")
    except InvalidOperation:
        raise invalid(pointer, "is not a quantity") from None
    return plain


def _minor(amount: str, pointer: str, decimals: int) -> int:
    try:
        return money.minor_units(amount, decimals=decimals)
    except money.BadAmount as error:
        reason = {
            "too_many_decimals": f"has more decimals than the currency's {decimals}",
            "too_large": "is too large",
        }.get(error.reason, "is not an amount of money")
        raise invalid(pointer, reason) from None
