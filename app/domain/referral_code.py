"""Referral codes: unambiguous letters and a check character, so that a code read aloud or typed is caught (F1)."""

ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""Thirty-two signs: no 0, 1, I or O."""

LENGTH = 10
LONGEST_FOREIGN = 32

_PLACE = {sign: place for place, sign in enumerate(ALPHABET)}
_IGNORED = str.maketrans("", "", " -")


def make(entropy: bytes) -> str:
    """A code from at least six random bytes: nine signs (45 bits) and a check character."""
    number = int.from_bytes(entropy)
    signs = "".join(ALPHABET[number >> 5 * i & 31] for i in range(LENGTH - 1))
    return signs + _check(signs)


def normalized(code: str) -> str | None:
    """A code as typed, in upper case without blanks and dashes; None if it cannot be one."""
    code = code.upper().translate(_IGNORED)
    if len(code) != LENGTH or any(sign not in _PLACE for sign in code) or _check(code[:-1]) != code[-1]:
        return None
    return code


def foreign(code: str) -> str | None:
    """A code of another system as typed, in upper case without blanks and dashes; None if it cannot be one.

    What has the form of ours is never one, so that the check still catches those that are mistyped.
    """
    code = code.upper().translate(_IGNORED)
    if len(code) == LENGTH and all(sign in _PLACE for sign in code):
        return None
    return code if code.isascii() and code.isprintable() and 1 <= len(code) <= LONGEST_FOREIGN else None


def _check(signs: str) -> str:
    """A weighted sum modulo 31: catches each single wrong sign but one pair, and swapped neighbors."""
    return ALPHABET[sum(weight * _PLACE[sign] for weight, sign in enumerate(signs, start=1)) % 31]


def entropy(code: str) -> bytes:
    """Bytes from which `make` gives this very code: for replaying an enrolment."""
    number = sum(_PLACE[sign] << 5 * place for place, sign in enumerate(code[:-1]))
    return number.to_bytes(8)
