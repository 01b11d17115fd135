"""`zegel backtest`, on the database that the service uses."""

import time
from datetime import timedelta

import pytest

from app.cli import backtest
from app.cli.errors import CliError
from app.main import system_clock
from app.program import reading
from app.settings import Settings
from tests.builders import LADDER, PLAIN, PROGRAM, Clock, open_service, publish, purchase


async def test_a_document_is_tried_on_what_happened(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock(system_clock() - timedelta(hours=2))
    await publish(settings, clock=clock)
    async with open_service(settings, clock=clock) as service:
        assert (await service.buy("10.00")).status_code == 201
    document = reading.read(PLAIN.replace("give: 1", "give: 3"))
    since = (clock.now - timedelta(hours=1)).isoformat()

    report = await backtest.run(settings, document, program=PROGRAM, since=since, until=None)

    points = report["units"]["points"]
    assert (points["before"]["issued"], points["after"]["issued"]) == (10, 30)
    backtest.tell(report)
    assert "would gain 20 points" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("program", "since", "until", "why"),
    [
        (PROGRAM, "2026-02-01T00:00:00Z", "2026-01-01T00:00:00Z", "begin before"),
        ("nobody", "2026-01-01T00:00:00Z", None, "no program"),
        (PROGRAM, "2026-01-01T00:00:00", None, "no offset"),
        (PROGRAM, "yesterday", None, "no time"),
    ],
)
async def test_what_cannot_be_tried_says_why(
    settings: Settings, program: str, since: str, until: str | None, why: str
) -> None:
    await publish(settings, clock=Clock())

    with pytest.raises(CliError, match=why):
        await backtest.run(settings, reading.read(PLAIN), program=program, since=since, until=until)


MEMBERS, EACH = 500, 40


@pytest.mark.slow
async def test_a_hundred_thousand_events_are_tried_in_a_minute(settings: Settings) -> None:
    """A fifth of them in a fifth of a minute of one processor, in memory that does not grow with them."""
    clock = Clock(system_clock() - timedelta(hours=2))
    await publish(settings, clock=clock, document=LADDER)
    async with open_service(settings, clock=clock) as service:
        for turn in range(EACH):
            for first in range(0, MEMBERS, 500):
                sales = [
                    purchase(f"{1 + (n + turn) % 60}.95", card=f"{n}", id=f"p{turn}-{n}", at=clock.now)
                    for n in range(first, min(MEMBERS, first + 500))
                ]
                assert (await service.send({"events": sales}, path="/v1/events/batch")).status_code == 207
            clock.forward(minutes=1)
    document = reading.read(LADDER.replace("give: 1", "give: 3"))
    since = (system_clock() - timedelta(hours=3)).isoformat()

    began = time.process_time()
    report = await backtest.run(settings, document, program=PROGRAM, since=since, until=None)
    took = time.process_time() - began

    print(f"{report['events']} events in {took:.1f} s, {report['events'] / took:.0f} a second")
    assert report["events"] == MEMBERS * (EACH + 1)
    assert took < 60 * report["events"] / 100_000
