"""A version as it was written: the text that was published, byte for byte, beside the document that judges (api C9)."""

import json

import asyncpg
import pytest

from app.cli import verify
from app.program import reading
from app.settings import Settings
from tests.api.test_rules import DOUBLE, DRAFT, TRIPLE, publish, published, save
from tests.builders import PLAIN, Service

YAML = {"Accept": "application/yaml"}


async def test_a_version_keeps_the_text_that_was_published(service: Service) -> None:
    text = "# our scheme, \u00e9\u00e9n\r\n" + DOUBLE.replace("give: 2", "give: 2.00") + "# the end"
    version = await published(service, text)

    answer = await service.client.get(f"/v1/program/rules/{version}", headers=YAML)
    current = await service.client.get("/v1/program/rules", headers=YAML)
    plain = await service.client.get(f"/v1/program/rules/{version}")

    assert answer.content == current.content == text.encode()
    assert answer.headers["Content-Type"].startswith("application/yaml")
    assert answer.headers["Content-Location"] == current.headers["Content-Location"] == "/v1/program/rules/2"
    assert plain.json()["document"]["rules"][0]["rate"]["give"] == "2"
    assert {one.headers["Vary"] for one in (answer, current, plain)} == {"Accept"}


async def test_a_version_that_was_sent_as_json_is_answered_as_it_was_sent(service: Service) -> None:
    document = (await service.client.get("/v1/program/rules/1")).json()["document"] | {"name": "Other"}
    text = json.dumps(document, indent=3)
    await published(service, text)

    assert (await service.client.get("/v1/program/rules/2", headers=YAML)).content == text.encode()


async def test_a_published_text_stays_whatever_becomes_of_the_draft(service: Service) -> None:
    text = "# as published\n" + DOUBLE
    await published(service, text)

    await save(service, TRIPLE, etag='"1"')
    same = await save(service, "# the same, said otherwise\n" + DOUBLE, etag='"2"')
    again = await publish(service, same.headers["ETag"])

    assert (again.status_code, again.json()["version"]) == (200, 2)
    assert (await service.client.get("/v1/program/rules/2", headers=YAML)).content == text.encode()


async def test_a_version_from_before_texts_were_kept_is_written_out(
    service: Service, owner: asyncpg.Connection
) -> None:
    await owner.execute("UPDATE rules SET text = NULL")

    answer = await service.client.get("/v1/program/rules/1", headers=YAML)

    stored = await owner.fetchval("SELECT document FROM rules")
    assert answer.status_code == 200
    assert "  - id: base\n    on: purchase\n" in answer.text
    assert reading.canonical(reading.read_new(answer.content)) == stored


async def test_a_draft_begins_with_the_text_of_a_version(service: Service) -> None:
    text = "# our scheme\n" + DOUBLE
    await published(service, text)
    await save(service, TRIPLE, etag='"1"')

    version = await service.client.get("/v1/program/rules/2", headers=YAML)
    saved = await save(service, version.text, etag='"2"')

    assert saved.status_code == 200
    assert (await service.client.get(DRAFT)).json()["text"] == text


async def test_a_version_that_there_is_not_has_no_text(service: Service) -> None:
    answer = await service.client.get("/v1/program/rules/9", headers=YAML)

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_what_does_nothing_beside_a_tag_is_told_and_an_older_version_with_it_still_judges(
    service: Service, owner: asyncpg.Connection
) -> None:
    """What older versions of the service let through is read as ever."""
    idle = PLAIN + "  - {id: vip, on: purchase, tag: {name: vip}, caps: [{points: 5}]}\n"
    document = reading.canonical(reading.read(idle))
    await owner.execute("UPDATE rules SET document = $1, digest = $2", document, reading.digest(document))
    await save(service, idle)

    answer = await publish(service, '"1"')

    error = {"pointer": "/rules/1/caps/0/points", "line": 10, "message": "a tag is no points: limit its times"}
    assert answer.json()["errors"] == [error | {"suggestion": "times"}]
    assert (await service.buy("10.00")).status_code == 201
    assert (await service.client.get("/v1/program/rules")).status_code == 200


@pytest.mark.parametrize("text", [TRIPLE, "no: rules", "{"])
async def test_a_text_that_is_not_what_was_published_is_found(
    service: Service, settings: Settings, owner: asyncpg.Connection, text: str
) -> None:
    """It is not digested: what proves it is the document, which is."""
    await published(service, "# ours\n" + DOUBLE)
    assert await verify.run(settings) == []

    await owner.execute("UPDATE rules SET text = $1 WHERE version = 2", text.encode())

    assert [str(one) for one in await verify.run(settings)] == [
        "rules version 2: its text does not say what was published"
    ]
