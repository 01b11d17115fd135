"""What is wrong with a query or a body is said in our words, never in those of a library (api C5)."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from app.api.handlers import field_errors
from app.api.schemas.common import In
from tests.api import write_openapi
from tests.builders import START, Service, at

TEXTS = ("", "x", "-1", "1.5", "1e3", "true", "9" * 9, "9" * 30, "x" * 2_000, "é", "2026-13-01", "\x00", " ")
VALUES: tuple[Any, ...] = (
    *TEXTS, None, True, 0, -1, 2**70, float("nan"), 1.5, [], ["", 1], {}, {"": ""}, {"x": {"y": []}}, {"type": "x"},
    {"x" * 300: 1}, ["x"] * 2_000, {f"a{number}": 1 for number in range(200)},
)  # fmt: skip


def models() -> Iterator[type[BaseModel]]:
    """Every body, and every part of one."""
    found = [In]
    for model in found:  # grows while it is read: a tree of classes
        found.extend(model.__subclasses__())
        yield model


def words(model: type[BaseModel], value: Any) -> list[str]:
    """What is said of a wrong body."""
    try:
        model.model_validate(value)
    except ValidationError as error:
        return [one.message for one in field_errors(error.errors(include_url=False))]
    return []


def ours(message: str) -> bool:
    """Ours go on from the name of the place, and so begin small; the library's begin a sentence."""
    return message[:1].islower() and "nput should" not in message and not message.startswith("value is not")


def test_every_mistake_in_a_body_is_said_in_our_words() -> None:
    said = {
        (message, model.__name__, name)
        for model in models()
        for name, field in model.model_fields.items()
        for value in VALUES
        for message in words(model, {field.alias or name: value})
    }
    said |= {(message, model.__name__, "") for model in models() for value in VALUES for message in words(model, value)}

    assert len(said) > 200
    assert sorted(one for one in said if not ours(one[0])) == []


QUERIES = [
    (path, parameter["name"])
    for path, operations in json.loads(write_openapi.FILE.read_text(encoding="utf-8"))["paths"].items()
    for parameter in operations.get("get", {}).get("parameters", ())
    if parameter["in"] == "query"
]


async def test_every_mistake_in_a_query_is_said_in_our_words(service: Service) -> None:
    member = (await service.enrol())["id"]
    said = set()
    for path, name in QUERIES:
        for text in TEXTS:
            place = path.replace("{member_id}", member).replace("{version}", "1")
            answer = await service.client.get(place, params={name: text})
            said |= {(one["message"], path, name) for one in _errors(answer)}

    assert len(QUERIES) > 30
    assert len(said) > 30
    assert sorted(one for one in said if not ours(one[0])) == []


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("/v1/referrals?state=x", "must be 'claimed', 'qualified', 'rewarded', 'review', 'lapsed' or 'rejected'"),
        ("/v1/referrals?limit=x", "must be a whole number in plain digits"),
        ("/v1/referrals?limit=0", "must be 1 at least"),
        ("/v1/referrals?limit=201", "must be 200 at most"),
        ("/v1/program/rules/x", "must be a whole number in plain digits"),
    ],
)
async def test_what_may_be_said_is_named(service: Service, query: str, message: str) -> None:
    answer = await service.client.get(query)

    assert [one["message"] for one in _errors(answer)] == [message]


async def test_values_of_json_are_called_as_json_calls_them(service: Service) -> None:
    body = {"type": "return", "id": "r1", "member": "card:1", "occurred_at": at(START), "purchase": "p", "all": False}

    answer = await service.send(body)

    assert [(one["pointer"], one["message"]) for one in _errors(answer)] == [("/all", "must be true")]


def _errors(answer: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = answer.json().get("errors", []) if answer.status_code >= 400 else []
    return found
