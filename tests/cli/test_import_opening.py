"""`zegel import --opening`: what members had in another system comes in from a file, once (semantics E7)."""

import asyncio
import csv
import random
from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import uvicorn
from typer.testing import CliRunner

from app.cli import root, verify
from app.cli.errors import CliError
from app.cli.importing.columns import Named
from app.cli.importing.rows import Mark
from app.cli.importing.running import Done
from app.settings import Settings
from tests.builders import LADDER, Clock, Service, open_service, publish
from tests.cli.importing import Trouble, load, through

DOCUMENT = LADDER.replace("points: {name: Points}", "points: {name: Points, expires: {after: P12M}}")
HEAD = "customer_id,unit,points,earned_at,available_at,expires_at,tier,tier_since"
AS_OF = "2026-11-01"


@pytest.fixture
async def shop(settings: Settings, clock: Clock) -> AsyncIterator[Service]:
    await publish(settings, clock=clock, document=DOCUMENT)
    async with open_service(settings, clock=clock) as service:
        yield service


def table(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


async def opened(service: Service, file: Path, **options: Any) -> Done:
    return await load(service, file, **({"as_of": AS_OF} | options))


async def member(service: Service, customer: str) -> dict[str, Any]:
    """Balance, tier and lots of a customer."""
    body = {"member": f"customer:{customer}", "include": ["balance", "tier"]}
    answer = (await service.send(body, path="/v1/members/lookup")).json()
    lots = (await service.client.get(f"/v1/members/{answer['id']}/lots")).json()["lots"]
    return {
        "points": {unit: account["balance"] for unit, account in answer["balance"]["units"].items()},
        "tier": [(tier["tier"], tier["since"]) for tier in answer["tier"]["tiers"]],
        "lots": [(one["remaining"], one["occurred_at"], one["expires_at"]) for one in lots],
    }


def refused(file: Path) -> list[list[str]]:
    with file.with_name(file.name + ".refused.csv").open(newline="") as found:
        return list(csv.reader(found))


async def test_a_row_is_a_lot_or_a_total_and_a_members_rows_are_one_opening(
    shop: Service, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    file = table(
        tmp_path / "members.csv",
        HEAD,
        'a,points,"1,200",2026-02-03,,2027-01-31,gold,2026-01-01',
        "a,points,30,2026-03-04T10:00:00+01:00,,never,gold,2026-01-01",
        "a,points,5,2026-10-30,2026-12-01,,,",
        "a,points,0,2026-10-30,,,,",
        "a,spent,250.50,,,,,",
        "b,points,7,2026-04-05,,2027-01-31T12:00:00Z,,",
    )

    first = (await opened(shop, file)).totals
    again = (await opened(shop, file)).totals

    assert (first.rows, first.created, first.members, dict(first.refused)) == (6, 2, 2, {})
    assert (again.created, again.replayed) == (0, 2)
    assert first.points == again.points_before == {"points": 1_242, "spent": 250_50}
    assert await member(shop, "a") == {
        "points": {"points": 1_235, "spent": 250_50},
        "tier": [("gold", "2025-12-31T23:00:00Z")],
        "lots": [
            (1_200, "2026-02-02T23:00:00Z", "2027-01-31T23:00:00Z"),
            (30, "2026-03-04T09:00:00Z", None),
            (5, "2026-10-29T23:00:00Z", "2027-12-01T23:00:00Z"),
        ],
    }
    assert (await member(shop, "b"))["lots"] == [(7, "2026-04-04T22:00:00Z", "2027-01-31T12:00:00Z")]
    assert await owner.fetchval("SELECT count(*) FROM event") == 4
    assert await owner.fetchval("SELECT count(*) FROM message") == 0
    assert [str(finding) for finding in await verify.run(shop.settings)] == []


async def test_a_member_of_whom_one_row_is_wrong_is_refused_whole_and_the_rest_goes_on(
    shop: Service, tmp_path: Path
) -> None:
    file = table(
        tmp_path / "members.csv",
        HEAD,
        "a,points,1,2026-02-03,,,,",
        "a,points,many,2026-02-03,,,,",
        "b,points,2,2026-02-03,,,,",
        "c,miles,3,2026-02-03,,,,",
        "c,points,3,2026-02-03,,,,",
        "d,points,4,yesterday,,,,",
        "e,points,5,2026-02-03,,,silver,",
        "f,,6,2026-02-03,,,,",
        "g,points,,2026-02-03,,,,",
        "h,points,0,2026-02-03,,,,",
        "i,points,7,,,2027-01-01,,",
        "j,points,-1,2026-02-03,,,,",
        "k,points,8,2026-12-01,,,,",
        "l,points,9,2026-02-03,,,,",
        "b,points,2,2026-02-03,,,,",
    )

    done = (await opened(shop, file)).totals

    assert (done.rows, done.created, done.points) == (15, 2, {"points": 11})
    header, *rows = refused(file)
    assert header == ["line", "code", "detail", *HEAD.split(",")]
    assert [(row[0], row[1]) for row in rows] == [
        ("2", "other_row_refused"),
        ("3", "bad_points"),
        ("5", "unknown_unit"),
        ("6", "unknown_unit"),
        ("7", "bad_date"),
        ("8", "no_tier_since"),
        ("9", "no_unit"),
        ("10", "no_points"),
        ("11", "no_points"),
        ("12", "no_earned_at"),
        ("13", "bad_points"),
        ("14", "invalid"),
        ("16", "already_opened"),
    ]
    assert "/lots/0/earned_at" in rows[11][2]
    mended = tmp_path / "mended.csv"
    with mended.open("w", newline="") as to:
        csv.writer(to).writerows([header, rows[0], [field.replace("many", "10") for field in rows[1]]])
    assert (await opened(shop, mended)).totals.points == {"points": 11}


async def test_a_row_that_cannot_be_read_takes_its_neighbors_along(shop: Service, tmp_path: Path) -> None:
    file = table(
        tmp_path / "members.csv",
        HEAD,
        "z,points,1,2026-02-03,,,,",
        "a,points,1,2026-02-03,,,,",
        "a,points,1",
        "b,points,1,2026-02-03,,,,",
        ",points,1,2026-02-03,,,,",
        "c,points,1,2026-02-03,,,,",
        "d,points,1,2026-02-03,,,,",
    )

    done = (await opened(shop, file)).totals

    assert done.created == 2
    assert [(row[0], row[1]) for row in refused(file)[1:]] == [
        ("3", "other_row_refused"),
        ("4", "wrong_fields"),
        ("5", "other_row_refused"),
        ("6", "no_member"),
        ("7", "other_row_refused"),
    ]


async def test_an_import_that_stopped_goes_on_between_members_and_doubles_nothing(
    shop: Service, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    draw = random.Random(7)
    lots = [(f"{n:03d}", draw.randrange(1, 500), date(2026, 1, 1) + timedelta(days=n)) for n in range(90)]
    lines = [f"{who},points,{points},{day},,,," for who, points, day in lots for _ in range(draw.randrange(1, 5))]
    wanted = sum(int(line.split(",")[2]) for line in lines)
    file = table(tmp_path / "members.csv", HEAD, *lines)

    async with through(Trouble(shop.app, ["well", "lost", "down"], forever=True), shop) as client:
        with pytest.raises(CliError, match="run this again to go on"):
            await opened(shop, file, client=client, batch_size=40)
    done = await opened(shop, file, batch_size=40)

    assert done.earlier >= 40
    assert (done.totals.rows, done.totals.created + done.totals.replayed) == (len(lines), 90)
    assert done.totals.replayed > 0
    assert done.totals.points["points"] + done.totals.points_before["points"] == wanted
    assert await owner.fetchval("SELECT sum(balance) FROM account") == wanted
    assert await owner.fetchval("SELECT count(*) FROM event WHERE kind = 'opening'") == 90


@pytest.mark.parametrize(
    ("head", "options", "told"),
    [
        ("customer_id,sum", {}, "neither a column points nor a column tier"),
        ("who,points", {}, "which column is the member"),
        (HEAD, {"as_of": "soon"}, "--as-of is no day"),
    ],
)
async def test_what_cannot_be_understood_is_asked_for(
    shop: Service, tmp_path: Path, head: str, options: dict[str, Any], told: str
) -> None:
    with pytest.raises(CliError, match=told):
        await opened(shop, table(tmp_path / "m.csv", head), **options)


async def test_dates_are_read_as_they_are_written(shop: Service, tmp_path: Path) -> None:
    file = table(
        tmp_path / "members.csv", "nr;card;unit;points;earned_at;expires_at", "x9;1;points;1.000;03-02-2026;31-01-2027"
    )

    done = await opened(
        shop,
        file,
        named=Named(id="nr", member="card"),
        date_format="%d-%m-%Y",
        decimal=Mark.COMMA,
        time_zone="America/New_York",
    )

    found = await shop.client.get("/v1/events", params={"source": "till", "id": "x9"})
    (entry,) = found.json()["events"][0]["entries"]
    assert done.totals.created == 1
    assert (entry["points"], entry["expires_at"]) == (1_000, "2027-02-01T05:00:00Z")
    assert found.json()["events"][0]["occurred_at"] == "2026-11-01T04:00:00Z"


async def test_a_member_keeps_their_referral_code(shop: Service, tmp_path: Path) -> None:
    file = table(
        tmp_path / "members.csv",
        "member,unit,points,earned_at,referral_code",
        "a,points,1,2026-02-03,ANNA1",
        "a,points,1,2026-02-04,ANNA1",
        "b,points,1,2026-02-03,ANNA1",
        "c,points,1,2026-02-03,C1",
        "c,points,1,2026-02-03,C2",
    )

    done = await opened(shop, file)

    assert done.totals.created == 1
    assert [row[1] for row in refused(file)[1:]] == ["identity_taken", "two_referral_codes", "two_referral_codes"]
    assert (await shop.enrol("9", referral_code="anna1"))["referral"] == "claimed"


async def test_the_command_prints_what_was_brought_over(shop: Service, settings: Settings, tmp_path: Path) -> None:
    file = table(tmp_path / "m.csv", f"{HEAD},expires", "a,points,10,2026-02-03,,,,,2028-01-01")
    key = shop.client.headers["Authorization"].removeprefix("Bearer ")
    server = uvicorn.Server(uvicorn.Config(shop.app, port=0, log_level="error", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(root.app, ["import", str(file), *arguments, "--url", url, "--key", key])

    good = await asyncio.to_thread(run, "--opening", "--as-of", AS_OF)
    half = await asyncio.to_thread(run, "--opening")
    amount = await asyncio.to_thread(run, "--opening", "--as-of", AS_OF, "--amount-column", "points")
    server.should_exit = True
    await serving

    assert good.exit_code == 0, good.output
    assert "created     1, brought 10 points" in good.stdout
    assert "not read: expires;" in good.stderr
    assert (half.exit_code, amount.exit_code) == (1, 1)
