"""`zegel program`: what is published from a file fits the program it is for."""

from pathlib import Path

import pytest

from app.cli import program
from app.cli.errors import CliError
from app.settings import Settings
from tests.builders import PLAIN, PROGRAM, Clock, open_service, publish


async def test_a_file_that_names_a_shop_there_is_not_is_not_published(
    settings: Settings, clock: Clock, tmp_path: Path
) -> None:
    """As in the draft: with what a unit may not become, and each with its line."""
    await publish(settings, clock=clock)
    async with open_service(settings, clock=clock):
        file = tmp_path / "next.yaml"
        text = PLAIN.replace("{name: Points}", "{name: Points, decimals: 2}")
        file.write_text(text + "  - {id: more, on: purchase, unit: points, fixed: 1, shops: [tilll]}\n")

        with pytest.raises(CliError) as caught:
            await program.publish_file(settings, file, code=PROGRAM)

        told = str(caught.value)
        assert 'line 10: /rules/1/shops/0: there is no such shop; did you mean "till"?' in told
        assert "line 7: /units/points/decimals" in told


async def test_the_first_version_may_name_shops_to_come(settings: Settings, clock: Clock, tmp_path: Path) -> None:
    file = tmp_path / "first.yaml"
    file.write_text(PLAIN + "  - {id: more, on: purchase, unit: points, fixed: 1, shops: [to-come]}\n")

    published = await program.publish_file(settings, file, code="new")

    assert (published.version, published.new) == (1, True)


async def test_a_version_is_shown_as_it_was_written(settings: Settings, tmp_path: Path) -> None:
    texts = [PLAIN.encode(), b"# \xc3\xa9\xc3\xa9n\r\n" + PLAIN.replace("give: 1", "give: 2.00").encode()]
    file = tmp_path / "next.yaml"
    for text in texts:
        file.write_bytes(text)
        await program.publish_file(settings, file, code=PROGRAM)

    current = await program.text_of(settings, code=PROGRAM)
    first = await program.text_of(settings, code=PROGRAM, version=1)

    assert (current, first) == (texts[1], texts[0])
    with pytest.raises(CliError, match="no such version"):
        await program.text_of(settings, code=PROGRAM, version=9)
