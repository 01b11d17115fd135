"""The steps of an explanation: codes and numbers, of which readers make texts (semantics E2)."""

Step = tuple[str, str, str, str]
"""One step: the rule (or "" for what no rule does), its unit, what happened, and the number it led to."""

GAVE = ("rate", "per_item", "fixed", "multiply", "reward", "tag", "tier", "round")
"""What a rule did: the number is what it gave, for `multiply` and `round` the sum that it led to."""
LIMITED = ("rule_cap", "group_cap", "unit_cap", "program_cap")
"""A cap took some of what a rule gave: the number is how much (semantics A5)."""
DOES_NOT_APPLY = (
    "not_yet",
    "over",
    "other_tier",
    "other_activity",
    "other_channel",
    "other_location",
    "other_shop",
    "other_tag",
    "other_segment",
    "other_time",
    "other_visit",
    "other_schedule",
    "condition_not_met",
    "condition_failed",
    "missing_attribute",
    "wrong_attribute",
)
"""Why a rule does not apply; the first that is true, in this order."""
WHY_NOT = (
    *DOES_NOT_APPLY,
    "no_goods",
    "not_covered",
    "other_currency",
    "missing_tax",
    "missing_discount",
    "other_payment",
    "no_room",
    "not_best",
    "not_first",
    "excluded",
    "stopped",
)
"""Why a rule gave nothing: it does not apply (A3), lacks what it counts (A1), or yields to others (A4, A5)."""
TAKEN = {"reward": "reward_taken", "tag": "tag_taken", "tier": "tier_taken"}
"""What is said of a gift that is taken back, by its kind."""
BACK = ("given_before", "given_after", "forgiven", "taken", *TAKEN.values())
"""What became of goods that came back (semantics R2, R3), and of what they had brought (A9)."""
OTHER = ("milestone", "consumed", "qualified", "freed", "received", "adjusted")
"""What else brings or uses points, or looks at them: milestones (A9), reviews (T3), holds, transfers, persons."""
MISSING, SWITCHED_OFF = "missing_attribute", "switched_off"
"""What `reasons` has more to say of, and what only it says: what is switched off is not asked, and never recorded."""
CODES = (*GAVE, *LIMITED, *WHY_NOT, *BACK, *OTHER, SWITCHED_OFF)
"""Everything that a step can say happened."""
