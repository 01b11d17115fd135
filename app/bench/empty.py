"""Routes that do nothing, in the same app behind the same middleware: what HTTP and validation cost by themselves."""

from starlette.responses import Response

from app.api.schemas.events import AnyEventIn

_NOTHING = b'{"result":"nothing"}'


async def empty_post(body: AnyEventIn) -> Response:
    """Reads and validates an event, and does nothing."""
    return Response(_NOTHING, media_type="application/json")


async def empty_get() -> Response:
    """Does nothing."""
    return Response(_NOTHING, media_type="application/json")
