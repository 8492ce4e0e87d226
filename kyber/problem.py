"""Place and Problem: something a user can mend, where it stands, and its stable code. Words and cure: `kyber.text`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Severity(StrEnum):
    """How much a problem matters: an error breaks what it stands in, a warning may, a note only informs."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A file as the user named it, and a line in it, counted from 1; 0 means the file as a whole."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend.

    `code` is stable: K registers, R rules, F formats and reading, S settings. The catalogues hold, per code, a message
    and a cure with `{name}` places that `facts` fills.
    """

    place: Place
    code: str
    facts: Mapping[str, object] = field(default_factory=dict)
    severity: Severity = Severity.ERROR
