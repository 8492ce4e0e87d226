"""EventBatch: the events of one piece of input as dictionary-encoded columns, with what could not be parsed beside them.

A column holds each distinct value once and one code per event, so that a rule looks at values and not at events.
Columns are made when they are first asked for: what no rule and no output needs is never encoded.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

Codes = NDArray[np.int32]
Scalar = str | int | float | bool | None
Value = Scalar | tuple[Scalar, ...]
ABSENT = -1
MAX_DEPTH = 64
MAX_COLUMNS = 10_000


@dataclass(frozen=True, slots=True)
class Column:
    """One field of a batch. `codes` (int32, one per event) index `values`; ABSENT marks an event without the field.

    A value of None is a field that is there and null. A tuple is an array: a match on any element is a match.
    """

    codes: Codes
    values: Sequence[Value]

    def at(self, row: int) -> Value:
        """The value in one event; None also where the field is absent."""
        code = int(self.codes[row])
        return None if code < 0 else self.values[code]


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that its format could not read: kept whole, with the reason's code and facts."""

    record: int
    offset: int
    raw: bytes
    reason: str
    facts: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Raw records as cut from one input, in order.

    `first` is the number of the first record (from 1), `offsets` the first byte of each in the decompressed stream.
    `cut` holds the indexes of records that were longer than the limit and are therefore incomplete.
    """

    records: Sequence[bytes]
    offsets: Sequence[int]
    first: int = 1
    cut: frozenset[int] = frozenset()


@dataclass(slots=True)
class Parsed:
    """What a parser made of a chunk: events as (nested) mappings, each with the raw record it came from.

    The four lists run side by side. `numbers` and `offsets` are those of an event's first record; `held` says how many
    records each event holds, empty where that is one each. Every record is in an event, a reject, or counted as blank.
    """

    events: list[dict[str, Any]] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    held: list[int] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    blank: int = 0
    repaired: int = 0

    @property
    def records(self) -> int:
        """How many raw records are accounted for here."""
        return (sum(self.held) if self.held else len(self.events)) + len(self.rejects) + self.blank
