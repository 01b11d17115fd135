"""Every mistake in a program document is told with its place, all at once."""

import pytest

from app.program import reading
from app.program.reading import Mistake, MistakesInDocument

HEAD = """\
zegel: 1
name: Test
time_zone: Europe/Amsterdam
currencies: [EUR]
units:
  points: {name: Points}
  spent: {name: Money spent, decimals: 2, spendable: false}
"""
AFTER_HEAD = HEAD.count("\n")


def mistakes(text: str | bytes) -> list[Mistake]:
    with pytest.raises(MistakesInDocument) as caught:
        reading.read(text)
    return list(caught.value.mistakes)


def told(text: str | bytes) -> list[tuple[str, int | None, str]]:
    return [(mistake.pointer, mistake.line, mistake.message) for mistake in mistakes(text)]


def only(text: str | bytes) -> Mistake:
    (mistake,) = mistakes(text)
    return mistake


def rule(rest: str, *, on: str = "purchase") -> str:
    """A document with one rule, all of it on RULE_LINE."""
    return f"{HEAD}rules:\n  - {{id: base, on: {on}, unit: points, {rest}}}\n"


RULE_LINE = AFTER_HEAD + 2


def test_all_mistakes_are_told_at_once_in_the_order_of_the_text() -> None:
    text = """\
zegel: 1
name: Test
time_zone: Europe/Amsterdm
currencies: [EUR]
untis:
  points: {name: Points}
units:
  points: {name: Points, decimals: five}
rules:
  - {id: base, on: purchase, unit: pints, rate: {give: 1, per: "1.00"}}
  - {id: base, on: purchase, unit: points}
"""

    assert [(mistake.line, mistake.pointer, mistake.suggestion) for mistake in mistakes(text)] == [
        (3, "/time_zone", "Europe/Amsterdam"),
        (5, "/untis", "units"),
        (8, "/units/points/decimals", None),
        (10, "/rules/0/unit", "points"),
        (11, "/rules/1/id", None),
        (11, "/rules/1", None),
    ]


def test_each_mistake_is_one_line_of_the_text_of_the_error() -> None:
    text = HEAD + 'tirs: []\nrules: [{id: x, on: purchase, unit: pints, rate: {give: 1, per: "1.00"}}]\n'

    with pytest.raises(MistakesInDocument) as caught:
        reading.read(text)

    assert str(caught.value) == (
        'line 8: /tirs: this name is not known here; did you mean "tiers"?\n'
        'line 9: /rules/0/unit: there is no such unit; did you mean "points"?'
    )


def test_at_most_a_hundred_mistakes_are_told() -> None:
    text = HEAD + "".join(f"oops{number}: 1\n" for number in range(5_000))

    assert len(mistakes(text)) == reading.MAX_MISTAKES


@pytest.mark.parametrize(
    ("rest", "pointer", "message"),
    [
        ("per_item: true", "/rules/0/per_item", 'must be a number, such as 5 or "12.50"'),
        ("per_item: [1]", "/rules/0/per_item", 'must be a number, such as 5 or "12.50"'),
        ('per_item: "1,50"', "/rules/0/per_item", None),
        ('per_item: "1e3"', "/rules/0/per_item", None),
        ('per_item: "٣"', "/rules/0/per_item", None),
        ('per_item: " 1"', "/rules/0/per_item", None),
        ('per_item: "1.0000000001"', "/rules/0/per_item", None),
        ("per_item: -1", "/rules/0/per_item", "must not be below zero"),
        ("multiply: -0.5", "/rules/0/multiply", "must not be below zero"),
        ("per_item: 0", "/rules/0/per_item", "must be above zero"),
        ("fixed: 0.0", "/rules/0/fixed", "must be above zero"),
        ('rate: {give: 1, per: "0.00"}', "/rules/0/rate/per", "must be above zero"),
        ("rate: {give: 1, per: {EUR: 0}}", "/rules/0/rate/per/EUR", "must be above zero"),
        ("rate: {give: 1}", "/rules/0/rate", "must say for how much: per for money, quantity or number"),
        ("rate: 5", "/rules/0/rate", "must be a mapping of names to values"),
        ("rate: {give: 1, per: 1, whole_steps: yes}", "/rules/0/rate/whole_steps", "must be true or false"),
        ("rate: {give: 1, per: 1, whole_steps: 1}", "/rules/0/rate/whole_steps", "must be true or false"),
        ("fixed: 1, enabled: 'true'", "/rules/0/enabled", "must be true or false"),
        ("fixed: 1, channels: web", "/rules/0/channels", "must be a list"),
        ("fixed: 1, channels: []", "/rules/0/channels", "must not be empty"),
        ("fixed: 1, channels: [web, web]", "/rules/0/channels", "names something twice"),
        ("fixed: 1, include: {skus: [4711]}", "/rules/0/include/skus/0", None),
        ("fixed: 1, include: {}", "/rules/0/include", "must name categories, skus or both"),
        ("fixed: 1, tiers: [Silver]", "/rules/0/tiers/0", None),
        ("fixed: 1, from: 1 May", "/rules/0/from", None),
        ("fixed: 1, from: 2026-02-30", "/rules/0/from", "is no day or time that exists"),
        ("fixed: 1, from: 2026-05-01T08:00:00", "/rules/0/from", None),
        ("fixed: 1, until: 9999-12-31", "/rules/0/until", "must be in the years 2000 to 2999"),
        ("fixed: 1, from: 2026-05-02, until: 2026-05-01", "/rules/0/until", "must come after from"),
        ("fixed: 1, until: 20260501", "/rules/0/until", None),
    ],
)
def test_a_wrong_value_in_a_rule_is_told_at_its_place(rest: str, pointer: str, message: str | None) -> None:
    mistake = only(rule(rest))

    assert (mistake.pointer, mistake.line) == (pointer, RULE_LINE)
    assert message is None or mistake.message == message


@pytest.mark.parametrize(
    ("rest", "pointer"),
    [
        ("zegel: 2", "/zegel"),
        ("zegel: '1'", "/zegel"),
        ("zegel: 1.0", "/zegel"),
        ("zegel: true", "/zegel"),
        ("name: 5", "/name"),
        ("name: ''", "/name"),
        ("time_zone: Mars/Olympus", "/time_zone"),
        ("time_zone: ../../etc/passwd", "/time_zone"),
        ("currencies: EUR", "/currencies"),
        ("currencies: []", "/currencies"),
        ("currencies: [EUR, EUR]", "/currencies"),
        ("currencies: [eur]", "/currencies/0"),
        ("currencies: [EUR, QQQ]", "/currencies/1"),
        ("currencies: [EUR, XAU]", "/currencies/1"),
        ("prices: both", "/prices"),
        ("cash_rounding: {}", "/cash_rounding"),
        ('cash_rounding: {EUR: "0.005"}', "/cash_rounding/EUR"),
        ("cash_rounding: {USD: 1}", "/cash_rounding/USD"),
        ("payments_without_points: [1]", "/payments_without_points/0"),
        ("events: {late: P1M}", "/events/late"),
        ("events: {late: 30}", "/events/late"),
        ("events: {late: PT5M}", "/events/late"),
        ("events: {early: PT61M}", "/events/early"),
        ("events: {early: P1D}", "/events/early"),
        ("events: {out_of_time: accept}", "/events/out_of_time"),
        ("units: {}", "/units"),
        ("units: {Points: {name: A}}", "/units/Points"),
        ("units: {points: {}}", "/units/points/name"),
        ("units: {points: {name: A, decimals: 5}}", "/units/points/decimals"),
        ("units: {points: {name: A, decimals: -1}}", "/units/points/decimals"),
        ("units: {points: {name: A, decimals: '2'}}", "/units/points/decimals"),
        ("units: {points: {name: A, decimals: 2.0}}", "/units/points/decimals"),
        ("units: {points: {name: A, decimals: true}}", "/units/points/decimals"),
        ("units: {points: {name: A, rounding: nearest}}", "/units/points/rounding"),
        ("units: {points: {name: A, expires: sometimes}}", "/units/points/expires"),
        ("units: {points: {name: A, expires: 12}}", "/units/points/expires"),
        ("units: {points: {name: A, expires: {}}}", "/units/points/expires/after"),
        ("units: {points: {name: A, expires: {after: a year}}}", "/units/points/expires/after"),
        ("units: {points: {name: A, expires: {after: P1Y, round_up: week}}}", "/units/points/expires/round_up"),
        ("units: {points: {name: A, expires: {after: P1Y, rounds: year}}}", "/units/points/expires/rounds"),
        ("units: {points: {name: A, expires: {at_end_of: decade}}}", "/units/points/expires/at_end_of"),
        ("units: {points: {name: A, expires: {at_end_of: year, later: -1}}}", "/units/points/expires/later"),
        ("units: {points: {name: A, expires: {at_end_of: year, after: P1Y}}}", "/units/points/expires/after"),
        (
            "units: {points: {name: A, expires: {at_end_of: year, starting: 2026-03-01T00:00:00Z}}}",
            "/units/points/expires/starting",
        ),
        ("units: {points: {name: A, expires: {on: someday}}}", "/units/points/expires/on"),
        ("units: {points: {name: A, pending: P0D}}", "/units/points/pending"),
        ("units: {points: {name: A, pending: 14}}", "/units/points/pending"),
        (f"units: {{{'a' * 33}: {{name: A}}}}", f"/units/{'a' * 33}"),
    ],
)
def test_a_wrong_value_of_the_program_is_told_at_its_place(rest: str, pointer: str) -> None:
    name = rest.partition(":")[0]
    defaults = {
        "zegel": "1",
        "name": "A",
        "time_zone": "UTC",
        "currencies": "[EUR]",
        "units": "{points: {name: A}}",
    }
    text = "".join(f"{key}: {value}\n" for key, value in defaults.items() if key != name) + rest + "\n"

    mistake = only(text)

    assert (mistake.pointer, mistake.line) == (pointer, text.count("\n"))


@pytest.mark.parametrize(
    ("rest", "pointer", "suggestion"),
    [
        ("multply: 2", "/rules/0/multply", "multiply"),
        ("fixed: 1, include: {category: [a]}", "/rules/0/include/category", "categories"),
        ("rate: {give: 1, per: 1, base: charged}", "/rules/0/rate/base", "basis"),
        ("rate: {give: 1, per: 1, basis: without-tax}", "/rules/0/rate/basis", "without_tax"),
        ("fixed: 1, colour: red", "/rules/0/colour", None),
    ],
)
def test_a_mistyped_name_or_word_gets_the_nearest_known_one(rest: str, pointer: str, suggestion: str | None) -> None:
    mistake = only(rule(rest))

    assert (mistake.pointer, mistake.suggestion) == (pointer, suggestion)


def test_a_mistyped_unit_tier_and_currency_get_the_nearest_known_one() -> None:
    text = f"""{HEAD}rules:
  - {{id: a, on: purchase, unit: point, fixed: 1}}
  - {{id: b, on: purchase, unit: points, fixed: 1, tiers: [sliver]}}
  - {{id: c, on: purchase, unit: points, rate: {{give: 1, per: {{EUR: 1, EUT: 1}}}}}}
tiers:
  - id: status
    unit: spend
    levels:
      - {{id: bronze, name: Bronze, from: 0}}
      - {{id: silver, name: Silver, from: 200, multiply: {{pionts: 2}}}}
referrals:
  referrer: {{unit: piont, points: 1}}
"""

    assert [(mistake.pointer, mistake.line, mistake.suggestion) for mistake in mistakes(text)] == [
        ("/rules/0/unit", 9, "points"),
        ("/rules/1/tiers/0", 10, "silver"),
        ("/rules/2/rate/per/EUT", 11, "EUR"),
        ("/tiers/0/unit", 14, "spent"),
        ("/tiers/0/levels/1/multiply/pionts", 17, "points"),
        ("/referrals/referrer/unit", 19, "points"),
    ]


@pytest.mark.parametrize(
    ("written", "suggestion"),
    [("europe/amsterdam", "Europe/Amsterdam"), ("Europe/Amsterdm", "Europe/Amsterdam"), ("xyz", None)],
)
def test_a_mistyped_time_zone_gets_the_nearest_one(written: str, suggestion: str | None) -> None:
    mistake = only(HEAD.replace("Europe/Amsterdam", written))

    assert (mistake.pointer, mistake.line, mistake.suggestion) == ("/time_zone", 3, suggestion)


def test_a_rule_gives_in_exactly_one_way() -> None:
    assert told(rule("enabled: true")) == [
        ("/rules/0", RULE_LINE, "must say what it gives: one of rate, per_item, fixed, multiply, reward, tag and tier"),
    ]
    assert told(rule("per_item: 1, fixed: 1, multiply: 2")) == [
        ("/rules/0/fixed", RULE_LINE, "must not stand beside per_item: a rule gives in one way only"),
        ("/rules/0/multiply", RULE_LINE, "must not stand beside per_item: a rule gives in one way only"),
    ]


@pytest.mark.parametrize(
    ("on", "rest", "name", "only_on"),
    [
        ("enrolment", "rate: {give: 1, per: 1}", "rate", "purchase"),
        ("activity", "per_item: 1", "per_item", "purchase"),
        ("enrolment", "multiply: 2", "multiply", "purchase"),
        ("enrolment", "fixed: 1, include: {skus: [a]}", "include", "purchase"),
        ("activity", "fixed: 1, exclude: {skus: [a]}", "exclude", "purchase"),
        ("purchase", "fixed: 1, activities: [survey]", "activities", "activity"),
    ],
)
def test_what_makes_sense_for_one_kind_of_event_is_refused_on_others(
    on: str, rest: str, name: str, only_on: str
) -> None:
    assert told(rule(rest, on=on)) == [(f"/rules/0/{name}", RULE_LINE, f"is only for rules on {only_on}")]


def test_points_have_no_more_decimals_than_their_unit_but_rates_may() -> None:
    text = f"""{HEAD}rules:
  - {{id: a, on: purchase, unit: points, fixed: 1.5}}
  - {{id: b, on: purchase, unit: spent, fixed: "1.005"}}
  - {{id: c, on: purchase, unit: points, rate: {{give: 0.5, per: 1}}}}
  - {{id: d, on: purchase, unit: points, per_item: 0.5}}
  - {{id: e, on: purchase, unit: spent, fixed: "1.50"}}
tiers:
  - id: status
    unit: spent
    levels: [{{id: bronze, name: Bronze, from: 0}}, {{id: silver, name: Silver, from: "200.005"}}]
referrals:
  referee: {{unit: points, points: 0.5}}
"""

    assert told(text) == [
        ("/rules/0/fixed", 9, "has more decimals than the unit has, which is 0"),
        ("/rules/1/fixed", 10, "has more decimals than the unit has, which is 2"),
        ("/tiers/0/levels/1/from", 17, "has more decimals than the unit has, which is 2"),
        ("/referrals/referee/points", 19, "has more decimals than the unit has, which is 0"),
    ]


def test_points_stay_within_what_a_json_reader_with_doubles_reads_exactly() -> None:
    most = 2**53 - 1

    reading.read(rule(f"fixed: {most}"))

    assert told(rule(f"fixed: {most + 1}")) == [("/rules/0/fixed", RULE_LINE, "is too large")]
    assert told(rule(f"per_item: {most}.5")) == [("/rules/0/per_item", RULE_LINE, "is too large")]
    assert told(rule(f"rate: {{give: {most + 1}, per: 1}}")) == [("/rules/0/rate/give", RULE_LINE, "is too large")]
    in_cents = HEAD + f"rules: [{{id: a, on: activity, unit: spent, fixed: {most // 100 + 1}}}]\n"
    assert told(in_cents) == [("/rules/0/fixed", 8, "is too large")]


def test_amounts_fit_their_currency() -> None:
    assert told(rule('rate: {give: 1, per: "0.005"}')) == [
        ("/rules/0/rate/per", RULE_LINE, "has more decimals than the currency has, which is 2"),
    ]
    assert told(rule("rate: {give: 1, per: 10000000000001}")) == [("/rules/0/rate/per", RULE_LINE, "is too large")]


def test_with_several_currencies_each_has_its_amount() -> None:
    two = HEAD.replace("[EUR]", "[EUR, USD]")
    start = two + "rules: [{id: a, on: purchase, unit: points, rate: {give: 1, per: "

    assert told(start + "1}}]\n") == [("/rules/0/rate/per", 8, "must name an amount for each currency: EUR, USD")]
    assert told(start + "{EUR: 1}}}]\n") == [("/rules/0/rate/per", 8, "must also name an amount for USD")]
    reading.read(start + "{EUR: 1, USD: 1.20}}}]\n")


def test_tiers_never_stand_on_a_unit_that_can_be_spent() -> None:
    text = HEAD + "tiers: [{id: status, unit: points, levels: [{id: bronze, name: Bronze, from: 0}]}]\n"

    mistake = only(text)

    assert (mistake.pointer, mistake.line) == ("/tiers/0/unit", 8)
    assert mistake.message.startswith("tiers never stand on a unit that can be spent")


def test_tiers_begin_at_zero_and_ascend() -> None:
    text = f"""{HEAD}tiers:
  - id: status
    unit: spent
    levels:
      - {{id: bronze, name: Bronze, from: 1}}
      - {{id: silver, name: Silver, from: 200}}
      - {{id: gold, name: Gold, from: "200.00"}}
"""

    assert [(pointer, line) for pointer, line, _ in told(text)] == [
        ("/tiers/0/levels/0/from", 12),
        ("/tiers/0/levels/2/from", 14),
    ]


def test_ids_are_unique_among_rules_among_ladders_and_among_the_tiers_of_all_ladders() -> None:
    text = f"""{HEAD}rules:
  - {{id: status, on: activity, unit: points, fixed: 1}}
  - {{id: status, on: activity, unit: points, fixed: 1, enabled: false}}
tiers:
  - {{id: status, unit: spent, levels: [{{id: bronze, name: Bronze, from: 0}}]}}
  - {{id: status, unit: spent, levels: [{{id: bronze, name: Bronze, from: 0}}]}}
"""

    assert told(text) == [
        ("/rules/1/id", 10, "this id is taken by another one above"),
        ("/tiers/1/id", 13, "this id is taken by another one above"),
        ("/tiers/1/levels/0/id", 13, "this id is taken by another one above"),
    ]


@pytest.mark.parametrize("code", ["Base", "1base", "_base", "ba se", "base:", "a" * 33, "bäse", "base\\n"])
def test_ids_are_short_and_plain(code: str) -> None:
    text = HEAD + f'rules: [{{id: "{code}", on: activity, unit: points, fixed: 1}}]\n'

    assert [mistake.pointer for mistake in mistakes(text)] in (["/rules/0/id"], ["/rules/0/id"] * 2)


def test_referrals_give_something_and_have_time() -> None:
    assert told(HEAD + "referrals: {minimum: 10}\n") == [
        ("/referrals", 8, "must say what the referrer, the referee or both get"),
    ]
    assert told(HEAD + "referrals: {lapse: P0D, referee: {unit: points, points: 1}}\n") == [
        ("/referrals/lapse", 8, "must be at least a day"),
    ]


@pytest.mark.parametrize(
    ("currencies", "cost", "pointer", "message"),
    [
        ("EUR", "0", "", "must be above zero"),
        ("EUR", "{}", "", "must name one currency"),
        ("EUR", '{USD: "0.01"}', "/USD", "the program does not list this currency"),
        ("EUR, SEK", '"0.01"', "", "must name its currency, one of EUR, SEK"),
        ("EUR, SEK", '{EUR: "0.01", SEK: "0.1"}', "", "must name one currency"),
    ],
)
def test_a_point_costs_something_in_one_currency(currencies: str, cost: str, pointer: str, message: str) -> None:
    head = HEAD.replace("[EUR]", f"[{currencies}]")
    text = head.replace("points: {name: Points}", f"points: {{name: Points, cost_per_point: {cost}}}")

    assert told(text) == [("/units/points/cost_per_point" + pointer, 6, message)]


def test_what_cannot_be_spent_has_no_cost() -> None:
    text = HEAD.replace("spendable: false", 'spendable: false, cost_per_point: "1.00"')

    assert told(text) == [("/units/spent/cost_per_point", 7, "what cannot be spent costs nothing")]


def test_transfers_are_of_units_that_can_be_spent_and_have_limits_of_those() -> None:
    """Semantics L13."""
    assert told(HEAD + "transfers: {daily_limit: {points: 5}}\n") == [("/transfers/units", 8, "is missing")]
    assert told(HEAD + "transfers: {units: [pints, spent]}\n") == [
        ("/transfers/units/0", 8, "there is no such unit"),
        ("/transfers/units/1", 8, "what cannot be spent is not passed on"),
    ]
    assert told(HEAD + "transfers: {units: [points], daily_limit: {points: 1.5, spent: 1, pints: 1}}\n") == [
        ("/transfers/daily_limit/points", 8, "has more decimals than the unit has, which is 0"),
        ("/transfers/daily_limit/spent", 8, "members cannot pass this unit on: list it in units"),
        ("/transfers/daily_limit/pints", 8, "there is no such unit"),
    ]


def test_adjustments_have_reasons_and_limits_of_units_that_there_are() -> None:
    assert told(HEAD + "adjustments: {daily_limit: {points: 5}}\n") == [("/adjustments/reasons", 8, "is missing")]
    assert told(HEAD + "adjustments: {reasons: []}\n") == [("/adjustments/reasons", 8, "must not be empty")]
    assert told(HEAD + "adjustments: {reasons: [a, a]}\n") == [("/adjustments/reasons", 8, "names something twice")]
    assert told(HEAD + "adjustments: {reasons: [a], daily_limit: {pints: 5}, approval_above: {points: 1.5}}\n") == [
        ("/adjustments/approval_above/points", 8, "has more decimals than the unit has, which is 0"),
        ("/adjustments/daily_limit/pints", 8, "there is no such unit"),
    ]


def test_a_malformed_part_does_not_hide_mistakes_elsewhere_nor_cause_more() -> None:
    text = f"""{HEAD}  stamps: {{name: Stamps, decimals: many}}
rules:
  - {{id: a, on: purchase, unit: stamps, fixed: 1, tiers: [gold]}}
  - {{id: a, on: purchase, unit: points, fixed: lots}}
  - {{id: c, on: purchase, unit: points, fixed: 1.5}}
tiers:
  - id: status
    unit: spent
    levels: [{{id: bronze, name: Bronze, from: 0}}, {{id: gold, name: Gold, from: much}}]
"""

    assert [(mistake.pointer, mistake.line) for mistake in mistakes(text)] == [
        ("/units/stamps/decimals", 8),
        ("/rules/1/fixed", 11),
        ("/rules/1/id", 11),
        ("/rules/2/fixed", 12),
        ("/tiers/0/levels/1/from", 16),
    ]


def test_a_malformed_part_is_told_with_what_it_names_that_is_not_there() -> None:
    text = HEAD + (
        "rewards: {coffee: {name: Coffee}}\n"
        "locations: {utrecht: {}}\n"
        "rules:\n"
        "  - {id: r, on: purchase, unit: pionts, fixed: -4, locations: [utrect, utrecht], if: totl > 3}\n"
        "  - {id: s, on: purchas, reward: cofee, if: totl > 3}\n"
        "milestones:\n"
        "  - {id: m, unit: spnet, every: 0, give: {unit: pionts, points: 1}}\n"
        "schedules:\n"
        "  - {id: t, after: tier, tier: gold, wait: P0D}\n"
        "tiers:\n"
        "  - {id: l, unit: spnet, levels: []}\n"
        "referrals: {referrer: {unit: pionts, points: -1}}\n"
        "returns: {shortage: clmp, deficit_floor: {pionts: 5}}\n"
        "transfers: {units: [pionts], daily_limit: {points: -1}}\n"
    )

    found = [(mistake.pointer, mistake.suggestion) for mistake in mistakes(text)]

    assert sorted(found) == sorted(
        [
            ("/rules/0/fixed", None),
            ("/rules/0/unit", "points"),
            ("/rules/0/locations/0", "utrecht"),
            ("/rules/0/if", "total"),
            ("/rules/1/on", "purchase"),
            ("/rules/1/reward", "coffee"),
            ("/milestones/0/every", None),
            ("/milestones/0/unit", "spent"),
            ("/milestones/0/give/unit", "points"),
            ("/schedules/0/wait", None),
            ("/schedules/0/tier", None),
            ("/tiers/0/levels", None),
            ("/tiers/0/unit", "spent"),
            ("/referrals/referrer/points", None),
            ("/referrals/referrer/unit", "points"),
            ("/returns/shortage", "clamp"),
            ("/returns/deficit_floor/pionts", "points"),
            ("/transfers/daily_limit/points", None),
            ("/transfers/units/0", "points"),
        ]
    )


def test_of_a_malformed_part_what_is_no_name_is_not_taken_for_one() -> None:
    text = rule("fixed: -4, tier: {tier: 5, for: P1Y}, group: 7, segments: vip")

    assert {mistake.pointer for mistake in mistakes(text)} == {
        "/rules/0/fixed",
        "/rules/0/tier/tier",
        "/rules/0/group",
        "/rules/0/segments",
    }
