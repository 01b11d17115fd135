"""Ids as callers see them: a prefix and a UUID in Crockford base 32, sortable by time (api C1; the TypeID format)."""

from functools import lru_cache

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = tuple(a + b for a in _ALPHABET for b in _ALPHABET)
_SHIFTS = tuple(range(120, -1, -10))
_VALUES = {letter: value for value, letter in enumerate(_ALPHABET)}
_LENGTH = 26

MEMBER, EVENT, SHOP, ENDPOINT, MESSAGE, KEY, PROGRAM, ATTEMPT = "mem", "evt", "shp", "whe", "msg", "key", "prg", "att"
REFUSED = "ref"
ADJUSTMENT = "adj"
REFERRAL = "rfl"
REPLAY = "rpl"


@lru_cache(maxsize=50_000)
def encode(prefix: str, id: bytes) -> str:
    """The text form of 16 bytes: `mem_01jcr…`."""
    number = int.from_bytes(id)
    return prefix + "_" + "".join([_PAIRS[number >> shift & 1023] for shift in _SHIFTS])


def decode(prefix: str, text: str) -> bytes | None:
    """The 16 bytes of an id with this prefix, or None if the text is not one."""
    head, _, tail = text.partition("_")
    if head != prefix or len(tail) != _LENGTH or tail[0] > "7":
        return None
    number = 0
    for letter in tail:
        value = _VALUES.get(letter)
        if value is None:
            return None
        number = number << 5 | value
    return number.to_bytes(16)
