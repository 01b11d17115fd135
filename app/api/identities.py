"""How members are named from outside: by our id, or `kind:value` of an identity, normalized (semantics M1)."""

import re

import phonenumbers

from app.api.problems import invalid
from app.domain import identities, typeid
from app.domain.commands import Identity, Reference

_KIND = re.compile(r"[a-z][a-z0-9_]{0,31}\Z", re.ASCII)
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+(?:\.[^@\s.]+)+\Z")
_RESERVED = {identities.REFERRAL_CODE, typeid.MEMBER}

LONGEST = 320
_LENGTH = f"an identity has 1 to {LONGEST} printable characters"

NAMED = "a member id, or an identity such as card:2740001234567"


def reference(text: str, *, at: str, key: bytes, enrol: bool = False) -> Reference:
    """Who a text names. Raises Problem with what is wrong `at` its place in the body."""
    if text.startswith("mem_"):
        member_id = typeid.decode(typeid.MEMBER, text)
        if member_id is None:
            raise invalid(at, "is not a member id")
        return Reference(member_id=member_id)
    kind, colon, value = text.partition(":")
    if not colon:
        raise invalid(at, f"must be {NAMED}")
    return Reference(identity=identity(kind, value, at=at, key=key), enrol=enrol)


def identity(kind: str, value: str, *, at: str, key: bytes) -> Identity:
    """An identity with its value normalized: e-mail in lower case, phone as E.164. Raises Problem at its place."""
    try:
        return identities.identity(kind, _normal(kind, value), key=key)
    except ValueError as error:
        raise invalid(at, str(error)) from None


def _normal(kind: str, value: str) -> str:
    if not _KIND.match(kind) or kind in _RESERVED:
        raise ValueError("the kind of an identity is a short lower-case word such as card, email, phone or customer")
    value = value.strip()
    if not 1 <= len(value) <= LONGEST or not value.isprintable():
        raise ValueError(_LENGTH)
    normalized = _normalized(kind, value)
    if len(normalized) > LONGEST:
        raise ValueError(_LENGTH)
    return normalized


def _normalized(kind: str, value: str) -> str:
    if kind == "email":
        if not _EMAIL.match(value) or len(value) > 254:
            raise ValueError("is not an e-mail address")
        return value.casefold()
    if kind == "phone":
        try:
            number = phonenumbers.parse(value, None)
        except phonenumbers.NumberParseException:
            raise ValueError("is not a phone number with its country, such as +31201234567") from None
        if not phonenumbers.is_possible_number(number):
            raise ValueError("is not a possible phone number")
        return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
    return value
