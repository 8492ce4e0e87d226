"""Hostile text in, Markdown of the kind of GitHub out in which it stands as text, also in tables."""

import re
from collections.abc import Iterable
from typing import Final

_MARKED: Final = re.compile(r"([\\`*_{}\[\]<>|#~&$])")
_BEGINS: Final = re.compile(r"^(\d+(?=[.)])|(?=[-+=]))")
"""What makes a list, a heading or a rule of a line."""
_ADDRESS: Final = re.compile(r"(:(?=//)|(?<=www)\.)", re.IGNORECASE)
"""What makes a link of an address that nobody made one."""


def marked(text: str) -> str:
    """The text within a line, or in a cell of a table."""
    return _MARKED.sub(r"\\\1", text)


def begun(line: str) -> str:
    """A line of Markdown, or an item of a list, that begins no list, heading, rule or code of its own."""
    return _BEGINS.sub(r"\1\\", line.strip())


def unlinked(line: str) -> str:
    """The same without links of what looks like an address."""
    return _ADDRESS.sub(r"\\\1", line)


def row(cells: Iterable[str]) -> str:
    """A row of a table."""
    return f"| {' | '.join(cells)} |"
