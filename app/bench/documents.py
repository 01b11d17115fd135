"""The programs that are measured: a simple one, and one with all that a chain of shops may want."""

SIMPLE = """
zegel: 1
name: Measured
time_zone: Europe/Amsterdam
currencies: [EUR]
units:
  points: {name: Points, expires: {after: P12M}}
  spent: {name: Money spent, decimals: 2, spendable: false}
rules:
  - {id: base, on: purchase, unit: points, rate: {give: 1, per: "1.00"}}
  - {id: spent, on: purchase, unit: spent, rate: {give: "1.00", per: "1.00"}}
  - {id: welcome, on: enrolment, unit: points, fixed: 100000}
tiers:
  - id: status
    unit: spent
    levels:
      - {id: bronze, name: Bronze, from: 0}
      - {id: silver, name: Silver, from: "200.00", multiply: {points: "1.25"}}
      - {id: gold, name: Gold, from: "500.00", multiply: {points: "1.5"}}
"""
"""Points that expire, money spent, a ladder with multipliers; a welcome large enough for every redemption."""

_CONDITIONS = (
    "total >= 20 && channel == 'app'",
    "quantity >= 5",
    "weekday in ['SA', 'SU'] && hour < 12",
    "'gold' in tiers || total > 100",
    "line_amount >= 10 && 'coffee' in line_categories",
    "line_sku.startsWith('4006')",
    "location == 'utrecht-12' && hour >= 17",
    "currency == 'EUR' && day < '2026-01-01'",
    "line_quantity > 3 || line_amount > 50",
    "channel != 'pos' && !('bronze' in tiers)",
)
_CONDITIONAL = "".join(
    f'  - {{id: if-{number}, on: purchase, unit: points, fixed: {number + 1}, if: "{text}"}}\n'
    for number, text in enumerate(_CONDITIONS)
)
_PLACES = "".join(
    f"  - {{id: shop-{number}, on: purchase, unit: points, fixed: 5, locations: [zwolle-{number}]}}\n"
    for number in range(6)
)
_ARTICLES = "".join(
    f'  - {{id: article-{number}, on: purchase, unit: points, per_item: 2, include: {{skus: ["88{number}"]}}}}\n'
    for number in range(5)
)

RICH = (
    SIMPLE.replace("tiers:", "{more}tiers:", 1)
    .replace("rules:", "  stamps: {name: Stamps}\nrules:", 1)
    .replace(
        "{more}",
        _CONDITIONAL
        + _PLACES
        + _ARTICLES
        + """  - {id: stamp, on: purchase, unit: stamps, per_item: 1, include: {categories: [coffee]}}
  - {id: december, on: purchase, unit: points, multiply: 2, from: 2025-12-01, until: 2025-12-31}
  - {id: app, on: purchase, unit: points, multiply: "1.1", channels: [app]}
  - {id: friday, on: purchase, unit: points, fixed: 5, times: [{rule: FREQ=WEEKLY;BYDAY=FR, at: "17:00", lasts: PT2H}]}
  - {id: survey, on: activity, activities: [survey], unit: points, fixed: 20}
  - {id: untaxed, on: purchase, unit: points, rate: {give: 1, per: "10.00"}, exclude: {categories: [gift-card]}}
""",
    )
)
"""Thirty rules, ten of them with a condition, three units and a ladder."""
