"""Which rows who may change: history is added to and read, never changed (architecture §5.4)."""

APPEND_ONLY = frozenset({"rules", "event", "entry", "draw", "tier_term", "block", "message", "attempt", "audit"})
"""Tables whose rows the service may add and read, never change or remove."""


REMOVABLE = frozenset({"message", "attempt", "delivery"})
"""Tables whose rows the janitor may remove when they have had their time."""


REFERENCE = frozenset({"program", "api_key"})
"""Tables outside the rule that `program_id` leads every key."""


SERVICE_ROLE = "zegel_service"
"""The group role that holds the service's rights; the login role of the service is a member of it."""


JANITOR_ROLE = "zegel_janitor"
"""The group role that may remove old messages and attempts, and nothing else; only a worker logs in as a member."""


def janitor_rights(table: str) -> tuple[str, ...]:
    """The privileges of the janitor's role on a table."""
    if table in REMOVABLE:
        return ("SELECT", "DELETE")
    return ("SELECT", "INSERT", "UPDATE") if table == "retention" else ()


def service_rights(table: str) -> tuple[str, ...]:
    """The privileges of the service's role on a table."""
    if table == "retention":
        return ("SELECT",)
    if table in APPEND_ONLY:
        return ("SELECT", "INSERT")
    if table in _NEVER_DELETED:
        return ("SELECT", "INSERT", "UPDATE")
    return ("SELECT", "INSERT", "UPDATE", "DELETE")


_NEVER_DELETED = frozenset(
    {
        "program",
        "api_key",
        "shop",
        "draft",
        "member",
        "account",
        "lane",
        "endpoint",
        "delivery",
        "adjustment",
        "feed_head",
        "replay",
    }
)
