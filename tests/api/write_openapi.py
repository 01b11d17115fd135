"""Writes openapi.json, the committed description of the API: `python -m tests.api.write_openapi`."""

import json
from pathlib import Path

from app.main import ROOT, create_app
from app.settings import Settings

FILE: Path = ROOT / "openapi.json"


def text() -> str:
    """The document as it is committed: sorted, so that a change shows as little as it changes."""
    app = create_app(Settings(_env_file=None))
    return json.dumps(app.openapi(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
    print(f"wrote {FILE.name}")
