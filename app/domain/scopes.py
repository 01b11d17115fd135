"""What an API key may do; a key carries a set of these."""

from enum import StrEnum


class Scope(StrEnum):
    """One permission, named in OpenAPI beside each operation that asks for it."""

    EVENTS_WRITE = "events:write"
    EVENTS_READ = "events:read"
    EVENTS_HISTORY = "events:history"
    EVENTS_ADMIT = "events:admit"
    REDEMPTIONS_WRITE = "redemptions:write"
    REDEMPTIONS_OFFLINE = "redemptions:offline"
    TRANSFERS_WRITE = "transfers:write"
    MEMBERS_WRITE = "members:write"
    MEMBERS_READ = "members:read"
    WEBHOOKS_READ = "webhooks:read"
    WEBHOOKS_WRITE = "webhooks:write"
    FEED_READ = "feed:read"
    PROGRAM_READ = "program:read"
    PROGRAM_WRITE = "program:write"
    REPORTS_READ = "reports:read"
    ADJUSTMENTS_READ = "adjustments:read"
    ADJUSTMENTS_WRITE = "adjustments:write"
    ADJUSTMENTS_APPROVE = "adjustments:approve"
    TIERS_WRITE = "tiers:write"
    REFERRALS_READ = "referrals:read"
    REFERRALS_REVIEW = "referrals:review"


DESCRIPTIONS = {
    Scope.EVENTS_WRITE: "send purchases, returns, activities and cancellations",
    Scope.EVENTS_READ: "read recorded events",
    Scope.EVENTS_HISTORY: "send events of the past, without a late limit, and balances of another system",
    Scope.EVENTS_ADMIT: "let in events that were refused",
    Scope.REDEMPTIONS_WRITE: "spend members' points, and give them back",
    Scope.REDEMPTIONS_OFFLINE: "report points that were given out without a network",
    Scope.TRANSFERS_WRITE: "pass members' points on to other members, and take that back",
    Scope.MEMBERS_WRITE: "enrol members, and name the friends who brought them",
    Scope.MEMBERS_READ: "read members, balances, tiers and statements",
    Scope.WEBHOOKS_READ: "read webhook endpoints",
    Scope.WEBHOOKS_WRITE: "create and delete webhook endpoints",
    Scope.FEED_READ: "pull messages",
    Scope.PROGRAM_READ: "read the program and its rules",
    Scope.PROGRAM_WRITE: "draft, try and publish rules, pretend `now` in a dry run",
    Scope.REPORTS_READ: "read what the whole program has issued and owes",
    Scope.ADJUSTMENTS_READ: "read what persons asked to give or take by hand, with their notes",
    Scope.ADJUSTMENTS_WRITE: "give and take points by hand, and take such gifts back",
    Scope.ADJUSTMENTS_APPROVE: "decide on what another person asked to give or take",
    Scope.TIERS_WRITE: "give members tiers by hand, and end such gifts",
    Scope.REFERRALS_READ: "read who brought whom, and what waits for a person to look at",
    Scope.REFERRALS_REVIEW: "decide on referrals that look like fraud",
}

SHOP = (
    Scope.EVENTS_WRITE,
    Scope.EVENTS_READ,
    Scope.REDEMPTIONS_WRITE,
    Scope.MEMBERS_WRITE,
    Scope.MEMBERS_READ,
    Scope.WEBHOOKS_READ,
    Scope.WEBHOOKS_WRITE,
    Scope.FEED_READ,
    Scope.PROGRAM_READ,
)
"""What a shop's key gets unless told otherwise."""

PROGRAM = (
    Scope.EVENTS_READ,
    Scope.EVENTS_ADMIT,
    Scope.MEMBERS_READ,
    Scope.WEBHOOKS_READ,
    Scope.WEBHOOKS_WRITE,
    Scope.FEED_READ,
    Scope.PROGRAM_READ,
    Scope.PROGRAM_WRITE,
    Scope.REPORTS_READ,
    Scope.ADJUSTMENTS_READ,
    Scope.REFERRALS_READ,
)
"""What a program's own key, which belongs to no shop, gets unless told otherwise."""
