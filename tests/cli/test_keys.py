"""`zegel keys` as a person reads it."""

from datetime import timedelta

from rich.console import Console

from app.cli.keys import shown
from app.domain import typeid
from app.domain.scopes import SHOP
from app.operations.keys import KeyRow
from tests.builders import START


def test_a_narrow_screen_shows_the_whole_id_of_a_key_which_is_needed_to_end_it() -> None:
    id = bytes(range(16))
    row = KeyRow(id, "a-shop-with-a-long-name", "a label that is long", tuple(SHOP), START, None, None, "somebody")
    screen = Console(width=80)

    with screen.capture() as said:
        screen.print(shown([row], now=START + timedelta(days=1)))

    assert typeid.encode(typeid.KEY, id) in said.get()
