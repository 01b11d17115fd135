"""Bodies that must be refused: a good body with one thing wrong, and texts that are no JSON at all."""

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_MARK = "@@mark@@"

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Bad:
    """A body to refuse. `pointer` is where the answer must say that something is wrong; `id` is the body's own."""

    name: str
    content: bytes
    pointer: str | None = None
    suggestion: str | None = None
    id: str | None = None
    secret: str | None = None
    """What the answer must not repeat."""


NO_JSON: dict[str, bytes] = {
    "nothing": b"",
    "white space": b" \r\n\t ",
    "a brace": b"{",
    "two values": b"{} {}",
    "a trailing comma": b'{"id": "x",}',
    "single quotes": b"{'id': 'x'}",
    "no quotes": b'{id: "x"}',
    "a comment": b'{/* hello */ "id": "x"}',
    "a key twice": b'{"id": "x", "id": "x"}',
    "a key twice, one escaped": b'{"id": "x", "\\u0069d": "y"}',
    "a key twice, deep down": b'{"id": "x", "attributes": {"a": 1, "a": 2}}',
    "NaN": b'{"id": NaN}',
    "Infinity": b'{"id": Infinity}',
    "minus Infinity": b'{"id": -Infinity}',
    "a leading zero": b'{"id": 01}',
    "a plus": b'{"id": +1}',
    "hexadecimal": b'{"id": 0x10}',
    "a bare point": b'{"id": .5}',
    "undefined": b'{"id": undefined}',
    "five thousand digits": b'{"id": 1' + b"0" * 5_000 + b"}",
    "minus five thousand digits": b'{"id": -1' + b"0" * 5_000 + b"}",
    "five thousand digits deep down": b'{"attributes": {"a": [' + b"9" * 5_000 + b"]}}",
    "NUL, escaped": b'{"id": "a\\u0000b"}',
    "NUL, raw": b'{"id": "a\0b"}',
    "NUL in a name": b'{"i\\u0000d": "x"}',
    "NUL after the end": b'{"id": "x"}\0',
    "a lone high surrogate": b'{"id": "\\ud800"}',
    "a lone low surrogate": b'{"id": "\\udc00x"}',
    "surrogates the wrong way round": b'{"id": "\\udc00\\ud800"}',
    "a lone surrogate in a name": b'{"\\ud800": "x"}',
    "a surrogate in UTF-8": b'{"id": "\xed\xa0\x80"}',
    "no UTF-8": b'{"id": "\xff\xfe"}',
    "torn UTF-8": b'{"id": "\xe2\x82"}',
    "overlong UTF-8": b'{"id": "\xc0\xaf"}',
    "Latin-1": '{"id": "é"}'.encode("latin-1"),
    "UTF-16": '{"id": "x"}'.encode("utf-16"),
    "UTF-32": '{"id": "x"}'.encode("utf-32"),
    "a byte order mark": b'\xef\xbb\xbf{"id": "x"}',
    "a raw control character": b'{"id": "a\x01b"}',
    "a raw line end": b'{"id": "a\nb"}',
    "a bad escape": b'{"id": "\\x41"}',
    "a torn escape": b'{"id": "\\u12"}',
    "a hundred thousand brackets": b"[" * 60_000,
    "as many, closed": b"[" * 30_000 + b"]" * 30_000,
    "as many braces": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "deep inside": b'{"attributes": ' + b'{"a":' * 10_000 + b"1" + b"}" * 10_000 + b"}",
    "gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xab\xae\x05\x00C\xbf\xa6\xa3\x02\x00\x00\x00",
    "a form": b"id=x&type=purchase",
    "XML": b"<event id='x'/>",
    "a script": b"<script>alert(1)</script>",
}
"""Refused for every route with `malformed_json`; but for nothing at all, which may also be `invalid`."""

NO_OBJECT: dict[str, bytes] = {
    "null": b"null",
    "true": b"true",
    "a number": b"17",
    "a float": b"1e999",
    "a text": b'"purchase"',
    "a list": b"[]",
    "a list of the object": b'[{"id": "x"}]',
    "nested lists": b"[" * 500 + b"]" * 500,
}
"""JSON, but no object: refused for every route with `invalid`."""

NOT_TEXT = ("5", "true", "1.0", "1e999", "[]", "{}", '["x"]', '{"x": "y"}', "-0.0", "1e5")
REQUIRED = ("null",)

ID = (
    *NOT_TEXT, *REQUIRED, '""', json.dumps("x" * 129), '"é"', '"a\\tb"', '"a\\nb"', '"\\u007f"', '"\\u0001"', '"💶"',
    '"ｉｄ"', '"a\\u200bb"', json.dumps("secret-canary\n"),
)  # fmt: skip
NAME = (*NOT_TEXT, '""', json.dumps("secret-canary" + "x" * 129), json.dumps("x" * 100_000))
FLAG = ("5", "0", "1", '"true"', '"false"', '""', "[]", "{}", "1.0", "null")
MONEY = (
    *NOT_TEXT, '""', '"-"', '"+1"', '"1."', '".5"', '"01.00"', '"1,50"', '" 1"', '"1 "', '"1e3"', '"1E3"', '"0x10"',
    '"NaN"', '"Infinity"', '"-Infinity"', '"12.345"', '"1.00000"', '"12.50 EUR"', '"€ 5"', '"1_000"', '"--1"', '"٥"',
    '"１２"', '"1\\u0660"', json.dumps("9" * 14), json.dumps("9" * 5_000), '"1\\n"', '"1.0.0"', '"½"',
    '"secret-canary"',
)  # fmt: skip
CURRENCY = (
    *NOT_TEXT, *REQUIRED, '"eur"', '"EU"', '"EURO"', '"€"', '"ZZZ"', '"XXX"', '"XAU"', '"USD"', '"EUR "', '"ＥＵＲ"',
    '""',
)  # fmt: skip
POINTS = (
    *REQUIRED, "0", "-1", str(2**53), str(2**64), str(10**30), "1" + "0" * 4_000, "1.0", "1e2", "5.5", '"5"', '""',
    "true", "false", "[]", "{}", "[5]", "-0", '"secret-canary"',
)  # fmt: skip
TIME = (
    *NOT_TEXT, *REQUIRED, "1763715600", '""', '"now"', '"2026-11-21"', '"2026-11-21T09:00:00"', '"2026-11-21T09:00Z"',
    '"2026-11-21T09Z"', '"20261121T090000Z"', '"2026-W47-6T09:00:00Z"', '"2026-13-01T00:00:00Z"',
    '"2026-02-30T00:00:00Z"', '"2026-11-21T24:00:00Z"', '"2026-11-21T25:00:00Z"', '"2026-11-21T09:60:00Z"',
    '"2026-11-20T23:59:60Z"', '"2016-12-31T23:59:60Z"', '"0000-01-01T00:00:00Z"', '"0001-01-01T00:00:00+14:00"',
    '"9999-12-31T23:59:59-14:00"', '"9999-12-31T23:59:59Z"', '"10000-01-01T00:00:00Z"', '"-0001-01-01T00:00:00Z"',
    '"2026-11-21T09:00:00+25:00"', '"2026-11-21T09:00:00+24:00"', '"2026-11-21T09:00:00+0100"',
    '"2026-11-21T09:00:00+01:60"', '"2026-11-21T09:00:00+01:00:30"', '"2026-11-21T09:00:00.1234567890123456789Z"',
    '"2026-11-21T09:00:00,5Z"', '" 2026-11-21T09:00:00Z"', '"2026-11-21T09:00:00Z "', '"2026-11-21T09:00:00Z\\n"',
    '"２０２６-11-21T09:00:00Z"', '"2026-11-21T09:00:00−01:00"', '"2026-11-21T09:00:00ZZ"', '"secret-canary"',
    '"2027-11-21T09:00:00Z"', '"2199-12-31T00:00:00Z"', '"1970-01-01T00:00:00Z"', '"1900-01-01T00:00:00Z"',
)  # fmt: skip
"""The last four are times, but too late or too early."""
MEMBER = (
    "5", "true", "[]", "{}", *REQUIRED, '""', '"x"', '"card"', '"card:"', '":1001"', '"CARD:1001"', '"card 1:1"',
    '"card:   "', '"mem_"', '"mem_0000"', '"mem_91jcr8m4kdf0v8y5h3q2z7x9wb"', '"evt_01jcr8m4kdf0v8y5h3q2z7x9wb"',
    '"mem:01jcr8m4kdf0v8y5h3q2z7x9wb"', '"email:nobody"', '"email:a@b"', '"email:@b.nl"', '"phone:12"',
    '"phone:0612345678"', '"phone:+1"', '"card:a\\u0007"', '"card:a\\u200b"', '"card:a\\u202eb"',
    json.dumps("card:" + "x" * 321), json.dumps("card:" + "x" * 100_000), json.dumps("x" * 33 + ":1"),
    '{"identity": "card:1", "enrol": 1}', '{"identity": "card:1", "enrol": "true"}', '{"enrol": true}',
    '{"identity": 5}', '{"identity": "secret-canary"}', '{"identity": "card:1", "name": "x"}',
    '{"identity": "mem_01jcr8m4kdf0v8y5h3q2z7x9wb", "enrol": true}', '[{"identity": "card:1"}]',
    json.dumps({"identity": f"email:{chr(0x390) * 60}@{chr(0x390) * 100}.nl", "enrol": True}),
)  # fmt: skip
"""The last one grows beyond what is kept when its case is folded."""
QUANTITY = (
    *NOT_TEXT, '""', '"-1"', '"1e3"', '"1,5"', '"1.0000001"', '"x"', '"²"', '"٥"', json.dumps("9" * 10), '" 1"',
)  # fmt: skip
ATTRIBUTES = (
    "5", '"x"', "[]", "null", '{"Bad": 1}', '{"a b": 1}', '{"": 1}', '{"__proto__": 1}', '{"a": 1.5}', '{"a": null}',
    '{"a": [1]}', '{"a": {"b": 1}}', '{"a": 1e999}', json.dumps({f"a{i}": 1 for i in range(65)}),
    json.dumps({"a": "x" * 1_025}), json.dumps({"a" * 65: 1}), '{"a": {"a": {"a": {"a": {}}}}}',
    json.dumps({"a": 2**53}), json.dumps({"a": -(2**53)}), json.dumps({"a": 2**64}), json.dumps({"a": 10**400}),
)  # fmt: skip
IDENTITIES = (
    "5", '"card:1"', "[]", "null", '{"": "x"}', '{"CARD": "1"}', '{"card 1": "1"}', '{"card": ""}', '{"card": "  "}',
    '{"card": 5}', '{"card": null}', '{"card": ["1"]}', '{"card": "a\\u0007b"}', '{"email": "x"}',
    '{"email": "a b@c.nl"}', '{"phone": "0612345678"}', '{"phone": "secret-canary"}', '{"mem": "x"}',
    '{"__proto__": "x"}', json.dumps({f"k{i}": "x" for i in range(17)}), json.dumps({"card": "x" * 321}),
    json.dumps({"k" * 33: "x"}), json.dumps({"email": chr(0x390) * 60 + "@" + chr(0x390) * 100 + ".nl"}),
)  # fmt: skip
BIRTHDAY = (
    "5", "true", "[]", '""', '"1990-02-30"', '"1990-2-3"', '"28-02-1990"', '"1990-02-28T00:00:00Z"', '"0000-01-01"',
    '"１９９０-02-28"', '"1990-02-28\\n"', '"19900-01-01"',
)  # fmt: skip
LINES = (
    "5", '"x"', "{}", "null", "[null]", "[5]", '["x"]', "[[]]", "[{}]", '[{"amount": "1.00"}, {"amount": null}]',
    '[{"id": "a", "amount": "5.00"}, {"id": "a", "amount": "7.50"}]',
    '[{"id": "2", "amount": "5.00"}, {"amount": "7.50"}]', '[{"amount": "12.49"}]', '[{"amount": "-12.50"}]',
    json.dumps([{"amount": "0.01"}] * 1_001), '[{"amount": "12.50", "amout": "1"}]',
    '[{"amount": "12.50", "price": 1}]', '[{"amount": "12.50", "categories": "x"}]',
    '[{"amount": "12.50", "categories": [""]}]', '[{"amount": "12.50", "categories": [5]}]',
    '[{"amount": "12.50", "sku": ""}]', json.dumps([{"amount": "12.50", "categories": ["x"] * 33}]),
    '[{"amount": "12.50", "sku": 4006381}]',
)  # fmt: skip
TYPE = (
    "5", "null", '""', '"Purchase"', '"PURCHASE"', '"refund"', '"expiry"', '"purchase "', "[]", "{}",
    '"secret-canary"',
)  # fmt: skip
URL = (
    *NOT_TEXT, *REQUIRED, '""', '"x"', '"shop.example"', '"//shop.example/x"', '"http://"', '"https://"',
    '"https://[::1"', '"https://shop.example:0/"', '"https://shop.example:port/"', '"https://a b.example/"',
    '"https://10.0.0.1/"', '"file:///etc/passwd"', '"https://x:y@shop.example/"', '"https://shop.example/\\u0000x"',
    json.dumps("https://shop.example/" + "x" * 2_048), '"https://💶.example/"', '"https://2130706433/"',
    '"https://shop.example/#x"',
)  # fmt: skip
TYPES = (
    "5", '"points.earned"', "{}", "[5]", "[null]", '["points.burned"]', '["points.earned", ""]',
    json.dumps(["points.earned"] * 65), json.dumps(["x" * 65]),
)  # fmt: skip
INCLUDE = (
    "5", '["secret-canary"]', '"balance"', "null", "{}", "[5]", '["points"]', '["Balance"]',
    '["balance", "tier", "balance"]', "[null]",
)  # fmt: skip

UNKNOWN: dict[str, str | None] = {
    "locaton": "location", "occured_at": "occurred_at", "curency": "currency", "identites": "identities",
    "membr": "member", "referal_code": "referral_code", "zzzzzzzzzz": None, "__proto__": None, "constructor": None,
    "$ref": None, "": None, "a/b~c": None, "\u0007bell": None, "x" * 300: None, "ｉｄ": None, "ID": None,
    "hasOwnProperty": None,
}  # fmt: skip
"""Names that no body has, each with the known name that the answer must suggest."""


def put(body: Body, pointer: str, token: str) -> bytes:
    """The body as JSON, with a raw token in one place."""
    changed = copy.deepcopy(body)
    *way, last = pointer.removeprefix("/").split("/")
    place: Any = changed
    for step in way:
        place = place[int(step)] if isinstance(place, list) else place[step]
    place[int(last) if isinstance(place, list) else last] = _MARK
    return json.dumps(changed).replace(json.dumps(_MARK), token).encode()


def wrong_values(body: Body, values: dict[str, tuple[str, ...]], *, prefix: str) -> Iterator[Bad]:
    """The body with each wrong value in each place, under an id of its own."""
    for pointer, tokens in values.items():
        for number, token in enumerate(tokens):
            own = f"{prefix}{pointer.replace('/', '-')}-{number}"
            mine = {**body, "id": own} if "id" in body else body
            secret = "secret-canary" if "secret-canary" in token else None
            content = put(mine, pointer, token)
            yield Bad(
                f"{prefix} {pointer} {token[:60]}", content, pointer, None, None if pointer == "/id" else own, secret
            )


def unknown_fields(body: Body, *, prefix: str) -> Iterator[Bad]:
    """The body with each unknown name, under an id of its own."""
    for number, (name, suggestion) in enumerate(UNKNOWN.items()):
        own = f"{prefix}-unknown-{number}"
        mine = {**({**body, "id": own} if "id" in body else body), name: "secret-canary"}
        pointer = "/" + name.replace("~", "~0").replace("/", "~1")[:128]
        content = json.dumps(mine).encode()
        yield Bad(f"{prefix} unknown {name[:20]!r}", content, pointer, suggestion, own, "secret-canary")


def missing_fields(body: Body, needed: tuple[str, ...], *, prefix: str) -> Iterator[Bad]:
    """The body without each field that it needs."""
    for name in needed:
        own = f"{prefix}-without-{name}"
        left = {key: value for key, value in body.items() if key != name}
        mine = {**left, "id": own} if name != "id" and "id" in body else left
        pointer = "" if name == "type" else f"/{name}"
        yield Bad(f"{prefix} without {name}", json.dumps(mine).encode(), pointer, None, None if name == "id" else own)


PURCHASE: Body = {
    "type": "purchase",
    "id": "good",
    "member": "card:1001",
    "occurred_at": "2026-11-21T09:41:00+01:00",
    "channel": "pos",
    "location": "utrecht-12",
    "terminal": "7",
    "operator": "o-31",
    "currency": "EUR",
    "total": "12.50",
    "lines": [
        {
            "id": "a",
            "sku": "1",
            "quantity": "2",
            "amount": "8.50",
            "tax": "0.70",
            "categories": ["c"],
            "attributes": {},
        },
        {"amount": "4.00", "discount": "0.10", "cost": "1.00"},
    ],
    "payments": [{"kind": "card", "amount": "7.50"}, {"kind": "points", "amount": "5.00", "hold": "h9"}],
    "vouchers": ["v1"],
    "attributes": {"a": 1},
    "history": False,
    "not_after": "2026-12-01T00:00:00Z",
}
ACTIVITY: Body = {
    "type": "activity",
    "id": "good",
    "member": "card:1001",
    "occurred_at": "2026-11-21T09:00:00Z",
    "activity": "survey",
}
REDEMPTION: Body = {
    "type": "redemption",
    "id": "good",
    "member": "card:1001",
    "occurred_at": "2026-11-21T09:00:00Z",
    "points": 1,
    "unit": "points",
}
PERSON: Body = {
    "id": "good",
    "identities": {"card": "7"},
    "occurred_at": "2026-11-21T09:00:00Z",
    "birthday": "1990-02-28",
    "attributes": {"a": "b"},
    "if_exists": "refuse",
}
ENROLMENT: Body = {**{name: value for name, value in PERSON.items() if name != "if_exists"}, "type": "enrolment"}
OPENING: Body = {
    "type": "opening",
    "id": "good",
    "member": {"identity": "card:8", "enrol": True},
    "occurred_at": "2026-11-01T00:00:00Z",
    "lots": [
        {"unit": "points", "points": 5, "earned_at": "2026-02-01T00:00:00Z", "expires_at": "2028-01-01T00:00:00Z"},
        {"unit": "points", "points": 5, "earned_at": "2026-02-01T00:00:00Z", "available_at": "2026-03-01T00:00:00Z"},
    ],
}
LOOKUP: Body = {"member": "card:1001", "include": ["balance"]}
ENDPOINT: Body = {"url": "https://shop.example/x", "description": "x", "types": ["points.earned"]}

ADJUSTMENT: Body = {
    "id": "good",
    "member": "card:1001",
    "points": 5,
    "unit": "points",
    "reason": "goodwill",
    "note": "private",
    "expires_at": "2027-11-21T09:00:00Z",
}

TIER_FLOOR: Body = {
    "id": "good",
    "tier": "gold",
    "until": "2027-11-21T09:00:00Z",
    "reason": "status_match",
    "note": "private",
}

_CODES = (*NOT_TEXT, '""', '"Survey"', '"a b"', '"x\\u0000"', '"é"', json.dumps("x" * 33))
_MOMENT = tuple(token for token in TIME[:-4] if token != "null")
_COMMON = {"/id": ID, "/occurred_at": TIME, "/type": TYPE, "/member": MEMBER}
_PERSON = {
    "/identities": IDENTITIES,
    "/birthday": BIRTHDAY,
    "/attributes": ATTRIBUTES,
    "/referral_code": (*NOT_TEXT, '""', '"x"', '"SZTYQKL5FX"', '"٥٥٥٥٥٥٥٥٥٥"', json.dumps("A" * 33)),
}
EVENTS: tuple[tuple[Body, dict[str, tuple[str, ...]], tuple[str, ...]], ...] = (
    (
        PURCHASE,
        {
            **_COMMON,
            "/currency": CURRENCY,
            "/total": (*MONEY, '"-12.50"'),
            "/lines": LINES,
            "/lines/0/amount": (*MONEY, "null"),
            "/lines/1/discount": MONEY,
            "/lines/0/quantity": (*QUANTITY, "null"),
            "/lines/0/id": ID[11:],
            "/lines/0/attributes": ATTRIBUTES,
            "/payments/0/amount": (*MONEY, "null", '"-7.50"'),
            "/payments/1/amount": ('"-5.00"', '"-1000000.00"'),
            "/payments/0/kind": _CODES,
            "/payments": (
                "5",
                "{}",
                "null",
                "[null]",
                '[{"kind": "card"}]',
                json.dumps([PURCHASE["payments"][0]] * 33),
            ),
            "/vouchers": ("5", '"v1"', "null", "[5]", "[null]", '[""]', json.dumps(["v"] * 33)),
            "/channel": NAME,
            "/attributes": ATTRIBUTES,
            "/history": FLAG,
            "/messages": (*FLAG, "true"),
            "/not_after": TIME[11:-6],
        },
        ("type", "id", "member", "occurred_at", "currency"),
    ),
    (ACTIVITY, {"/activity": _CODES, "/history": FLAG}, ("activity", "member")),
    (REDEMPTION, {"/points": POINTS, "/unit": _CODES, "/member": MEMBER}, ("points", "id")),
    (ENROLMENT, {"/occurred_at": TIME, **_PERSON}, ("type", "id", "occurred_at")),
    (
        OPENING,
        {
            "/occurred_at": TIME[:-2],
            "/member": MEMBER,
            "/history": (*FLAG, "false"),
            "/messages": FLAG,
            "/lots": (
                "5",
                '"x"',
                "{}",
                "null",
                "[null]",
                "[[]]",
                "[{}]",
                "[]",
                json.dumps(OPENING["lots"][:1] * 1_001),
            ),
            "/lots/0/unit": (*_CODES, "null"),
            "/lots/0/points": POINTS,
            "/lots/0/earned_at": (*TIME[:-2], '"2026-11-01T00:00:00.000001Z"'),
            "/lots/0/expires_at": (*_MOMENT, '"2026-02-01T00:00:00Z"'),
            "/lots/1/available_at": (*_MOMENT, '"2026-01-31T23:59:59Z"'),
            "/totals": ("5", "null", "[null]", "[{}]", '[{"unit": "spent"}]', '[{"unit": "spent", "points": 0}]'),
            "/referral_code": (*NOT_TEXT, '""', '" - "', '"é"', '"23456789AB"', json.dumps("A" * 33)),
            "/tiers": ("5", "null", "[null]", "[{}]", '[{"ladder": "status", "tier": "gold"}]'),
        },
        ("id", "member", "occurred_at"),
    ),
)


def bad_events() -> Iterator[Bad]:
    """Every event with one thing wrong."""
    for body, values, needed in EVENTS:
        prefix = str(body["type"])[:4]
        yield from wrong_values(body, values, prefix=prefix)
        yield from unknown_fields(body, prefix=prefix)
        yield from missing_fields(body, needed, prefix=prefix)


OTHERS: dict[str, tuple[Body, dict[str, tuple[str, ...]], tuple[str, ...]]] = {
    "/v1/members": (
        PERSON,
        {
            "/id": tuple(token for token in ID if token != "null"),
            "/occurred_at": tuple(token for token in TIME if token != "null"),
            "/if_exists": (*NOT_TEXT, "null", '""', '"Return"', '"secret-canary"'),
            "/channel": NAME,
            **_PERSON,
        },
        (),
    ),
    "/v1/members/lookup": (LOOKUP, {"/member": MEMBER, "/include": INCLUDE}, ("member",)),
    "/v1/webhook-endpoints": (
        ENDPOINT,
        {
            "/url": URL,
            "/types": TYPES,
            "/description": (*NOT_TEXT, "null", json.dumps("x" * 201)),
        },
        ("url",),
    ),
    "/v1/adjustments": (
        ADJUSTMENT,
        {
            "/id": ID,
            "/member": MEMBER,
            "/points": (*POINTS[:1], "0", *POINTS[3:], str(-(2**53))),
            "/unit": (*_CODES, "null"),
            "/reason": (*_CODES, "null"),
            "/note": (*(token for token in NOT_TEXT), '""', json.dumps("secret-canary" + "x" * 1_000)),
            "/expires_at": tuple(token for token in TIME[:-4] if token != "null"),
        },
        ("id", "member", "points", "unit", "reason"),
    ),
}
