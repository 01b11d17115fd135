"""A message in one readable line."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rich.text import Text

from app.cli.listening.forwarding import Came

_COLORS = {"member": "cyan", "points": "green", "tier": "magenta", "hold": "yellow", "event": "blue"}
_DETAILS = ("activity", "tier", "reason", "side", "expires_at", "outcome")


def line(message: Mapping[str, Any]) -> Text:
    """When, what, about whom, how much, and by which event."""
    body: Mapping[str, Any] = message["message"]
    data: Mapping[str, Any] = body.get("data") or {}
    type = str(message["type"])
    shown = Text(_clock(str(body.get("timestamp", ""))), style="dim")
    shown.append(f" {type:<20}", style=_COLORS.get(type.partition(".")[0], "white"))
    if "member" in data:
        shown.append(f" {data['member']} #{data.get('sequence')}")
    points = data.get("points")
    if isinstance(points, Mapping):
        shown.append(" " + ", ".join(f"{count} {unit}" for unit, count in points.items()), style="bold")
    details = [f"{name} {data[name]}" for name in _DETAILS if name in data]
    if details:
        shown.append(" " + ", ".join(details))
    if "kind" in data:
        shown.append(f" ({data['kind']} {data.get('source')}/{data.get('id')})", style="dim")
    return shown


def came(result: Came) -> Text:
    """What came of handing it on."""
    said = f"{result.status}" if result.status is not None else f"no answer: {result.error}"
    mark, style = ("→", "dim") if result.taken else ("✗", "red")
    return Text(f"         {mark} {said} in {result.milliseconds} ms", style)


def whole(message: Mapping[str, Any]) -> str:
    """The body, indented."""
    return json.dumps(message["message"], indent=2, ensure_ascii=False)


def _clock(timestamp: str) -> str:
    try:
        return datetime.fromisoformat(timestamp).strftime("%H:%M:%S")
    except ValueError:
        return "--:--:--"
