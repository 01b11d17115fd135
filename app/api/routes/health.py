"""For load balancers and scrapers: alive, ready, counted. None of these asks for a key."""

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import JSONResponse, Response

from app.api import backlog
from app.api.dependencies import PartsHere
from app.queries import health

router = APIRouter(tags=["operations"])


@router.get("/health/live", operation_id="get_liveness", summary="Is the process alive?")
async def get_liveness() -> dict[str, str]:
    """Always yes, without a look at the database."""
    return {"status": "alive"}


@router.get(
    "/health/ready",
    operation_id="get_readiness",
    summary="Can it take requests?",
    responses={503: {"description": "Not now; `reason` says why."}},
)
async def get_readiness(mine: PartsHere) -> JSONResponse:
    """Yes if the database answers, its schema is the one this code knows, and no shutdown is under way."""
    reason = "draining" if mine.draining else await health.unready(mine.engine, schema=mine.schema_version)
    if reason is not None:
        return JSONResponse({"status": "not ready", "reason": reason}, 503)
    return JSONResponse({"status": "ready"})


@router.get("/metrics", operation_id="get_metrics", summary="Prometheus metrics", response_class=Response)
async def get_metrics(mine: PartsHere) -> Response:
    """What the process has counted since it started, and how far the delivery of messages is behind."""
    await backlog.look(mine)
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
