"""Why a rule gave nothing, where that needs the rules again: made when read, and never recorded (semantics E2)."""

from collections.abc import Iterable, Mapping, Sequence

from app.domain import chain, encoding, seeing
from app.domain.basket import covers
from app.domain.commands import Line, Purchase
from app.domain.events import Recorded
from app.domain.rules import Measured, Rule, Rules
from app.domain.seeing import Seen
from app.domain.steps import MISSING, SWITCHED_OFF, Step


def switched_off(event: Recorded, rules: Rules) -> tuple[Step, ...]:
    """A step for each rule of the version that would be asked about such an event, but is switched off (A3)."""
    return tuple((off.rule, off.unit, SWITCHED_OFF, "0") for off in rules.switched_off if off.kind == event.kind)


def missing(event: Recorded, rules: Rules) -> Mapping[str, Sequence[str]]:
    """By rule, the declared attributes for want of which it gave nothing, as conditions call them."""
    silent = {rule for rule, _, what, _ in event.steps if what == MISSING}
    if not silent:
        return {}
    content = chain.decode_content(event.content)
    seen = seeing.again(chain.context_of(event.content))
    facts = encoding.decode_facts(event.kind, content.facts) if event.kind == Purchase.kind else None
    lines = facts.lines if isinstance(facts, Purchase) else ()
    return {rule.code: _lacks(rule, rules, seen, lines) for rule in rules.rules if rule.code in silent}


def _lacks(rule: Rule, rules: Rules, seen: Seen, lines: Iterable[Line]) -> Sequence[str]:
    condition = rule.applies.condition
    names = set() if condition is None else set(condition.names)
    if isinstance(rule.gives, Measured) and rule.gives.number is not None:
        names.add(f"event_{rule.gives.number}")
    of_event = {f"event_{name}" for name in rules.attributes.event.keys() - seen.event.keys()}
    of_lines = {
        f"line_{name}"
        for line in lines
        if line.amount >= 0 and covers(rule, line)
        for name in rules.attributes.line.keys() - seen.lines.get(line.id, {}).keys()
    }
    return sorted(names & (of_event | of_lines))
