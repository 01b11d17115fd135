import re
import time

import pytest
import uuid_utils
from standardwebhooks import Webhook, WebhookVerificationError

from app.webhooks import signing

PUBLISHED_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PUBLISHED = {
    "id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "timestamp": 1614265330,
    "body": b'{"test": 2432232314}',
}
SECRET, OLDER = b"n" * 32, b"o" * 32


def published_secret() -> bytes:
    from base64 import b64decode

    return b64decode(PUBLISHED_SECRET.removeprefix("whsec_"))


def test_the_published_example_is_signed_byte_for_byte() -> None:
    signature = signing.sign([published_secret()], **PUBLISHED)  # type: ignore[arg-type]

    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_text_of_a_secret_is_what_the_specification_shows() -> None:
    assert signing.secret_text(published_secret()) == PUBLISHED_SECRET


@pytest.mark.parametrize("secret", [SECRET, OLDER])
def test_every_live_secret_verifies_a_delivery(secret: bytes) -> None:
    body = '{"name":"koffie ☕"}'.encode()

    sent = signing.headers(
        [SECRET, OLDER], id="msg_1", timestamp=int(time.time()), body=body, type="points.earned", attempt=1, version="1"
    )

    assert Webhook(signing.secret_text(secret)).verify(body, sent) == {"name": "koffie ☕"}


def test_signatures_come_newest_first_and_separated_by_a_space() -> None:
    both = signing.sign([SECRET, OLDER], id="msg_1", timestamp=1, body=b"{}")

    assert both.split(" ") == [signing.sign([one], id="msg_1", timestamp=1, body=b"{}") for one in (SECRET, OLDER)]


@pytest.mark.parametrize("changed", [{"body": b"{ }"}, {"id": "msg_2"}, {"timestamp": 2}])
def test_a_signature_covers_id_timestamp_and_body(changed: dict[str, object]) -> None:
    facts = {"id": "msg_1", "timestamp": 1, "body": b"{}"}

    assert signing.sign([SECRET], **facts) != signing.sign([SECRET], **{**facts, **changed})  # type: ignore[arg-type]


def test_another_secret_verifies_nothing() -> None:
    sent = signing.headers(
        [SECRET], id="msg_1", timestamp=int(time.time()), body=b"{}", type="test", attempt=1, version="1"
    )

    with pytest.raises(WebhookVerificationError):
        Webhook(signing.secret_text(OLDER)).verify(b"{}", sent)


def test_a_delivery_names_its_type_attempt_and_sender() -> None:
    sent = signing.headers(
        [SECRET], id="msg_1", timestamp=7, body=b"{}", type="tier.upgraded", attempt=3, version="1.2"
    )

    assert {name: value for name, value in sent.items() if name != "webhook-signature"} == {
        "webhook-id": "msg_1",
        "webhook-timestamp": "7",
        "content-type": "application/json",
        "user-agent": "Zegel/1.2",
        "zegel-event-type": "tier.upgraded",
        "zegel-attempt": "3",
    }


def test_all_attempts_of_a_message_are_one_trace_of_w3c_trace_context() -> None:
    """As its version 00 has it: neither the trace nor the span is all zeros, which receivers must ignore."""
    message, attempts = bytes(range(16)), [uuid_utils.uuid7().bytes for _ in range(50)]

    sent = [signing.trace(message, id) for id in attempts]

    assert all(re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", one) for one in sent)
    assert {one.split("-")[1] for one in sent} == {message.hex()}
    assert len({one.split("-")[2] for one in sent} - {"0" * 16}) == 50
