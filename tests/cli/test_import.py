"""`zegel import`: a file of past purchases comes to the sums a person works out, however often it is sent."""

import asyncio
import csv
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import uvicorn
from typer.testing import CliRunner

from app.cli import root
from app.cli.errors import CliError
from app.cli.importing.columns import Named
from app.cli.importing.rows import Mark
from app.domain.scopes import Scope
from app.settings import Settings
from tests.builders import EXPIRING, LADDER, Clock, Service, key_for, open_service, publish
from tests.cli.importing import Trouble, load, model, orders, through, write

TIERS = (
    ("bronze", Decimal(0), Decimal(1)),
    ("silver", Decimal(200), Decimal("1.25")),
    ("gold", Decimal(500), Decimal("1.5")),
)


@asynccontextmanager
async def serving(settings: Settings, clock: Clock, document: str) -> AsyncIterator[Service]:
    await publish(settings, clock=clock, document=document)
    async with open_service(settings, clock=clock) as service:
        yield service


async def totals(service: Service, customers: set[str]) -> tuple[dict[str, int], dict[str, int]]:
    """Balances summed by unit, and members by tier, as the API tells them."""
    sums: dict[str, int] = {}
    tiers: dict[str, int] = {}
    for customer in customers:
        body = {"member": f"customer:{customer}", "include": ["balance", "tier"]}
        answer = (await service.send(body, path="/v1/members/lookup")).json()
        for unit, account in answer["balance"]["units"].items():
            sums[unit] = sums.get(unit, 0) + account["balance"]
        for standing in answer["tier"]["tiers"]:
            tiers[standing["tier"]] = tiers.get(standing["tier"], 0) + 1
    return sums, tiers


async def events(owner: asyncpg.Connection) -> int:
    return int(await owner.fetchval("SELECT count(*) FROM event"))


def table(path: Path, *lines: str) -> Path:
    path.write_bytes("\n".join(lines).encode("utf-8", "surrogateescape"))
    return path


async def test_orders_come_to_exact_sums_and_a_second_import_writes_nothing(
    service: Service, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    sold = orders(700, members=240, seed=1)
    wanted = model(sold)
    file = write(tmp_path / "orders.csv", sold)

    first = (await load(service, file)).totals
    recorded = await events(owner)
    again = (await load(service, file)).totals

    assert (first.rows, first.created, first.replayed, first.refused) == (700, 700, 0, {})
    assert first.members == wanted.members
    assert first.amounts == {"EUR": int(wanted.amount * 100)}
    assert first.points == {"points": wanted.points}
    assert recorded == 700 + wanted.members
    assert (again.created, again.replayed) == (0, 700)
    assert (again.points, again.points_before) == ({}, first.points)
    assert (again.amounts, again.members) == (first.amounts, first.members)
    assert await events(owner) == recorded
    assert await totals(service, {o.customer for o in sold}) == ({"points": wanted.points}, {})
    assert [path.name for path in tmp_path.iterdir()] == ["orders.csv"]


async def test_tiers_are_climbed_order_by_order(settings: Settings, clock: Clock, tmp_path: Path) -> None:
    sold = orders(900, members=200, seed=2)
    wanted = model(sold, ladder=TIERS)

    async with serving(settings, clock, LADDER) as service:
        done = (await load(service, write(tmp_path / "orders.csv", sold), batch_size=70)).totals
        sums, tiers = await totals(service, {o.customer for o in sold})

    assert done.points == {"points": wanted.points, "spent": int(wanted.amount * 100)}
    assert sums == done.points
    assert tiers == wanted.tiers
    assert min(wanted.tiers.values()) > 5


async def test_points_that_would_have_expired_have(settings: Settings, clock: Clock, tmp_path: Path) -> None:
    sold = orders(120, members=30, seed=3)

    async with serving(settings, clock, EXPIRING) as service:
        done = (await load(service, write(tmp_path / "orders.csv", sold))).totals
        sums, _ = await totals(service, {o.customer for o in sold})

    assert done.points == {"points": model(sold).points}
    assert sums == {"points": 0}


async def test_a_file_that_begins_with_the_newest_is_taken_and_told(
    settings: Settings, clock: Clock, tmp_path: Path
) -> None:
    sold = sorted(orders(60, members=8, seed=9), key=lambda order: order.day, reverse=True)

    async with serving(settings, clock, EXPIRING) as service:
        done = (await load(service, write(tmp_path / "orders.csv", sold), batch_size=7)).totals
        sums, _ = await totals(service, {o.customer for o in sold})

    assert (done.created, done.points) == (60, {"points": model(sold).points})
    assert done.backwards > 30
    assert sums == {"points": 0}


async def test_history_is_silent_unless_messages_are_asked_for(
    service: Service, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    await load(service, table(tmp_path / "a.csv", "id,customer,date,amount", "1,a,2020-01-01,5"))
    silent = await owner.fetchval("SELECT count(*) FROM message")

    await load(service, table(tmp_path / "b.csv", "id,customer,date,amount", "1,b,2020-01-01,5"), messages=True)

    assert silent == 0
    assert await owner.fetchval("SELECT count(*) FROM message") == 2


async def test_rows_that_cannot_be_taken_are_told_and_the_rest_goes_on(service: Service, tmp_path: Path) -> None:
    file = table(
        tmp_path / "shop.csv",
        '\ufefforder_number;customer;order_date;total\r',
        '1;"Anna\r',
        'Bakker";2020-01-01;12,50\r',
        "\r",
        ";;;\r",
        "2;B;2020-01-02T10:00:00+01:00;1.234,5\r",
        "3;C;yesterday;1\r",
        "4;D;2020-01-01;-5,00\r",
        "5;E\r",
        '6;"F;2020-01-01;1,0\r',
        "7;G\0;2020-01-01;1,0\r",
        "8;\udcff;2020-01-01;1,0\r",
        "9;I;2020-01-01;0,001\r",
        "10;;2020-01-01;1\r",
        "11;K;2020-01-01;€ 0\r",
        "é;L;2020-01-01;1\r",
        "2;B;2020-01-02;1\r",
        f"12;{'x' * 300_000};2020-01-01;1\r",
        "13;M;2020-01-01;1",
    )  # fmt: skip

    done = (await load(service, file, decimal=Mark.COMMA)).totals

    assert (done.rows, done.created) == (15, 3)
    assert done.amounts == {"EUR": 123_550}
    with (tmp_path / "shop.csv.refused.csv").open(encoding="utf-8", errors="surrogateescape", newline="") as refused:
        header, *rows = csv.reader(refused, delimiter=";")
    assert header == ["line", "code", "detail", "order_number", "customer", "order_date", "total"]
    assert [(row[0], row[1]) for row in rows] == [
        ("2", "invalid"),
        ("7", "bad_date"),
        ("8", "invalid"),
        ("9", "wrong_fields"),
        ("10", "bad_quotes"),
        ("11", "nul_byte"),
        ("12", "undecodable"),
        ("13", "bad_amount"),
        ("14", "no_member"),
        ("16", "bad_id"),
        ("17", "event_id_reused"),
        ("18", "row_too_long"),
    ]
    assert rows[0][3:] == ["1", "Anna\r\nBakker", "2020-01-01", "12,50"]
    assert "goods brought back are a return" in rows[2][2]
    assert rows[6][3:] == ["8", "\udcff", "2020-01-01", "1,0"]


async def test_refused_rows_can_be_mended_and_imported(service: Service, tmp_path: Path) -> None:
    file = table(tmp_path / "o.csv", "order_id,customer_id,date,amount", "1,a,2020-01-01,5", "2,a,2020-13-01,6")
    await load(service, file)
    refused = tmp_path / "o.csv.refused.csv"
    refused.write_text(refused.read_text().replace("2020-13-01", "2020-12-01"))

    done = (await load(service, refused)).totals

    assert (done.rows, done.created, done.amounts) == (1, 1, {"EUR": 600})


async def test_rows_without_an_id_are_named_by_their_place(service: Service, tmp_path: Path) -> None:
    lines = ["email,day,spent", "a@example.com,2020-01-01,5", "a@example.com,2020-01-01,5"]
    options: dict[str, Any] = {
        "named": Named(member="email", date="day", amount="Spent"),
        "identity_kind": "email",
    }
    file = table(tmp_path / "till 9.csv", *lines)

    first = (await load(service, file, **options)).totals
    table(file, *lines, "a@example.com,2020-01-02,5")
    again = (await load(service, file, **options)).totals

    assert (first.created, first.members) == (2, 1)
    assert (again.created, again.replayed) == (1, 2)
    found = await service.client.get("/v1/events", params={"source": "till", "id": "till_9-3"})
    assert found.json()["events"][0]["occurred_at"] == "2020-01-01T23:00:00Z"


async def test_an_import_that_stopped_goes_on_where_it_was(service: Service, tmp_path: Path) -> None:
    sold = orders(100, members=20, seed=4)
    file = write(tmp_path / "orders.csv", [*sold[:5], *sold])
    file.write_text(file.read_text().replace(sold[2].day.isoformat(), "soon", 1))
    whole = model(sold)

    async with through(line := Trouble(service.app, ["well", "well", "lost", "down"], forever=True), service) as client:
        with pytest.raises(CliError, match="80 rows are in: run this again to go on"):
            await load(service, file, client=client, batch_size=40)
    async with through(line := Trouble(service.app), service) as client:
        done = await load(service, file, client=client, batch_size=40)

    assert line.sent == [25]
    assert done.earlier == 80
    assert (done.totals.rows, sum(done.totals.refused.values())) == (105, 1)
    assert done.totals.created + done.totals.replayed == 104
    assert await totals(service, {o.customer for o in sold}) == ({"points": whole.points}, {})
    assert len((tmp_path / "orders.csv.refused.csv").read_text().splitlines()) == 2
    assert not (tmp_path / "orders.csv.progress").exists()


async def test_the_progress_of_another_file_is_not_taken_for_this_ones(service: Service, tmp_path: Path) -> None:
    sold = orders(60, members=9, seed=5)
    file = write(tmp_path / "orders.csv", sold)
    async with through(Trouble(service.app, ["well", "down"], forever=True), service) as client:
        with pytest.raises(CliError):
            await load(service, file, client=client, batch_size=30)

    write(file, [*sold[:-1]])
    done = await load(service, file)

    assert (done.earlier, done.totals.replayed, done.totals.created) == (0, 30, 29)


async def test_what_is_lost_or_failed_on_the_way_is_sent_again(service: Service, tmp_path: Path) -> None:
    sold = orders(90, members=12, seed=6)
    line = Trouble(service.app, ["lost", "well", "busy", "failed", "failed", "well", "down", "down"])

    async with through(line, service) as client:
        done = (await load(service, write(tmp_path / "o.csv", sold), client=client, batch_size=30)).totals

    assert (done.created, done.replayed) == (60, 30)
    assert done.points["points"] + done.points_before["points"] == model(sold).points
    assert await totals(service, {o.customer for o in sold}) == ({"points": model(sold).points}, {})


async def test_a_service_that_stays_away_is_told_in_one_line(service: Service, tmp_path: Path) -> None:
    file = write(tmp_path / "o.csv", orders(3, members=2, seed=7))

    async with through(Trouble(service.app, ["busy"], forever=True), service) as client:
        with pytest.raises(CliError, match=r"^http://zegel.test gives no answer .* it answered 503; 0 rows are in"):
            await load(service, file, client=client)


async def test_a_key_without_the_scope_stops_at_once(settings: Settings, service: Service, tmp_path: Path) -> None:
    key = await key_for(settings, scopes=(Scope.EVENTS_WRITE, Scope.PROGRAM_READ))
    service.client.headers["Authorization"] = f"Bearer {key}"

    with pytest.raises(CliError, match=r"may not send history.*--also events:history"):
        await load(service, write(tmp_path / "o.csv", orders(3, members=2, seed=7)))


@pytest.mark.parametrize(
    ("head", "options", "told"),
    [
        ("a,b,c", {}, "which column is the member.*a, b, c"),
        ("order_id,customer,date,amount", {"named": Named(amount="sum")}, "no column sum"),
        ("order_id,customer,date,amount", {"currency": "USD"}, "does not take USD, only EUR"),
        ("order_id,customer,date,amount", {"time_zone": "Mars/Base"}, "no time zone Mars/Base"),
        ("order_id,customer,date,amount", {"encoding": "klingon"}, "no encoding klingon"),
        ("", {}, "the file is empty"),
        ("\ufeff".encode("utf-16").decode("latin-1"), {"encoding": "latin-1"}, "save it as CSV in UTF-8"),
    ],
)
async def test_what_cannot_be_understood_is_asked_for(
    service: Service, tmp_path: Path, head: str, options: dict[str, Any], told: str
) -> None:
    (tmp_path / "o.csv").write_bytes(head.encode(options.get("encoding", "utf-8") if "16" in told else "latin-1"))

    with pytest.raises(CliError, match=told):
        await load(service, tmp_path / "o.csv", **options)


async def test_details_become_the_line_of_the_sale(service: Service, tmp_path: Path) -> None:
    file = table(
        tmp_path / "o.tsv", "receipt\tcard\ttime\tspend\tart\tn\twhere", "r1\t12\t2020-01-01 09:30\t7.5\t88\t3\tX"
    )

    done = await load(
        service,
        file,
        named=Named(sku="art", quantity="n", location="where"),
        identity_kind="card",
        id_prefix="unused",
        time_zone="America/New_York",
    )

    assert done.totals.created == 1
    found = await service.client.get("/v1/events", params={"source": "till", "id": "r1"})
    assert found.json()["events"][0]["occurred_at"] == "2020-01-01T14:30:00Z"


async def test_the_command_prints_exact_figures_and_its_exit_code(
    service: Service, settings: Settings, tmp_path: Path
) -> None:
    file = table(
        tmp_path / "o.csv", "order_id,customer_id,date,amount", '1,a,2020-01-01,"1,234.50"', "2,b,2020-01-01,.10"
    )
    bad = table(tmp_path / "bad.csv", "order_id,customer_id,date,amount", "3,a,2020-01-01,none")
    key = service.client.headers["Authorization"].removeprefix("Bearer ")
    config = uvicorn.Config(service.app, port=0, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(root.app, ["import", *arguments, "--url", url, "--key", key])

    good, refused = await asyncio.to_thread(run, str(file)), await asyncio.to_thread(run, str(bad))
    server.should_exit = True
    await serving

    assert good.exit_code == 0, good.output
    assert "amounts     1,234.60 EUR" in good.stdout
    assert "created     2, earned 1,234 points" in good.stdout
    assert "members     2 begin" in good.stdout
    assert refused.exit_code == 3
    assert "refused     1 (1 bad_amount)" in refused.stdout
