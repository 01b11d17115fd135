"""Documents into the rules of the core, part by part."""

from app.program.compiling.units import compile_unit
from app.program.compiling.whole import compile_next, compile_rules

__all__ = ["compile_next", "compile_rules", "compile_unit"]
