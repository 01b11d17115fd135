"""API keys as text, and the secrets that are derived from the installation's one secret."""

from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from hmac import digest as hmac

from app.domain import typeid

SECRET_BYTES = 20
_CHECK_LETTERS = 6
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


@dataclass(frozen=True, slots=True)
class Secrets:
    """One key per purpose, so that none can stand in for another."""

    identities: bytes
    commands: bytes
    api_keys: bytes
    cursors: bytes
    endpoints: bytes


def derive(master: str) -> Secrets:
    """The installation's working secrets, from ZEGEL_SECRET."""

    def key(purpose: str) -> bytes:
        return hmac(master.encode(), b"zegel/" + purpose.encode(), "sha256")

    return Secrets(key("identities"), key("commands"), key("api-keys"), key("cursors"), key("endpoint-secrets"))


def key_text(*, environment: str, id: bytes, secret: bytes) -> str:
    """An API key as it is shown once: `zgl_<environment>_<key id>_<secret and checksum>` (api, Callers)."""
    name = typeid.encode("zgl", id).removeprefix("zgl_")
    body = f"zgl_{environment}_{name}_{_base32(secret)}"
    return body + _checksum(body)


def parse_key(text: str) -> tuple[bytes, bytes] | None:
    """The id and the secret's text of a key, or None where its form or checksum is wrong. Tells nothing of validity."""
    if len(text) > 128 or not text.isascii():
        return None
    body, check = text[:-_CHECK_LETTERS], text[-_CHECK_LETTERS:]
    parts = body.split("_")
    if len(parts) != 4 or parts[0] != "zgl" or not compare_digest(_checksum(body), check):
        return None
    id = typeid.decode("zgl", "zgl_" + parts[2])
    return None if id is None else (id, body.encode())


def key_digest(secret: bytes, *, key: bytes) -> bytes:
    """What is stored of a key; `secret` is what `parse_key` gives."""
    return hmac(key, secret, "sha256")


def owner(said: str | None, *, label: str, id: bytes) -> str:
    """Whose a key is: as was said, else its label, else the key stands for itself; one name is one person."""
    return said or label or typeid.encode(typeid.KEY, id)


def _base32(data: bytes) -> str:
    number, letters = int.from_bytes(data), len(data) * 8 // 5
    return "".join(_ALPHABET[number >> 5 * i & 31] for i in reversed(range(letters)))


def _checksum(text: str) -> str:
    return _base32(sha256(text.encode()).digest()[:5])[:_CHECK_LETTERS]
