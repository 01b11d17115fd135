"""The facts of sales, and of what follows on them (semantics A1, R1, R7, R8)."""

from app.api.problems import invalid
from app.api.schemas.commands import amounts, references
from app.api.schemas.commands.references import Place
from app.api.schemas.events import (
    CancellationIn,
    FulfilmentIn,
    LineIn,
    PurchaseChangeIn,
    ReturnedLineIn,
    ReturnIn,
    SaleIn,
)
from app.domain.commands import (
    Cancellation,
    Capture,
    Facts,
    Fulfilment,
    Line,
    LooseReturn,
    Payment,
    Purchase,
    PurchaseChange,
    Redemption,
    Return,
    ReturnedLine,
)


def purchase_of(body: SaleIn) -> Purchase:
    """A sale in minor units, checked against itself. Raises Problem."""
    decimals = amounts.decimals_of(body.currency)
    lines = tuple(_line(line, i, decimals) for i, line in enumerate(body.lines))
    if len({line.id for line in lines}) != len(lines):
        raise invalid("/lines", "two lines have the same id")
    if body.total is None and not lines:
        raise invalid("/total", "is needed where there are no lines")
    sum_of_lines = sum(line.amount for line in lines)
    total = sum_of_lines if body.total is None else amounts.minor_units(body.total, "/total", decimals)
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


def following(body: ReturnIn | PurchaseChangeIn | FulfilmentIn, place: Place, source: str) -> Facts:
    """What is said of an earlier purchase. Raises Problem."""
    if isinstance(body, ReturnIn):
        return return_of(body, place, source)
    of = references.earlier_of(body.purchase, Purchase.kind, body.shop, source)
    if isinstance(body, PurchaseChangeIn):
        return PurchaseChange(of, body.revision, purchase_of(body))
    if len(set(body.lines)) != len(body.lines):
        raise invalid("/lines", "names a line twice")
    return Fulfilment(of, tuple(sorted(body.lines)), *place)


def cancellation_of(body: CancellationIn, place: Place, source: str) -> Cancellation:
    """What is to be as if it had not been. Raises Problem."""
    of = references.earlier_of(body.event, body.kind, body.shop, source)
    if of.event_id is None and body.kind is None:
        raise invalid("/kind", "is needed with an id of a shop")
    if body.points is not None and body.kind not in (None, Redemption.kind, Capture.kind):
        raise invalid("/points", "goes with a redemption or a capture only")
    return Cancellation(of, body.points, *place)


def return_of(body: ReturnIn, place: Place, source: str) -> Return | LooseReturn:
    """What came back, of a purchase or of none. Raises Problem."""
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
        decimals = amounts.decimals_of(body.currency)
    elif body.amount is not None or any(line.amount is not None for line in body.lines):
        raise invalid("/currency", "is needed where an amount is named")
    return Return(
        references.earlier_of(body.purchase, Purchase.kind, body.shop, source),
        tuple(_returned(line, f"/lines/{i}", decimals) for i, line in enumerate(body.lines)),
        None if body.amount is None else _came_back(body.amount, "/amount", decimals),
        body.currency,
        *place,
    )


def _loose_return(body: ReturnIn, place: Place) -> LooseReturn:
    """Goods without their purchase, as lines or an amount (semantics R7)."""
    for name in ("all", "lines", "shop"):
        if getattr(body, name):
            raise invalid(f"/{name}", "goes with a purchase only")
    if body.currency is None:
        raise invalid("/currency", "is needed where no purchase is named")
    decimals = amounts.decimals_of(body.currency)
    lines = tuple(_line(line, i, decimals, at="/goods") for i, line in enumerate(body.goods))
    if any(line.amount < 0 for line in lines) or len({line.id for line in lines}) != len(lines):
        raise invalid("/goods", "has an amount below zero, or two lines with the same id")
    if bool(lines) == (body.amount is not None):
        raise invalid("/goods", "say what came back: goods, or an amount")
    total = _came_back(body.amount, "/amount", decimals) if body.amount is not None else sum(x.amount for x in lines)
    return LooseReturn(Purchase(body.currency, total, lines or (Line("1", total),), (), (), *place))


def _returned(line: ReturnedLineIn, at: str, decimals: int | None) -> ReturnedLine:
    if line.quantity is not None and line.amount is not None:
        raise invalid(f"{at}/amount", "goes without a quantity: say one of them")
    quantity = None if line.quantity is None else amounts.plain_quantity(line.quantity, f"{at}/quantity")
    if quantity == "0":
        raise invalid(f"{at}/quantity", "must be more than zero")
    return ReturnedLine(
        line.id, quantity, None if line.amount is None else _came_back(line.amount, f"{at}/amount", decimals)
    )


def _came_back(amount: str, pointer: str, decimals: int | None) -> int:
    assert decimals is not None
    found = amounts.minor_units(amount, pointer, decimals)
    if found <= 0:
        raise invalid(pointer, "must be more than zero")
    return found


def _line(line: LineIn, position: int, decimals: int, *, at: str = "/lines") -> Line:
    at = f"{at}/{position}"
    return Line(
        id=line.id if line.id is not None else str(position + 1),
        amount=amounts.minor_units(line.amount, f"{at}/amount", decimals),
        sku=line.sku,
        quantity=amounts.plain_quantity(line.quantity, f"{at}/quantity"),
        tax=None if line.tax is None else amounts.minor_units(line.tax, f"{at}/tax", decimals),
        discount=None if line.discount is None else amounts.minor_units(line.discount, f"{at}/discount", decimals),
        cost=None if line.cost is None else amounts.minor_units(line.cost, f"{at}/cost", decimals),
        categories=tuple(line.categories),
    )


def _paid(amount: str, pointer: str, decimals: int) -> int:
    paid = amounts.minor_units(amount, pointer, decimals)
    if paid < 0:
        raise invalid(pointer, "is below zero: name what was paid, less the change")
    return paid
