"""Tiers over HTTP: reviews by a clock that jumps, plans that are bought, status matches by hand (semantics T)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from app.cli import verify
from app.domain.scopes import Scope
from app.settings import Settings
from app.worker import settling
from tests.builders import PLAIN, PROGRAM, Clock, Service, key_for, open_service, publish, purchase

YEARS = """
zegel: 1
name: Rides
time_zone: Europe/Amsterdam
currencies: [EUR]
units:
  points: {name: Points}
  credits: {name: Status credits, spendable: false, expires: {at_end_of: year}}
rules:
  - {id: base, on: purchase, unit: points, rate: {give: 1, per: "1.00"}}
  - {id: credits, on: purchase, unit: credits, rate: {give: 1, per: "1.00"}}
  - {id: plan, on: purchase, include: {skus: [PLAN]}, tier: {tier: plus, for: P1Y}}
tiers:
  - id: status
    unit: credits
    review: {at_end_of: year}
    expiring_notice: P30D
    levels:
      - {id: bronze, name: Bronze, from: 0}
      - id: silver
        name: Silver
        from: 200
        benefits: [{id: delivery, kind: shipping, text: Free delivery}]
      - id: gold
        name: Gold
        from: 500
        multiply: {points: 2}
        benefits: [{id: extra, kind: discount, text: Ten percent off, value: 10}]
  - id: club
    levels:
      - {id: free, name: Free}
      - {id: plus, name: Plus}
"""


async def ladder(service: Service, member: str, place: int = 0, **query: str) -> dict[str, Any]:
    answer = await service.client.get(f"/v1/members/{member}/tier", params=query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["tiers"][place])


async def settle(service: Service) -> int:
    parts = service.app.state.parts
    return await settling.settle_once(parts.engine, parts.ledger, now=service.clock())


def jump(clock: Clock, day: str) -> None:
    clock.now = datetime.fromisoformat(day).replace(tzinfo=UTC)


async def messages(owner: asyncpg.Connection, type: str) -> list[str]:
    rows = await owner.fetch("SELECT body FROM message WHERE type = $1 ORDER BY number", type)
    return [bytes(row["body"]).decode() for row in rows]


@pytest.mark.parametrize("worker", [False, True])
async def test_reviews_come_by_the_clock(
    settings: Settings, clock: Clock, owner: asyncpg.Connection, worker: bool
) -> None:
    """Semantics T3, T6, K2: right by the instant whether or not the worker has been, and once written, the same."""
    await publish(settings, clock=clock, document=YEARS)
    async with open_service(settings, clock=clock) as service:
        member = (await service.buy("600.00")).json()["member"]
        found = await ladder(service, member)
        assert (found["tier"], found["review_at"], found["projected_tier"]) == ("gold", "2026-12-31T23:00:00Z", "gold")
        assert found["benefits"] == [{"id": "extra", "kind": "discount", "text": "Ten percent off", "value": "10"}]
        assert found["units"][0]["needed_to_stay"] == 0

        for instant, tier, review, projected in (
            ("2027-01-01T00:00:00", "gold", "2027-12-31T23:00:00Z", "bronze"),
            ("2027-12-31T22:59:59", "gold", "2027-12-31T23:00:00Z", "bronze"),
            ("2027-12-31T23:00:00", "bronze", None, None),
        ):
            jump(clock, instant)
            if worker:
                await settle(service)
                assert await settle(service) == 0
            found = await ladder(service, member)
            assert [found[name] for name in ("tier", "review_at", "projected_tier")] == [tier, review, projected]

        jump(clock, "2028-01-01T10:00:00")
        judged = (await service.buy("10.00")).json()
        assert [entry["points"] for entry in judged["entries"] if entry["unit"] == "points"] == [10]
        names = ("tier.upgraded", "tier.renewed", "tier.expiring", "tier.downgraded")
        assert [len(await messages(owner, name)) for name in names] == [1, 1, 1, 1]
        assert await verify.run(settings) == []


async def test_the_tag_of_a_tier_changes_with_the_review_alone(settings: Settings, clock: Clock) -> None:
    """API C8, semantics T6: fresh until then at most."""
    await publish(settings, clock=clock, document=YEARS)
    async with open_service(settings, clock=clock) as service:
        member = (await service.buy("600.00")).json()["member"]
        jump(clock, "2027-06-01T00:00:00")
        await settle(service)
        jump(clock, "2027-12-31T22:59:58")
        await settle(service)
        first = await service.client.get(f"/v1/members/{member}/tier")
        known = {"If-None-Match": first.headers["etag"]}

        assert first.headers["cache-control"] == "private, max-age=2"
        assert (await service.client.get(f"/v1/members/{member}/tier", headers=known)).status_code == 304
        jump(clock, "2027-12-31T23:00:00")
        changed = await service.client.get(f"/v1/members/{member}/tier", headers=known)

        assert (changed.status_code, changed.json()["tiers"][0]["tier"]) == (200, "bronze")


async def test_tiers_as_of_an_instant(settings: Settings, clock: Clock) -> None:
    """Semantics L14: with the review that was due then, by what had happened and by what was known."""
    await publish(settings, clock=clock, document=YEARS)
    async with open_service(settings, clock=clock) as service:
        member = (await service.buy("600.00")).json()["member"]
        jump(clock, "2028-03-01T00:00:00")
        for written in (False, True):
            for instant, tier, review in (
                ("2026-11-30T00:00:00Z", "gold", "2026-12-31T23:00:00Z"),
                ("2027-12-31T22:59:59Z", "gold", "2027-12-31T23:00:00Z"),
                ("2027-12-31T23:00:00Z", "bronze", None),
            ):
                found = await ladder(service, member, as_of=instant)
                assert (found["tier"], found["review_at"]) == (tier, review), (written, instant)
            await settle(service)

        then = await ladder(service, member, as_of="2028-01-15T00:00:00Z", by="recording")
        assert then["tier"] == "gold"


async def test_a_late_event_undoes_a_fall(settings: Settings, clock: Clock) -> None:
    """Semantics T8."""
    await publish(settings, clock=clock, document=YEARS)
    async with open_service(settings, clock=clock) as service:
        member = (await service.buy("600.00")).json()["member"]
        jump(clock, "2027-06-01T12:00:00")
        await service.buy("480.00")
        jump(clock, "2028-01-10T12:00:00")
        await settle(service)
        assert (await ladder(service, member))["tier"] == "silver"

        await service.send(purchase("30.00", id="late", at=datetime(2027, 12, 30, 12, tzinfo=UTC)))

        found = await ladder(service, member)
        assert (found["tier"], found["since"], found["review_at"]) == (
            "gold",
            "2026-11-21T09:00:00Z",
            "2028-12-31T23:00:00Z",
        )
        assert (await ladder(service, member, as_of="2028-01-05T00:00:00Z"))["tier"] == "gold"
        assert await verify.run(settings) == []


async def test_a_plan_is_bought_runs_on_and_ends_with_its_return(settings: Settings, clock: Clock) -> None:
    """Semantics T7."""
    await publish(settings, clock=clock, document=YEARS)
    lines = [{"sku": "PLAN", "amount": "30.00"}]
    async with open_service(settings, clock=clock) as service:
        first = (await service.buy("30.00", lines=lines)).json()
        member = first["member"]
        assert first["tier_changes"] == [{"ladder": "club", "before": "free", "tier": "plus"}]
        found = await ladder(service, member, 1)
        assert (found["tier"], found["given"], found["given_until"]) == ("plus", True, "2027-11-21T23:00:00Z")
        assert (found["unit"], found["next_tier"]) == (None, None)
        clock.forward(days=10)
        second = (await service.buy("30.00", lines=lines)).json()
        assert (await ladder(service, member, 1))["given_until"] == "2028-11-21T23:00:00Z"

        for bought, until in ((first, "2027-12-01T23:00:00Z"), (second, None)):
            answer = await service.send(
                {
                    "type": "return",
                    "id": f"back-{bought['source_id']}",
                    "member": member,
                    "purchase": bought["id"],
                    "all": True,
                    "occurred_at": clock().isoformat(),
                }
            )
            assert answer.status_code == 201, answer.text
            found = await ladder(service, member, 1)
            assert (found["tier"], found["given_until"]) == ("plus" if until else "free", until)
        assert await verify.run(settings) == []


class TestByHand:
    """Semantics T4."""

    async def give(self, service: Service, member: str, **more: Any) -> httpx.Response:
        body = {"id": "m1", "tier": "gold", "reason": "status_match", **more}
        return await service.client.put(f"/v1/members/{member}/tier-floor", json=body)

    async def test_a_status_match(self, settings: Settings, clock: Clock) -> None:
        await publish(settings, clock=clock, document=YEARS)
        async with open_service(settings, clock=clock) as service:
            member = (await service.buy("10.00")).json()["member"]

            given = await self.give(service, member, until="2027-02-01T00:00:00Z", note="secret")

            assert (given.status_code, given.json()["type"]) == (201, "tier_floor")
            assert given.json()["tier_changes"] == [{"ladder": "status", "before": "bronze", "tier": "gold"}]
            again = await self.give(service, member, until="2027-02-01T00:00:00Z", note="secret")
            assert (again.status_code, again.headers["idempotent-replayed"]) == (200, "true")
            assert (await self.give(service, member)).json()["code"] == "event_id_reused"
            found = await ladder(service, member)
            assert (found["given"], found["given_until"]) == (True, "2027-02-01T00:00:00Z")
            jump(clock, "2027-02-01T00:00:00")
            assert (await ladder(service, member))["tier"] == "bronze"
            await settle(service)
            assert (await ladder(service, member))["tier"] == "bronze"
            assert await settle(service) == 0
            assert await verify.run(settings) == []

    async def test_it_is_taken_away_once(self, settings: Settings, clock: Clock) -> None:
        await publish(settings, clock=clock, document=YEARS)
        async with open_service(settings, clock=clock) as service:
            member = (await service.buy("10.00")).json()["member"]
            await self.give(service, member)
            path = f"/v1/members/{member}/tier-floor?reason=mistake&ladder=status"

            answers = [
                await service.client.delete(path, headers={"Idempotency-Key": key}) for key in ("d1", "d1", "d2")
            ]

            assert [answer.status_code for answer in answers] == [204, 204, 409]
            assert answers[2].json()["code"] == "no_tier_floor"
            assert (await service.client.delete(path)).json()["code"] == "idempotency_key_missing"
            assert (await ladder(service, member))["tier"] == "bronze"
            assert await verify.run(settings) == []

    @pytest.mark.parametrize(
        ("said", "code"),
        [
            ({"tier": "platinum"}, "unknown_tier"),
            ({"tier": "bronze"}, "unknown_tier"),
            ({"until": "2026-11-21T08:59:59Z"}, "until_passed"),
            ({"until": "2026-11-21"}, "invalid"),
        ],
    )
    async def test_what_cannot_be_given_is_refused(
        self, settings: Settings, clock: Clock, said: dict[str, Any], code: str
    ) -> None:
        await publish(settings, clock=clock, document=YEARS)
        async with open_service(settings, clock=clock) as service:
            member = (await service.buy("10.00")).json()["member"]

            answer = await self.give(service, member, **said)

            assert (answer.status_code, answer.json()["code"]) == (422, code)

    async def test_the_event_names_who_did_it(
        self, settings: Settings, clock: Clock, owner: asyncpg.Connection
    ) -> None:
        await publish(settings, clock=clock, document=YEARS)
        async with open_service(settings, clock=clock) as service:
            member = (await service.buy("10.00")).json()["member"]
            key = await key_for(settings, scopes=(Scope.TIERS_WRITE,), program=PROGRAM, owner="ada")
            await service.client.put(
                f"/v1/members/{member}/tier-floor",
                json={"id": "m1", "tier": "gold", "reason": "goodwill"},
                headers={"Authorization": f"Bearer {key}"},
            )

            content = await owner.fetchval("SELECT content FROM event WHERE kind = 'tier_floor'")
            assert b'"actor":"ada"' in bytes(content)
            assert b'"reason":"goodwill"' in bytes(content)


async def test_tiers_on_two_units_and_half_years_from_joining(settings: Settings, clock: Clock) -> None:
    """Semantics T1, L10: enough money and enough visits in the member's own half-year."""
    document = (
        PLAIN.replace(
            "rules:",
            "  spent: {name: Spent, decimals: 2, spendable: false, "
            "expires: {at_end_of: half_year, starting: joining}}\n"
            "  visits: {name: Visits, spendable: false, expires: {at_end_of: half_year, starting: joining}}\nrules:",
        )
        + """  - {id: spent, on: purchase, unit: spent, rate: {give: 1, per: "1.00"}}
  - {id: visits, on: purchase, unit: visits, fixed: 1}
tiers:
  - id: status
    units: [visits, spent]
    join: all
    review: {at_end_of: half_year, starting: joining, later: 1}
    fall: one_step
    grace: P14D
    levels:
      - {id: blue, name: Blue, from: 0}
      - {id: gold, name: Gold, from: {spent: "100.00", visits: 2}}
"""
    )
    await publish(settings, clock=clock, document=document)
    async with open_service(settings, clock=clock) as service:
        member = (await service.buy("150.00")).json()["member"]
        clock.forward(days=60)
        assert (await ladder(service, member))["tier"] == "blue"
        assert (await service.buy("1.00")).json()["tier_changes"][0]["tier"] == "gold"

        found = await ladder(service, member)
        assert found["review_at"] == "2027-11-20T23:00:00Z"
        assert [(need["unit"], need["qualifying"]) for need in found["units"]] == [("spent", 151_00), ("visits", 2)]
        jump(clock, "2027-11-21T00:00:00")
        await settle(service)
        found = await ladder(service, member)
        assert (found["tier"], found["grace_until"], found["projected_tier"]) == (
            "gold",
            "2027-12-04T23:00:00Z",
            "blue",
        )
        jump(clock, "2027-12-05T00:00:00")
        assert (await ladder(service, member))["tier"] == "blue"
        await settle(service)
        assert await verify.run(settings) == []


async def test_a_document_of_before_answers_as_before_and_more(service: Service) -> None:
    await publish(service.settings, clock=service.clock, document=YEARS.replace("    review: {at_end_of: year}\n", ""))
    member = (await service.buy("600.00")).json()["member"]

    found = await ladder(service, member)

    assert (found["unit"], found["qualifying"], found["next_tier"], found["review_at"]) == ("credits", 600, None, None)


STEPS = YEARS.replace("review: {at_end_of: year}", "review: {at_end_of: year}\n    fall: one_step").replace(
    "units:", "events: {late: P800D}\nunits:", 1
)


async def test_falls_in_a_row_are_kept_from_process_to_process(settings: Settings, clock: Clock) -> None:
    """Semantics T8: gold by 600.00 in 2026, 450.00 of 500.00 in 2027 and nothing in 2028: silver, then bronze."""
    await publish(settings, clock=clock, document=STEPS)
    async with open_service(settings, clock=clock) as service:
        member = (await service.buy("600.00")).json()["member"]
        clock.forward(days=300)
        await service.buy("450.00")
        clock.forward(days=490)
        await settle(service)
        fallen = await ladder(service, member)
        late = purchase("60.00", id="late", at=clock.now - timedelta(days=480))

        assert (await service.send(late)).status_code == 201

        assert (fallen["tier"], (await ladder(service, member))["tier"]) == ("bronze", "silver")
        assert await verify.run(settings) == []


async def test_a_late_sale_whose_points_have_ended_is_taken_after_its_tier_was_told_of(
    settings: Settings, clock: Clock
) -> None:
    """Semantics E3, T3: what ended before the notice looks ahead to it again, and no key is used twice."""
    document = YEARS.replace("units:", "events: {late: P60D}\nunits:", 1).replace(
        "{at_end_of: year}}", "{after: P14D}}"
    )
    await publish(settings, clock=clock, document=document)
    async with open_service(settings, clock=clock) as service:
        member = (await service.buy("600.00")).json()["member"]
        clock.forward(days=14)
        await settle(service)
        late = clock.now - timedelta(days=40)

        sale = await service.send(purchase("20.00", id="late", occurred_at=late.isoformat()))

        assert sale.status_code == 201, sale.text
        assert (await ladder(service, member))["tier"] == "gold"
        assert await verify.run(settings) == []
