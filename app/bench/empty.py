"""Routes that do nothing, in the same app behind the same middleware: what HTTP and validation cost by themselves."""

from fastapi import APIRouter
from starlette.responses import Response

from app.api.routing import StrictRoute
from app.api.schemas.events import AnyEventIn

router = APIRouter(route_class=StrictRoute)

_NOTHING = b'{"result":"nothing"}'


@router.post("/empty")
async def empty_post(body: AnyEventIn) -> Response:
    """Reads and validates an event, and does nothing."""
    return Response(_NOTHING, media_type="application/json")


@router.get("/empty")
async def empty_get() -> Response:
    """Does nothing."""
    return Response(_NOTHING, media_type="application/json")
