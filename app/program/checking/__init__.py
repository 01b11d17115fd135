"""Whether the parts of a document agree with each other, part by part."""

from app.program.checking.names import nearest
from app.program.checking.whole import check

__all__ = ["check", "nearest"]
