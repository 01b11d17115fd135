"""The commands of bodies: amounts in minor units, identities as digests, earlier events by name."""

from app.api.schemas.commands.events import to_command
from app.api.schemas.commands.joining import birthday, check_born, enrolment

__all__ = [
    "birthday",
    "check_born",
    "enrolment",
    "to_command",
]
