"""`zegel backtest`, on the database that the service uses."""

from datetime import timedelta

import pytest

from app.cli import backtest
from app.cli.errors import CliError
from app.main import system_clock
from app.program import reading
from app.settings import Settings
from tests.builders import PLAIN, PROGRAM, Clock, open_service, publish


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
    assert "would gain 20 points" in capsys.readouterr().err


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
