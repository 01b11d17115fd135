"""A document compiles to the core's rules: smallest parts, minor units and instants, worked by hand."""

import json
import random
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from iso4217 import Currency

from app.domain import rules
from app.domain.calendar import Every, Period, Span
from app.domain.ladders import Ladder, Tier
from app.domain.paying import NotPaidBy, PaidBy
from app.domain.points import Rounding
from app.domain.rules import (
    Applies,
    Cost,
    Cover,
    Fixed,
    Multiply,
    PerItem,
    Rate,
    ReferralGift,
    ReferralTerms,
    Rule,
    Rules,
)
from app.domain.units import ExpiresAfter, ExpiresAt, ExpiresWithPeriod, Slides, Unit
from app.program import compiling, reading, values

LAUNCH = datetime(2026, 1, 1, tzinfo=UTC)


def compiled(**parts: object) -> Rules:
    base: dict[str, Any] = {
        "zegel": 1,
        "name": "Test",
        "time_zone": "Europe/Amsterdam",
        "currencies": ["EUR"],
        "units": {"points": {"name": "Points"}, "spent": {"name": "Spent", "decimals": 2, "spendable": False}},
    }
    document = reading.read(json.dumps(base | parts))
    return compiling.compile_rules(document, version=3, digest=b"d", in_force_from=LAUNCH)


def compiled_rule(**parts: object) -> Rule:
    (rule,) = compiled(rules=[{"id": "base", "on": "purchase", "unit": "points"} | parts]).rules
    return rule


def test_the_program_itself() -> None:
    program = compiled(
        currencies=["EUR", "JPY", "BHD"],
        cash_rounding={"EUR": "0.05", "JPY": 10, "BHD": "0.005"},
        payments_without_points=["points", "gift-card"],
        events={"late": "P2W", "early": "PT10M", "out_of_time": "record_now"},
    )

    assert (program.version, program.digest, program.in_force_from) == (3, b"d", LAUNCH)
    assert program.zone == ZoneInfo("Europe/Amsterdam")
    assert program.currencies == {"EUR": 2, "JPY": 0, "BHD": 3}
    assert program.cash_rounding == {"EUR": 5, "JPY": 10, "BHD": 5}
    assert program.unpaid_kinds == {"points", "gift-card"}
    assert (program.late, program.early) == (timedelta(days=14), timedelta(minutes=10))
    assert program.out_of_time is rules.OutOfTime.RECORD_NOW


def test_what_a_document_leaves_out_is_what_the_core_takes_by_default() -> None:
    program = compiled()

    plain = Rules(3, b"d", LAUNCH, program.zone, program.currencies, program.units, rules=())
    assert program == plain


def test_units() -> None:
    program = compiled(
        units={
            "points": {"name": "Points", "expires": {"after": "P12M", "round_up": "half_year"}, "rounding": "half_up"},
            "spent": {"name": "Money spent", "decimals": 2, "spendable": False},
            "stamps": {"name": "Stamps", "expires": {"after": "P30D"}},
            "status": {
                "name": "Status",
                "spendable": False,
                "expires": {"at_end_of": "year", "starting": "2026-03-01", "later": 1},
            },
            "summer": {"name": "Summer", "expires": {"on": "2026-08-31"}, "pending": "P2W"},
            "together": {"name": "Together", "expires": {"inactive": "P1Y"}},
            "visits": {"name": "Visits", "expires": {"inactive": "P90D", "events": ["activity"]}},
        },
    )

    assert program.units == {
        "points": Unit(
            "points",
            "Points",
            rounding=Rounding.HALF_UP,
            expiry=ExpiresAfter(Span(months=12), Every.HALF_YEAR),
        ),
        "spent": Unit("spent", "Money spent", decimals=2, spendable=False),
        "stamps": Unit("stamps", "Stamps", expiry=ExpiresAfter(Span(days=30))),
        "status": Unit(
            "status",
            "Status",
            spendable=False,
            expiry=ExpiresWithPeriod(Period(Every.YEAR, date(2026, 3, 1)), later=1),
        ),
        "summer": Unit(
            "summer",
            "Summer",
            expiry=ExpiresAt(datetime(2026, 8, 31, 22, tzinfo=UTC)),
            pending=Span(days=14),
        ),
        "together": Unit(
            "together",
            "Together",
            expiry=Slides(Span(months=12), frozenset({"purchase", "activity", "redemption"})),
        ),
        "visits": Unit("visits", "Visits", expiry=Slides(Span(days=90), frozenset({"activity"}))),
    }


def test_a_rate_gives_smallest_parts_for_minor_units() -> None:
    points = compiled_rule(rate={"give": 1, "per": "10.00", "whole_steps": True, "basis": "without_tax"})
    money = compiled_rule(unit="spent", rate={"give": "1.00", "per": "1.00"})
    sliver = compiled_rule(unit="spent", rate={"give": "0.005", "per": "0.10"})

    assert points.gives == Rate(Fraction(1), {"EUR": 1000}, rules.Basis.WITHOUT_TAX, whole_steps=True)
    assert money.gives == Rate(Fraction(100), {"EUR": 100})
    assert sliver.gives == Rate(Fraction(1, 2), {"EUR": 10})


def test_a_rate_counts_what_it_says_was_paid() -> None:
    def counted(**said: list[str]) -> object:
        gives = compiled_rule(rate={"give": 1, "per": "1.00", **said}).gives
        assert isinstance(gives, Rate)
        return gives.counted

    assert counted() is None
    assert counted(paid_by=["store-card"]) == PaidBy(frozenset({"store-card"}))
    assert counted(not_paid_by=[]) == NotPaidBy(frozenset())
    assert counted(not_paid_by=["gift-card"]) == NotPaidBy(frozenset({"gift-card"}))


@pytest.mark.parametrize(("prices", "net"), [("gross", False), ("net", True), (None, False)])
def test_prices_are_with_tax_unless_they_are_net(prices: str | None, net: bool) -> None:
    assert compiled(**({} if prices is None else {"prices": prices})).net is net


def test_a_rate_has_minor_units_of_each_currency() -> None:
    per = {"EUR": "1.00", "JPY": 150, "BHD": "0.400"}

    program = compiled(
        currencies=["EUR", "JPY", "BHD"],
        rules=[{"id": "a", "on": "purchase", "unit": "points", "rate": {"give": 1, "per": per}}],
    )

    assert program.rules[0].gives == Rate(Fraction(1), {"EUR": 100, "JPY": 150, "BHD": 400})


def test_what_items_and_events_give_is_in_smallest_parts() -> None:
    assert compiled_rule(per_item=5).gives == PerItem(Fraction(5))
    assert compiled_rule(per_item="0.1").gives == PerItem(Fraction(1, 10))
    assert compiled_rule(unit="spent", per_item="1.255").gives == PerItem(Fraction(251, 2))
    assert compiled_rule(fixed=50).gives == Fixed(50)
    assert compiled_rule(unit="spent", fixed="2.50").gives == Fixed(250)


def test_a_factor_is_exact() -> None:
    assert compiled_rule(multiply=0).gives == Multiply(Fraction(0))
    assert compiled_rule(multiply="1.1").gives == Multiply(Fraction(11, 10))
    assert compiled_rule(multiply=1.1).gives == Multiply(Fraction(11, 10))


def test_filters() -> None:
    rule = compiled_rule(
        fixed=1,
        include={"categories": ["cake", "pie"]},
        exclude={"skus": ["cake-0"]},
        channels=["web"],
        locations=["dam", "spui"],
        shops=["till"],
    )

    assert rule.include == Cover(categories=frozenset({"cake", "pie"}))
    assert rule.exclude == Cover(skus=frozenset({"cake-0"}))
    assert rule.applies == Applies(
        kind="purchase",
        channels=frozenset({"web"}),
        locations=frozenset({"dam", "spui"}),
        sources=frozenset({"till"}),
    )


def test_a_rule_without_cover_is_for_everything() -> None:
    rule = compiled_rule(on="activity", activities=["survey"], fixed=1)

    assert (rule.include, rule.exclude) == (rules.EVERYTHING, rules.NOTHING)
    assert rule.applies == Applies(kind="activity", activities=frozenset({"survey"}))


@pytest.mark.parametrize(
    ("start", "end", "starts_at", "ends_at"),
    [
        # Amsterdam is an hour ahead of UTC in winter, two in summer.
        ("2026-12-01", "2026-12-31", "2026-11-30T23:00Z", "2026-12-31T23:00Z"),
        ("2026-07-01", "2026-07-01", "2026-06-30T22:00Z", "2026-07-01T22:00Z"),
        # The day on which the clocks change has 23 hours.
        ("2026-03-29", "2026-03-29", "2026-03-28T23:00Z", "2026-03-29T22:00Z"),
        ("2026-07-01T08:00:00+02:00", "2026-07-01T10:00:00Z", "2026-07-01T06:00Z", "2026-07-01T10:00Z"),
    ],
)
def test_a_date_counts_whole_in_the_zone_and_an_instant_ends_what_it_ends(
    start: str, end: str, starts_at: str, ends_at: str
) -> None:
    applies = compiled_rule(fixed=1, **{"from": start, "until": end}).applies

    assert applies.starts_at == datetime.fromisoformat(starts_at)
    assert applies.ends_at == datetime.fromisoformat(ends_at)


def test_a_rule_that_is_not_enabled_is_left_out() -> None:
    off = {"id": "off", "on": "activity", "unit": "points", "fixed": 1, "enabled": False}

    program = compiled(rules=[off])
    assert program.rules == ()
    assert program.switched_off == (rules.SwitchedOff("off", "activity", "points"),)


def test_tiers_compile_to_a_ladder_and_a_multiplier_for_each_level_and_unit() -> None:
    levels = [
        {"id": "bronze", "name": "Bronze", "from": 0},
        {"id": "silver", "name": "Silver", "from": "200.00", "multiply": {"points": "1.25"}},
        {"id": "gold", "name": "Gold", "from": 500, "multiply": {"stamps": 2, "points": "1.5"}},
    ]
    base = {"id": "base", "on": "purchase", "unit": "points", "rate": {"give": 1, "per": 1}, "tiers": ["gold"]}

    program = compiled(
        units={
            "points": {"name": "Points"},
            "spent": {"name": "Spent", "decimals": 2, "spendable": False},
            "stamps": {"name": "Stamps"},
        },
        rules=[base],
        tiers=[{"id": "status", "unit": "spent", "levels": levels}],
    )

    assert program.ladders == (
        Ladder(
            "status",
            ("spent",),
            (Tier("bronze", "Bronze", (0,)), Tier("silver", "Silver", (20_000,)), Tier("gold", "Gold", (50_000,))),
        ),
    )
    silver = Applies(kind="purchase", tiers=frozenset({"silver"}))
    gold = Applies(kind="purchase", tiers=frozenset({"gold"}))
    assert program.rules[0].applies == gold
    assert program.rules[1:] == (
        Rule("tier:silver:points", "points", Multiply(Fraction(5, 4)), silver),
        Rule("tier:gold:points", "points", Multiply(Fraction(3, 2)), gold),
        Rule("tier:gold:stamps", "stamps", Multiply(Fraction(2)), gold),
    )


@pytest.mark.parametrize(
    ("currencies", "stated", "cost"),
    [
        (["EUR"], "0.01", Cost("EUR", Fraction(1, 100))),
        (["EUR"], {"EUR": "0.0025"}, Cost("EUR", Fraction(1, 400))),
        (["EUR", "JPY"], {"JPY": 1}, Cost("JPY", Fraction(1))),
    ],
)
def test_what_a_point_costs_is_exact_also_below_a_minor_unit(currencies: list[str], stated: object, cost: Cost) -> None:
    units = {"points": {"name": "Points", "cost_per_point": stated}, "stamps": {"name": "Stamps"}}

    assert compiled(currencies=currencies, units=units).costs == {"points": cost}


def test_referrals() -> None:
    program = compiled(
        referrals={
            "minimum": "10.00",
            "lapse": "P6M",
            "referrer": {"unit": "points", "points": 100},
            "referee": {"unit": "spent", "points": "0.50"},
        },
    )

    assert program.referrals == ReferralTerms(
        minimum={"EUR": 1000},
        lapse=Span(months=6),
        referrer=ReferralGift("points", 100),
        referee=ReferralGift("spent", 50),
    )


@pytest.mark.parametrize("minimum", [{}, {"minimum": {"EUR": 0, "JPY": "0"}}])
def test_referrals_without_a_minimum_take_any_purchase_within_180_days(minimum: dict[str, object]) -> None:
    program = compiled(
        currencies=["EUR", "JPY"],
        referrals={"referrer": {"unit": "points", "points": 1}} | minimum,
    )

    assert program.referrals == ReferralTerms({"EUR": 0, "JPY": 0}, Span(days=180), referrer=ReferralGift("points", 1))


def test_adjustments() -> None:
    program = compiled(
        adjustments={
            "reasons": ["goodwill", "correction"],
            "approval_above": {"points": 500, "spent": "12.50"},
            "daily_limit": {"points": 5000},
        },
    )

    assert program.adjustments == rules.AdjustmentTerms(
        ("goodwill", "correction"), approval_above={"points": 500, "spent": 1250}, daily_limit={"points": 5000}
    )
    assert compiled().adjustments == rules.NO_REASONS


def test_transfers() -> None:
    """Semantics L13: off where the document says nothing."""
    program = compiled(transfers={"units": ["points"], "daily_limit": {"points": 1000}})

    assert program.transfers == rules.TransferTerms(("points",), {"points": 1000})
    assert compiled().transfers is None


def test_a_document_and_its_canonical_form_compile_alike_to_the_order_of_everything() -> None:
    units = {code: {"name": code} for code in random.sample(["points", "stamps", "visits", "beans"], 4)}
    earn = [
        {"id": f"{code}-rule", "on": "purchase", "unit": code, "rate": {"give": 1, "per": {"USD": 1, "EUR": 1}}}
        for code in units
    ]
    spent = {"spent": {"name": "Spent", "spendable": False}}
    levels = [{"id": "all", "name": "All", "from": 0, "multiply": dict.fromkeys(units, 2)}]
    content = {
        "zegel": 1,
        "name": "Test",
        "time_zone": "UTC",
        "currencies": ["USD", "EUR"],
        "units": units | spent,
        "rules": earn,
        "tiers": [{"id": "status", "unit": "spent", "levels": levels}],
    }
    written = reading.read(json.dumps(content))
    stored = reading.read(reading.canonical(written))

    one, other = (
        compiling.compile_rules(document, version=1, digest=b"", in_force_from=LAUNCH) for document in (written, stored)
    )

    assert one == other
    assert list(one.units) == list(other.units) == sorted(one.units)
    assert [plan.unit.code for plan in one.plans["purchase"]] == sorted(units)


def test_no_currency_is_ever_forgotten_and_none_changes_its_decimals() -> None:
    """Stored programs must still compile after an upgrade: what leaves ISO 4217 moves to values.WITHDRAWN."""
    zero = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
    three, four = "BHD IQD JOD KWD LYD OMR TND", "CLF UYW"
    two = """
        AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF
        CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HRK HTG
        HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK
        MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE
        SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR
        ZMW ZWG
    """
    known = {
        code: decimals for decimals, codes in ((0, zero), (2, two), (3, three), (4, four)) for code in codes.split()
    }

    assert {code: values.currency_decimals(code) for code in known} == known
    listed = {currency.value for currency in Currency if currency.exponent is not None}
    assert listed - known.keys() == set(), "new currencies: add them here, so that they are never forgotten"
