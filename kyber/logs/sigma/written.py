"""A document of a rule file as checks look at it: its items with their paths, and what a check says of them.

Checks ask what a rule's author wrote, not what it means; so they look at documents and not at rules.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from kyber.logs.batch import LogSource
from kyber.problem import Place, Problem, Severity
from kyber.yamltext import line_of

Path = tuple[str | int, ...]
SECTIONS: Mapping[str, frozenset[str]] = {
    "detection": frozenset(("condition", "timeframe")),
    "filter": frozenset(("condition", "rules")),
}
"""Where selections stand -> the keys there that are none."""


class Part(Enum):
    """What of a mapping's entry a Change writes: its value, its key, or the whole of a new one."""

    VALUE = "value"
    KEY = "key"
    NEW = "new"


@dataclass(frozen=True, slots=True)
class Change:
    """A text to be written at a path of a document; a new entry stands below the title."""

    path: Path
    text: str
    part: Part = Part.VALUE


@dataclass(frozen=True, slots=True)
class Item:
    """`field|modifier: values` of a selection; keywords have no field. `path` leads to the values.

    `listed`: the values stand in a list. `is_key`: the last step of the path is the item's key.
    """

    path: Path
    field: str
    modifiers: tuple[str, ...]
    values: tuple[Any, ...]
    listed: bool
    is_key: bool

    def path_of(self, index: int) -> Path:
        """The path of one of the values."""
        return (*self.path, index) if self.listed else self.path


@dataclass(frozen=True, slots=True)
class Written:
    """One document of a rule file: the file as the user named it, the document's number in it from 0, and its value."""

    file: str
    number: int
    document: Mapping[str, Any]

    def place(self, *path: str | int) -> Place:
        """Where something stands."""
        return Place(self.file, line_of(self.document, path, 1))

    @property
    def logsource(self) -> LogSource | None:
        """The logsource, as far as it is one."""
        given = self.document.get("logsource")
        if not isinstance(given, dict):
            return None
        named = {key: given.get(key) for key in LogSource.__slots__}
        return LogSource(**{key: value.lower() for key, value in named.items() if isinstance(value, str)})

    def sections(self) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
        """Each section that holds selections: its key, its whole, and the selections by name."""
        for key, others in SECTIONS.items():
            given = self.document.get(key)
            if isinstance(given, dict):
                yield key, given, {name: value for name, value in given.items() if name not in others}

    def items(self) -> Iterator[Item]:
        """The items of every selection, in order."""
        for key, _, selections in self.sections():
            for name, value in selections.items():
                yield from _items(value, (key, name))


def _items(value: Any, path: Path) -> Iterator[Item]:
    if isinstance(value, dict):
        for key, inner in value.items():
            field, *modifiers = key.split("|")
            listed = isinstance(inner, list)
            yield Item((*path, key), field, tuple(modifiers), tuple(inner) if listed else (inner,), listed, True)
    elif isinstance(value, list) and any(isinstance(one, dict) for one in value):
        for index, one in enumerate(value):
            yield from _items(one, (*path, index))
    elif isinstance(value, list):
        yield Item(path, "", (), tuple(value), True, False)
    else:
        yield Item(path, "", (), (value,), False, False)


@dataclass(frozen=True, slots=True)
class Hit:
    """What a check says: a problem, and the change that mends it where that is safe."""

    problem: Problem
    change: Change | None = None


def doubt(
    code: str,
    one: Written,
    path: Path,
    severity: Severity = Severity.WARNING,
    change: Change | None = None,
    **facts: object,
) -> Hit:
    """A hit at a path of a document."""
    return Hit(Problem(one.place(*path), code, facts, severity), change)
