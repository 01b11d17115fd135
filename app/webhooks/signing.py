"""What a delivery says about itself: the headers and signatures of Standard Webhooks 1.0 (webhooks W4)."""

from base64 import b64encode
from collections.abc import Sequence
from hmac import digest as hmac


def sign(secrets: Sequence[bytes], *, id: str, timestamp: int, body: bytes) -> str:
    """A signature per secret, in their order (newest first), over the exact bytes that are sent."""
    content = f"{id}.{timestamp}.".encode() + body
    return " ".join(["v1," + b64encode(hmac(secret, content, "sha256")).decode() for secret in secrets])


def secret_text(secret: bytes) -> str:
    """A secret as the shop gets to see it: `whsec_…`."""
    return "whsec_" + b64encode(secret).decode()


def headers(
    secrets: Sequence[bytes], *, id: str, timestamp: int, body: bytes, type: str, attempt: int, version: str
) -> dict[str, str]:
    """Everything sent along with a body. `timestamp` is in unix seconds; `attempt` counts from 1."""
    return {
        "webhook-id": id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(secrets, id=id, timestamp=timestamp, body=body),
        "content-type": "application/json",
        "user-agent": f"Zegel/{version}",
        "zegel-event-type": type,
        "zegel-attempt": str(attempt),
    }


def trace(message_id: bytes, attempt_id: bytes) -> str:
    """The `traceparent` of an attempt: all attempts of a message are one trace (W3C Trace Context)."""
    return f"00-{message_id.hex()}-{attempt_id[-8:].hex()}-01"
