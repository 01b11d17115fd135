"""The program document: what a shop owner writes, field by field. The descriptions are what the JSON Schema shows.

Points, thresholds and what rules give are written as the unit is shown (1.25 of a unit with two decimals);
money is written in whole currency (12.50). What the parts say about each other is checked in `checking`.
"""

from app.program.document.base import FORMAT, Part, Periods
from app.program.document.caps import Cap, Group
from app.program.document.circumstances import AttributeKind, Attributes, Location, Tag, Times
from app.program.document.earning import WAYS, Cover, Rate, Rule, TierGift, Visits
from app.program.document.ladders import Benefit, Ladder, Level, ReviewAfter, ReviewWithPeriod
from app.program.document.milestones import Given, Milestone
from app.program.document.referring import Bonus, FriendMilestone, Referrals
from app.program.document.rewards import Reward
from app.program.document.schedules import Schedule
from app.program.document.terms import Adjustments, Events, Holds, Redemptions, Returns, Transfers, Webhooks
from app.program.document.units import Expires, ExpiresInactive, ExpiresOn, ExpiresWithPeriod, PendingFulfilment, Unit
from app.program.document.whole import Document

__all__ = [
    "FORMAT",
    "WAYS",
    "Adjustments",
    "AttributeKind",
    "Attributes",
    "Benefit",
    "Bonus",
    "Cap",
    "Cover",
    "Document",
    "Events",
    "Expires",
    "ExpiresInactive",
    "ExpiresOn",
    "ExpiresWithPeriod",
    "FriendMilestone",
    "Given",
    "Group",
    "Holds",
    "Ladder",
    "Level",
    "Location",
    "Milestone",
    "Part",
    "PendingFulfilment",
    "Periods",
    "Rate",
    "Redemptions",
    "Referrals",
    "Returns",
    "ReviewAfter",
    "ReviewWithPeriod",
    "Reward",
    "Rule",
    "Schedule",
    "Tag",
    "TierGift",
    "Times",
    "Transfers",
    "Unit",
    "Visits",
    "Webhooks",
]
