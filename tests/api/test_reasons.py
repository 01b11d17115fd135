"""Why a rule gave nothing, told to whoever asks first or asks for words, and recorded of nothing (semantics A3, E2)."""

from typing import Any

import asyncpg

from app.settings import Settings
from tests.builders import PLAIN, Clock, Service, at, open_service, publish

DRY = "/v1/events?dry_run=true"
QUIET = (
    PLAIN
    + """  - {id: happy, on: purchase, unit: points, fixed: 5, enabled: false}
  - {id: treat, on: purchase, reward: coffee, enabled: false}
  - {id: survey, on: activity, unit: points, fixed: 5, enabled: false}
rewards:
  coffee: {name: A free coffee}
"""
)
ASKING = (
    PLAIN
    + """  - {id: far, on: purchase, unit: points, fixed: 5, if: event_km > 5 && event_city == "Utrecht"}
  - {id: ride, on: purchase, unit: points, rate: {give: 1, number: miles}}
  - {id: fair, on: purchase, unit: points, per_item: 1, if: line_fair}
attributes:
  event: {km: number, city: text, miles: number}
  line: {fair: boolean}
"""
)


def sale(service: Service, id: str = "p1", **more: Any) -> dict[str, Any]:
    """The body of a purchase by somebody known."""
    return {
        "type": "purchase", "id": id, "member": "card:1001", "occurred_at": at(service.clock.now), "currency": "EUR",
        "total": "10.00", **more,
    }  # fmt: skip


async def test_a_dry_run_names_the_rules_that_are_switched_off(
    settings: Settings, clock: Clock, owner: asyncpg.Connection
) -> None:
    """Semantics A3: where a cashier looks for why; not in the answer of an event, nor in what is recorded."""
    await publish(settings, clock=clock, document=QUIET)
    async with open_service(settings, clock=clock) as service:
        await service.enrol()
        body = sale(service)

        dry = (await service.send(body, path=f"{DRY}&language=en")).json()
        batch = (await service.send({"events": [body]}, path="/v1/events/batch?dry_run=true")).json()
        real = (await service.send(body)).json()

        codes = {"step": "switched_off", "points": "0"}
        off = [{"rule": "happy", "unit": "points", **codes}, {"rule": "treat", "unit": "", **codes}]
        texts = ["happy: is switched off", "treat: is switched off"]
        assert dry["explanation"][1:] == [{**step, "text": text} for step, text in zip(off, texts, strict=True)]
        assert not any("switched off" in line for line in dry["receipt"])
        assert batch["results"][0]["event"]["explanation"] == [*real["explanation"], *off]
        assert [step["rule"] for step in real["explanation"]] == ["base"]
        kept = await owner.fetchval("SELECT explanation::text FROM event WHERE kind = 'purchase'")
        assert "switched_off" not in kept


async def test_a_draft_tells_of_its_own_rules(settings: Settings, clock: Clock) -> None:
    await publish(settings, clock=clock, document=PLAIN)
    async with open_service(settings, clock=clock) as service:
        await service.enrol()
        written = await service.client.put(
            "/v1/program/rules/draft",
            content=QUIET,
            headers={"Content-Type": "application/yaml", "If-None-Match": "*"},
        )
        assert written.status_code in (200, 201), written.text

        now = (await service.send(sale(service), path=DRY)).json()
        by_draft = (await service.send(sale(service), path=f"{DRY}&rules=draft")).json()

        assert [step["step"] for step in now["explanation"]] == ["rate"]
        assert [step["step"] for step in by_draft["explanation"]] == ["rate", "switched_off", "switched_off"]


async def test_what_a_rule_missed_is_named(settings: Settings, clock: Clock) -> None:
    """Semantics A1, E2: by the names that conditions use, in dry runs and in words, of what was recorded too."""
    await publish(settings, clock=clock, document=ASKING)
    async with open_service(settings, clock=clock) as service:
        await service.enrol()
        body = sale(service, attributes={"city": "Utrecht"})

        dry = (await service.send(body, path=DRY)).json()
        real = (await service.send(body)).json()
        dutch = (await service.client.get(f"/v1/events/{real['id']}?language=nl")).json()

        missed = {"far": ["event_km"], "ride": ["event_miles"], "fair": ["line_fair"]}
        assert {step["rule"]: step["missing"] for step in dry["explanation"] if "missing" in step} == missed
        assert {step["rule"]: step["missing"] for step in dutch["explanation"] if "missing" in step} == missed
        told = {step["rule"]: step["text"] for step in dutch["explanation"]}
        assert told["far"] == "far: event_km ontbreekt"
        steps = {step["rule"]: step["step"] for step in real["explanation"]}
        assert {steps[rule] for rule in missed} == {"missing_attribute"}
        assert not any("missing" in step for step in real["explanation"])
