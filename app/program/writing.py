"""A document as text for people to read: for versions of which no text was kept."""

import re
from typing import Any

import yaml

from app.program import parsing, reading

LINE = 110
"""Lists and texts go on over a next line after so many characters."""
HEAD = "# Written out from what is stored: this version was published before texts were kept as they were sent.\n"

_BOOL = "tag:yaml.org,2002:bool"


def written_out(canonical: bytes) -> bytes:
    """A canonical document as YAML in the order of the reference, from which the same document is read.

    It is the canonical document itself, which is YAML too, where anything else would be too large to be published
    again. A large one takes seconds: an event loop should leave it to a thread.
    """
    content = reading.content(reading.read(canonical))
    written = HEAD + yaml.dump(
        content, Dumper=_Dumper, allow_unicode=True, sort_keys=False, default_flow_style=None, width=LINE
    )
    text = written.encode()
    return text if len(text) <= reading.MAX_BYTES else canonical


class _Dumper(yaml.SafeDumper):
    """Writes as our documents are written: lists further in, and `on` and `off`, which are text, without quotes."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in pairs if tag != _BOOL]
        for first, pairs in yaml.SafeDumper.yaml_implicit_resolvers.items()
    }

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        """What is said twice is written twice: aliases are not read."""
        return True


# What is text and would be read as one of these without quotes, gets quotes.
_Dumper.add_implicit_resolver(_BOOL, re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"), list("tTfF"))
_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", parsing.OTHER_NUMBER, None)
