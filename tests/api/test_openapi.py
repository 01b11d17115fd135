"""The OpenAPI document is as true as the code: reviewed when it changes, and its examples run."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from app.api.problems import KINDS
from app.domain import messages, refusals
from app.domain.scopes import Scope
from tests.api import write_openapi
from tests.builders import BY_HAND, PLAIN, START, Service, publish, purchase

REFUSALS = refusals.Refusal.__subclasses__()
ADMIT = "/v1/refused/{refused_id}/admit"
METHODS = ("get", "put", "post", "delete", "patch")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The app's document."""
    return dict(json.loads(write_openapi.text()))


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and operation, each."""
    for path, named in document["paths"].items():
        for method, operation in named.items():
            assert method in METHODS
            yield method, path, operation


def schemas_in(value: Any) -> Iterator[dict[str, Any]]:
    """Every object of a document, at any depth."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from schemas_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from schemas_in(inner)


def problems_of(operation: dict[str, Any]) -> set[str]:
    """The codes that an operation names."""
    answers = operation["responses"].values()
    return {code for answer in answers for code in re.findall(r"`([a-z_]+)`", answer["description"])}


def test_the_committed_document_is_the_apps() -> None:
    committed = write_openapi.FILE.read_text(encoding="utf-8") if write_openapi.FILE.exists() else ""

    assert committed == write_openapi.text(), (
        "the API has changed: review it, then renew the file with `python -m tests.api.write_openapi`"
    )


def test_operation_ids_are_unique_and_a_verb_with_a_noun(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(document)]

    assert len(ids) == len(set(ids))
    for id in ids:
        assert re.fullmatch(r"[a-z]+(_[a-z]+){1,3}", id), id


def test_every_operation_says_what_it_is_for(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        assert 5 <= len(operation["summary"]) <= 60, path
        assert len(operation["description"]) >= 20, (method, path)
        assert operation["tags"], path


def test_every_private_operation_names_the_key_and_how_it_may_fail(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        if not path.startswith("/v1/"):
            assert "security" not in operation
            continue
        assert operation["security"] == [{"key": []}]
        assert {"401", "403", "500", "503"} <= set(operation["responses"]), (method, path)
        if method in ("post", "put", "patch"):  # also where no body is asked for: one that is sent is judged
            assert {"400", "413", "415", "422"} <= set(operation["responses"]), (method, path)
    described = document["components"]["securitySchemes"]["key"]["description"]
    assert all(f"`{scope.value}`" in described for scope in Scope)


def test_every_answer_names_codes_that_exist_under_their_own_status(document: dict[str, Any]) -> None:
    for _, path, operation in operations(document):
        for status, answer in operation["responses"].items():
            if "application/problem+json" not in answer.get("content", {}):
                continue
            codes = re.findall(r"`([a-z_]+)`", answer["description"])
            assert codes, (path, status)
            for code in codes:
                assert str(KINDS[code].status) == status, (path, code)


def test_every_code_is_named_by_some_operation(document: dict[str, Any]) -> None:
    of_any_request = {"method_not_allowed", "not_found"}
    named = {code for _, _, operation in operations(document) for code in problems_of(operation)}

    assert set(KINDS) - of_any_request - named == set()
    assert set(document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"]) == set(KINDS)


def test_letting_an_event_in_names_whatever_judging_an_event_may_refuse(document: dict[str, Any]) -> None:
    """Api C12: admitting lifts the limits on time alone, and is of nobody who joins or names a friend."""
    lifted = {"too_late", "too_early"}
    of_persons = {kind.code for kind in REFUSALS if kind.__module__ == refusals.UnknownMember.__module__}
    at = {path: problems_of(document["paths"][path]["post"]) for path in ("/v1/events", ADMIT)}

    expected = {kind.code for kind in REFUSALS} & at["/v1/events"] - lifted - (of_persons - {"unknown_member"})

    assert len(expected) > 30
    assert expected - at[ADMIT] == set()


def test_every_reference_leads_somewhere_and_nothing_lies_about_unused(document: dict[str, Any]) -> None:
    known = set(document["components"]["schemas"])
    asked = {found["$ref"] for found in schemas_in(document) if isinstance(found.get("$ref"), str)}
    mapped = {
        target
        for found in schemas_in(document)
        for target in (found.get("discriminator") or {}).get("mapping", {}).values()
    }

    assert {name.removeprefix("#/components/schemas/") for name in asked | mapped} == known


def test_no_floats_are_spoken_of(document: dict[str, Any]) -> None:
    assert not [found for found in schemas_in(document) if found.get("type") == "number"]


def test_bodies_are_closed_and_their_texts_have_an_end(document: dict[str, Any]) -> None:
    taken = {name: schema for name, schema in document["components"]["schemas"].items() if name.endswith("In")}

    assert len(taken) >= 8
    for name, schema in taken.items():
        if "properties" not in schema:
            continue
        assert schema["additionalProperties"] is False, name
        for field, said in schema["properties"].items():
            for inner in schemas_in(said):
                if inner.get("type") == "string" and "const" not in inner and "enum" not in inner:
                    limits = {"maxLength", "pattern", "format"}
                    assert limits & set(inner), (name, field)


def test_every_message_is_a_webhook(document: dict[str, Any]) -> None:
    assert set(document["webhooks"]) == set(messages.TYPES)


PATHS = {
    "MemberIn": "/v1/members",
    "LookupIn": "/v1/members/lookup",
    "EndpointIn": "/v1/webhook-endpoints",
    "PlaceHoldIn": "/v1/holds",
    "KeptPurchaseIn": "/v1/purchases/till/till7-000199",
    "CaptureHoldIn": "/v1/holds/till7-h10/capture",
    "ReleaseHoldIn": "/v1/holds/till7-h10/release",
    "AdjustmentIn": "/v1/adjustments",
    "ProfileIn": "/v1/members/{member}",
    "TierFloorIn": "/v1/members/{member}/tier-floor",
    "ReviewIn": "/v1/referrals/{held}/approve",
    "ReplayIn": "/v1/webhook-endpoints/{endpoint_id}/replays",
    "PublishIn": "/v1/program/rules/draft/publish",
    "BacktestIn": "/v1/program/rules/backtest",
    "EndpointChangeIn": "/v1/webhook-endpoints/{endpoint_id}",
    "RotateIn": "/v1/webhook-endpoints/{endpoint_id}/rotate-secret",
}
OTHER_METHODS = {"KeptPurchaseIn": "PUT", "TierFloorIn": "PUT", "ProfileIn": "PATCH", "EndpointChangeIn": "PATCH"}
"""Where a body goes; the others are events."""


FRIEND: dict[str, Any] = {
    "type": "opening",
    "id": "old-1",
    "member": {"identity": "email:anna@example.com", "enrol": True},
    "occurred_at": "2026-11-01T00:00:00+01:00",
    "lots": [{"unit": "points", "points": 1, "earned_at": "2026-10-01T00:00:00+01:00"}],
    "referral_code": "ANNA-2024",
}
"""A member whose code is known beforehand."""


async def test_every_example_body_runs(service: Service, document: dict[str, Any]) -> None:
    more = "transfers: {units: [points]}\nreferrals: {referrer: {unit: points, points: 100}}\n"
    await publish(service.settings, clock=service.clock, document=BY_HAND + more)
    await service.enrol("2740009999999")  # who receives points
    friend = await service.send(FRIEND)  # whose code is named
    assert friend.status_code == 201, friend.text
    held = await service.enrol(
        "held", referral_code=FRIEND["referral_code"], identities={"email": "anna+2@example.com"}
    )
    draft = {"Content-Type": "application/yaml", "If-None-Match": "*"}
    await service.client.put("/v1/program/rules/draft", content=PLAIN, headers=draft)
    schemas = document["components"]["schemas"]
    examples = {name: schema["examples"] for name, schema in schemas.items() if "examples" in schema}
    first = ["EnrolmentIn", "PurchaseIn", "RedemptionIn", "HoldIn", "PlaceHoldIn", "EndpointIn"]
    assert set(examples) >= {*PATHS, *first, "ActivityIn", "ReturnIn", "CancellationIn", "TransferIn"}
    before, member = purchase("1000.00", id="before", card="", at=START), ""
    known: dict[str, str] = {"held": held["id"].replace("mem_", "rfl_")}

    for name in [*first, *sorted(set(examples) - set(first))]:
        for body in examples[name]:
            method = OTHER_METHODS.get(name, "POST")
            path = PATHS.get(name, "/v1/events").format(**known, member=member)
            guard = {} if name == "ProfileIn" else {"If-Match": '"1"'}
            answer = await service.client.request(method, path, json=body, headers={"Idempotency-Key": name, **guard})
            assert answer.status_code in (200, 201), (name, answer.text)
            known |= {"endpoint_id": answer.json()["id"]} if name == "EndpointIn" else {}
            if name == "EnrolmentIn":  # the others speak of this member, who needs points to spend
                member = answer.json()["member"]
                earned = await service.send({**before, "member": member})
                assert earned.status_code == 201


def test_every_example_of_a_field_is_taken_by_it(document: dict[str, Any]) -> None:
    for name, schema in document["components"]["schemas"].items():
        for field, said in schema.get("properties", {}).items():
            for inner in [said, *said.get("anyOf", [])]:
                for example in said.get("examples", []):
                    if "pattern" in inner and isinstance(example, str):
                        assert re.search(inner["pattern"], example), (name, field)
