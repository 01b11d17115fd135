"""What a demo is played on: the sample program, a key for each shop, and an endpoint for webhooks."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from app.cli import keys, program
from app.cli.demo.receiver import Inbox, secret_bytes
from app.cli.demo.shops import SHOPS, TIMEOUT
from app.cli.errors import CliError
from app.db.transactions import Engine
from app.domain.scopes import PROGRAM as PROGRAM_SCOPES
from app.domain.scopes import SHOP as SHOP_SCOPES
from app.domain.scopes import Scope
from app.main import ROOT
from app.settings import Settings

PROGRAM = "demo"
DOCUMENT = ROOT / "programs" / "koffiehuis.yaml"
DESCRIPTION = "zegel demo"
_KEY_DAYS = 30
_PAGE = 200


@dataclass(frozen=True, slots=True)
class Scene:
    """The program's id, a key for each shop, and one of the program's own."""

    program_id: bytes
    shop_keys: dict[str, str]
    program_key: str


async def prepare(engine: Engine, settings: Settings) -> Scene:
    """Publishes the sample program if it is not in force, and makes this run's keys, which end by themselves."""
    await program.publish_file(settings, DOCUMENT, code=PROGRAM)

    async def key(shop: str | None, scopes: tuple[Scope, ...]) -> str:
        return await keys.make_key(
            engine, settings, program=PROGRAM, shop=shop, scopes=scopes, label=DESCRIPTION, days=_KEY_DAYS
        )

    return Scene(
        await keys.program_id(engine, PROGRAM),
        {shop: await key(shop, SHOP_SCOPES) for shop in SHOPS},
        await key(None, PROGRAM_SCOPES),
    )


@asynccontextmanager
async def clients(scene: Scene, url: str) -> AsyncIterator[dict[str, httpx.AsyncClient]]:
    """A client for each shop, with its key."""
    async with AsyncExitStack() as stack:
        yield {
            shop: await stack.enter_async_context(httpx.AsyncClient(base_url=url, headers=_bearer(key)))
            for shop, key in scene.shop_keys.items()
        }


@asynccontextmanager
async def subscribed(scene: Scene, url: str, inbox: Inbox, *, run: str) -> AsyncIterator[None]:
    """An endpoint for every message of the program, at the inbox; those that an ended demo left behind are deleted."""
    async with httpx.AsyncClient(base_url=url, headers=_bearer(scene.program_key), timeout=TIMEOUT) as client:
        for endpoint in (await _answer(client, "GET", f"/v1/webhook-endpoints?limit={_PAGE}"))["endpoints"]:
            if endpoint["description"] == DESCRIPTION:
                await client.delete(f"/v1/webhook-endpoints/{endpoint['id']}")
        made = await _answer(
            client,
            "POST",
            "/v1/webhook-endpoints",
            json={"url": inbox.url, "description": DESCRIPTION},
            headers={"Idempotency-Key": run},
        )
        inbox.secret = secret_bytes(made["secret"])
        try:
            yield
        finally:
            await client.delete(f"/v1/webhook-endpoints/{made['id']}")


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def _answer(client: httpx.AsyncClient, method: str, path: str, **options: Any) -> dict[str, Any]:
    response = await client.request(method, path, **options)
    if not response.is_success:
        raise CliError(f"the service refuses {method} {path}: {response.text[:300]}")
    return dict(response.json())
