"""The bench itself: that it runs, that every request it sends is answered as it should be, and what it works out."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.bench import results
from app.bench.cases import CASES, chosen
from app.bench.load import Told
from app.bench.running import Plan, Turn
from app.settings import Settings

TIME_LIMIT = 100


def test_every_case_runs_and_no_request_fails(settings: Settings, tmp_path: Path) -> None:
    found = run(settings, tmp_path, "--quick", "--seconds", "0.1", "--members", "60")

    assert found["valid"] is True
    assert set(found["cases"]) == {case.name for case in CASES}
    assert all(row["requests"] > 0 and not row["failures"] for row in found["cases"].values())
    assert all(must["found"] > 0 for must in found["musts"])
    assert found["cases"]["single_64_worker"]["delivered_per_second"] > 0


@pytest.mark.slow
def test_the_bench_of_delivery_runs_and_no_event_is_refused(settings: Settings, tmp_path: Path) -> None:
    said = told(settings, tmp_path, "--webhooks", "--quick")

    assert "deliveries sent and recorded" in said
    assert "event to webhook, p99" in said
    assert "Exception in callback" not in said


def test_a_case_brings_the_empty_route_it_is_held_against() -> None:
    names = [case.name for case in chosen(("redemption_64",))]

    assert names == ["empty_post", "redemption_64"]


def test_a_name_that_fits_no_case_is_refused() -> None:
    with pytest.raises(ValueError, match="no case is called speed"):
        chosen(("speed",))


def test_ratios_are_taken_within_each_round() -> None:
    rates = {"empty_post": [1000, 100, 1000], "single_64": [500, 50, 100]}

    found = results.musts([turn(name, round, rate) for name in rates for round, rate in enumerate(rates[name])])

    assert found[0].found == 50
    assert found[0].kept is True


def test_a_must_that_was_not_measured_is_neither_kept_nor_broken() -> None:
    found = results.musts([turn("empty_post", 0, 1000)])

    assert {must.kept for must in found} == {None}


def test_a_run_with_failures_is_not_valid() -> None:
    plan = Plan(chosen(("empty_post",)), rounds=1, seconds=1, members=1)

    found = results.document(plan, [turn("empty_post", 0, 1000, failures={"500": 1})], database="", at="")

    assert found["valid"] is False
    assert found["cases"]["empty_post"]["failures"] == {"500": 1}


def turn(name: str, round: int, rate: int, *, failures: dict[str, int] | None = None) -> Turn:
    """A turn of one second."""
    (case,) = (case for case in CASES if case.name == name)
    used = {"client": 0.1, "service": 0.8, "machine": 1.2}
    return Turn(case, round, Told(rate, rate, 1.0, 5.0, 20.0, used, failures or {}, ""), megabytes=100)


def run(settings: Settings, folder: Path, *arguments: str) -> dict[str, Any]:
    """`zegel bench` on a test's database; what it wrote."""
    told(settings, folder, *arguments)
    found: dict[str, Any] = json.loads((folder / "found.json").read_text())
    return found


def told(settings: Settings, folder: Path, *arguments: str) -> str:
    """The same; what it printed."""
    assert settings.database_url is not None
    assert settings.secret is not None
    done = subprocess.run(
        [sys.executable, "-c", "from app.cli import main; main()", "bench", *arguments, "--json", "found.json"],
        cwd=folder,
        env={**os.environ, "DATABASE_URL": settings.database_url, "ZEGEL_SECRET": settings.secret},
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr
