"""Whether the parts of a document agree with each other, part by part."""

from app.program.checking.names import nearest
from app.program.checking.whole import check, check_new

__all__ = ["check", "check_new", "nearest"]
