"""What the steps of an explanation say to people, in each language: the one table of it.

A new step or reason needs a line here: a test compares the table with the codes that the core gives.
"""

from collections.abc import Mapping
from enum import StrEnum


class Language(StrEnum):
    """The languages in which explanations are told."""

    ENGLISH = "en"
    DUTCH = "nl"


def _said(english: str, dutch: str) -> Mapping[Language, str]:
    return {Language.ENGLISH: english, Language.DUTCH: dutch}


STEPS: Mapping[str, Mapping[Language, str]] = {
    "rate": _said("{goods} at {give} per {per} = {number}", "{goods}, {give} per {per} = {number}"),
    "per_item": _said("{goods} at {give} each = {number}", "{goods}, {give} per stuk = {number}"),
    "multiply": _said("{rule} ×{factor} = {number}", "{rule} ×{factor} = {number}"),
    "fixed": _said("{rule}: {number}", "{rule}: {number}"),
    "reward": _said("{rule}: {number}", "{rule}: {number}"),
    "tier": _said("{rule}: {number}", "{rule}: {number}"),
    "rule_cap": _said("{rule}: {number} over its limit", "{rule}: {number} boven de grens"),
    "group_cap": _said("{rule}: {number} over its group's limit", "{rule}: {number} boven de groepsgrens"),
    "unit_cap": _said("{rule}: {number} over the unit's limit", "{rule}: {number} boven de puntengrens"),
    "program_cap": _said("{rule}: {number} over the limit for all", "{rule}: {number} boven de grens voor alles"),
    "tag": _said("{rule}: {number}", "{rule}: {number}"),
    "reward_taken": _said("{rule} taken back: {number}", "{rule} teruggenomen: {number}"),
    "tag_taken": _said("{rule} taken back: {number}", "{rule} teruggenomen: {number}"),
    "tier_taken": _said("{rule} taken back: {number}", "{rule} teruggenomen: {number}"),
    "round": _said("rounded: {number}", "afgerond: {number}"),
    "adjusted": _said("by hand: {number}", "met de hand: {number}"),
    "captured": _said("paid: {number}", "betaald: {number}"),
    "consumed": _said("{rule} used up: {number}", "{rule} verbruikt: {number}"),
    "forgiven": _said("forgiven: {number}", "kwijtgescholden: {number}"),
    "freed": _said("no longer kept aside: {number}", "niet meer apart gehouden: {number}"),
    "given": _said("passed on: {number}", "doorgegeven: {number}"),
    "given_after": _said("for what is left: {number}", "voor wat overblijft: {number}"),
    "given_before": _said("given until now: {number}", "tot nu toe gegeven: {number}"),
    "held": _said("kept aside: {number}", "apart gehouden: {number}"),
    "milestone": _said("{rule} reached: {number}", "{rule} gehaald: {number}"),
    "not_captured": _said("what was kept aside is gone", "wat apart gehouden was, is er niet meer"),
    "qualified": _said("{rule} looked at: {number}", "{rule} bekeken: {number}"),
    "received": _said("received: {number}", "ontvangen: {number}"),
    "taken": _said("taken back: {number}", "teruggenomen: {number}"),
}
"""What happened; `{number}` is what the step led to."""

ROUNDED: Mapping[str, Mapping[Language, str]] = {
    "down": _said("rounded down: {number}", "naar beneden afgerond: {number}"),
    "half_up": _said("rounded: {number}", "afgerond: {number}"),
    "up": _said("rounded up: {number}", "naar boven afgerond: {number}"),
}
"""How a unit rounds."""

REASONS: Mapping[str, Mapping[Language, str]] = {
    "condition_failed": _said("{rule}: cannot be judged", "{rule}: niet te beoordelen"),
    "condition_not_met": _said("{rule}: its condition is not met", "{rule}: voorwaarde niet vervuld"),
    "missing_attribute": _said("{rule}: something it needs is missing", "{rule}: een gegeven ontbreekt"),
    "missing_discount": _said("{rule}: a line's discount is not known", "{rule}: korting van een regel onbekend"),
    "missing_tax": _said("{rule}: the tax of a line is not known", "{rule}: btw van een regel onbekend"),
    "excluded": _said("{rule}: another one stands alone", "{rule}: een andere geldt alleen"),
    "no_room": _said("{rule}: its limit is reached", "{rule}: grens bereikt"),
    "not_best": _said("{rule}: another one gives more", "{rule}: een andere geeft meer"),
    "not_first": _said("{rule}: another one came first", "{rule}: een andere ging voor"),
    "stopped": _said("{rule}: another one ends it", "{rule}: een andere sluit deze uit"),
    "no_goods": _said("{rule}: only for purchases", "{rule}: alleen voor aankopen"),
    "not_covered": _said("{rule}: not for these goods", "{rule}: niet voor deze artikelen"),
    "not_yet": _said("{rule}: has not begun", "{rule}: nog niet begonnen"),
    "other_activity": _said("{rule}: not for this activity", "{rule}: niet voor deze activiteit"),
    "other_channel": _said("{rule}: not in this channel", "{rule}: niet via dit kanaal"),
    "other_currency": _said("{rule}: not in this currency", "{rule}: niet in deze munt"),
    "other_location": _said("{rule}: not at this location", "{rule}: niet op deze plek"),
    "other_payment": _said("{rule}: not for this way of paying", "{rule}: niet voor deze betaalwijze"),
    "other_schedule": _said("{rule}: not for this occasion", "{rule}: niet voor deze gelegenheid"),
    "other_segment": _said("{rule}: not for this group", "{rule}: niet voor deze groep"),
    "other_shop": _said("{rule}: not in this shop", "{rule}: niet in deze winkel"),
    "other_tag": _said("{rule}: not without its tag", "{rule}: niet zonder dit kenmerk"),
    "other_tier": _said("{rule}: not for this tier", "{rule}: niet voor dit niveau"),
    "other_time": _said("{rule}: not at this time", "{rule}: niet op dit moment"),
    "other_visit": _said("{rule}: not on this visit", "{rule}: niet bij dit bezoek"),
    "switched_off": _said("{rule}: is switched off", "{rule}: staat uit"),
    "over": _said("{rule}: is over", "{rule}: is voorbij"),
    "wrong_attribute": _said("{rule}: a fact is of another kind", "{rule}: een gegeven is onjuist"),
}
"""Why a rule gave nothing."""

AVAILABLE = _said("{unit} available: {number}", "{unit} te besteden: {number}")
MOVED = _said("{unit}: {number}", "{unit}: {number}")
LACKS = _said("{rule}: {number} is missing", "{rule}: {number} ontbreekt")
"""A rule gave nothing for want of these attributes."""
OF = _said("{part} of {whole}", "{part} van {whole}")
WHOLE_STEPS = _said("{goods} at {give} per whole {per} = {number}", "{goods}, {give} per hele {per} = {number}")
