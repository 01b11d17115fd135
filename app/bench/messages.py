"""The requests of the load generator as bytes: shaped once, then filled in with an id, a member, an amount."""

import itertools
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.bench.cases import BATCH, BETWEEN, Work

Make = Callable[[], bytes]
"""The next request, whole."""

_AMOUNTS = tuple(
    (b"%d.%02d" % divmod(first, 100), b"%d.%02d" % divmod(second, 100), b"%d.%02d" % divmod(first + second, 100))
    for first, second in ((1050 + 17 * i, 300 + 7 * i) for i in range(64))
)
"""Two lines and their sum; all of one width, so that every body has the same length."""

_PURCHASE = (
    b'{"type":"purchase","id":"%(tag)b-%%09d","member":"card:%%010d","occurred_at":"%(at)b","channel":"pos",'
    b'"location":"utrecht-12","terminal":"7","operator":"o-31","currency":"EUR","total":"%%b","lines":['
    b'{"sku":"4006381","quantity":"2","amount":"%%b","categories":["coffee"]},{"sku":"77","amount":"%%b"}],'
    b'"payments":[{"kind":"card","amount":"%%b"}]}'
)
_REDEMPTION = (
    b'{"type":"redemption","id":"%(tag)b-%%09d","member":"card:%%010d","occurred_at":"%(at)b","channel":"pos",'
    b'"location":"utrecht-12","terminal":"7","points":5}'
)


_HOLD = b'{"type":"hold","id":"%(tag)b-h%%09d","member":"card:%%010d","occurred_at":"%(at)b","points":5}'
_CAPTURE = (
    b'{"type":"capture","id":"%(tag)b-c%%09d","member":"card:%%010d","occurred_at":"%(at)b",'
    b'"hold":"%(tag)b-h%%09d","channel":"pos"}'
)
_RETURN = (
    b'{"type":"return","id":"%(tag)b-r%%09d","member":"card:%%010d","occurred_at":"%(at)b",'
    b'"purchase":"%(tag)b-%%09d","lines":[{"id":"2"}]}'
)


@dataclass(frozen=True, slots=True)
class Said:
    """What the requests of one job say: who asks, under which prefix of ids, about which cards (`first` and on).

    `ids` are the members' ids and `tags` the ETags of their balances, for those who read.
    """

    key: str
    tag: str
    at: str
    first: int
    cards: int
    ids: Sequence[str] = ()
    tags: Sequence[str] = ()


def maker(work: Work, said: Said) -> Make:
    """What makes the requests of this work."""
    match work:
        case Work.EMPTY_POST:
            return _posts(b"/empty", _purchases(said), key=None)
        case Work.PURCHASE:
            return _posts(b"/v1/events", _purchases(said), key=said.key)
        case Work.NAIVE:
            return _posts(b"/naive", _purchases(said), key=said.key)
        case Work.REDEMPTION:
            return _posts(b"/v1/events", _redemptions(said), key=said.key)
        case Work.HOLDING:
            return _bodies(b"/v1/events", _holding(said), key=said.key)
        case Work.RETURNING:
            return _bodies(b"/v1/events", _returning(said), key=said.key)
        case Work.MIXED:
            return _alternating(maker(Work.PURCHASE, said), maker(Work.REDEMPTION, said))
        case Work.BATCH:
            return _posts(b"/v1/events/batch", _batches(said), key=said.key)
        case Work.EMPTY_GET:
            return _always(_get(b"/empty", key=None))
        case Work.BALANCE:
            return _any(balance_requests(said))
        case Work.UNCHANGED:
            return _any(balance_requests(said))


def balance_requests(said: Said) -> list[bytes]:
    """A balance request for each id, with the ETag where there is one."""
    tags = said.tags or [""] * len(said.ids)
    return [
        _get(b"/v1/members/%b/balance" % id.encode(), key=said.key, tag=tag)
        for id, tag in zip(said.ids, tags, strict=False)
    ]


def expected(work: Work) -> tuple[bytes, bytes, int]:
    """How a right answer begins, and a mark in it with how often that must be there (0: not looked for)."""
    match work:
        case Work.PURCHASE | Work.NAIVE | Work.REDEMPTION | Work.MIXED | Work.HOLDING | Work.RETURNING:
            return b"HTTP/1.1 201 ", b"", 0
        case Work.BATCH:
            return b"HTTP/1.1 207 ", b'"outcome":"created"', BATCH
        case Work.UNCHANGED:
            return b"HTTP/1.1 304 ", b"", 0
        case _:
            return b"HTTP/1.1 200 ", b"", 0


def post(path: str, body: bytes, *, key: str, more: str = "") -> bytes:
    """A whole POST request; `more` are further header lines."""
    return _head(path.encode(), len(body), key) + more.encode() + b"\r\n" + body


def _head(path: bytes, length: int, key: str | None) -> bytes:
    return b"POST %b HTTP/1.1\r\nHost: 127.0.0.1\r\n%bContent-Type: application/json\r\nContent-Length: %d\r\n" % (
        path,
        _bearer(key),
        length,
    )


def _get(path: bytes, *, key: str | None, tag: str = "") -> bytes:
    condition = b"If-None-Match: %b\r\n" % tag.encode() if tag else b""
    return b"GET %b HTTP/1.1\r\nHost: 127.0.0.1\r\n%b%b\r\n" % (path, _bearer(key), condition)


def _bearer(key: str | None) -> bytes:
    return b"" if key is None else b"Authorization: Bearer %b\r\n" % key.encode()


def _posts(path: bytes, body: Make, *, key: str | None) -> Make:
    head = _head(path, len(body()), key) + b"\r\n"
    return lambda: head + body()


def _bodies(path: bytes, body: Make, *, key: str | None) -> Make:
    """The same where bodies differ in length."""

    def request() -> bytes:
        said = body()
        return _head(path, len(said), key) + b"\r\n" + said

    return request


def _shape(template: bytes, said: Said) -> bytes:
    return template % {b"tag": said.tag.encode(), b"at": said.at.encode()}


def _purchases(said: Said) -> Make:
    shape, first_card, cards, draw, sent = _shape(_PURCHASE, said), said.first, said.cards, random.random, 0

    def purchase() -> bytes:
        nonlocal sent
        sent += 1
        first, second, total = _AMOUNTS[sent & 63]
        return shape % (sent, first_card + int(draw() * cards), total, first, second, total)

    return purchase


def _redemptions(said: Said) -> Make:
    shape, first_card, cards, draw, sent = _shape(_REDEMPTION, said), said.first, said.cards, random.random, 0

    def redemption() -> bytes:
        nonlocal sent
        sent += 1
        return shape % (sent, first_card + int(draw() * cards))

    return redemption


def _card(number: int, said: Said) -> int:
    """Whom the request of a number is about, spread over the cards."""
    return said.first + number * 7919 % said.cards


def _holding(said: Said) -> Make:
    """Holds, and by turns the capture of an earlier one."""
    hold, capture = _shape(_HOLD, said), _shape(_CAPTURE, said)
    return _followed(
        lambda number: hold % (number, _card(number, said)),
        lambda number: capture % (number, _card(number, said), number),
    )


def _returning(said: Said) -> Make:
    """Sales, and by turns the return of a line of an earlier one."""
    sale, back = _shape(_PURCHASE, said), _shape(_RETURN, said)

    def sold(number: int) -> bytes:
        first, second, total = _AMOUNTS[number & 63]
        return sale % (number, _card(number, said), total, first, second, total)

    return _followed(sold, lambda number: back % (number, _card(number, said), number))


def _followed(first: Callable[[int], bytes], second: Callable[[int], bytes]) -> Make:
    """Requests of two kinds by turns, each second so many requests after its first that this has been answered."""
    numbers, waiting = itertools.count(1), deque[int]()

    turns = itertools.cycle((True, False))

    def by_turns() -> bytes:
        if next(turns) or len(waiting) < BETWEEN:
            waiting.append(number := next(numbers))
            return first(number)
        return second(waiting.popleft())

    return by_turns


def _batches(said: Said) -> Make:
    purchase = _purchases(said)
    return lambda: b'{"events":[' + b",".join([purchase() for _ in range(BATCH)]) + b"]}"


def _alternating(*makes: Make) -> Make:
    turns = itertools.cycle(makes)
    return lambda: next(turns)()


def _always(request: bytes) -> Make:
    return lambda: request


def _any(requests: Sequence[bytes]) -> Make:
    count, draw = len(requests), random.random
    return lambda: requests[int(draw() * count)]
