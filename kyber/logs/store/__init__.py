"""Where events are kept: what scans and searches ask of a store, whichever it is.

A store gives what it holds in parts, each of one source, UTC day and field table, and the events of a part in batches.
The embedded store is Parquet; the other is Elasticsearch.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from kyber.logs.batch import EventBatch
from kyber.logs.values import NO_TIME
from kyber.problem import Problem

if TYPE_CHECKING:
    from kyber.logs.store.narrow import Narrow

__all__ = ["ALL", "Fresh", "Key", "Part", "Period", "Store"]


@dataclass(frozen=True, slots=True)
class Period:
    """A span of time: microseconds since the epoch (UTC), from `start` on and before `end`; None: without a bound."""

    start: int | None = None
    end: int | None = None

    @property
    def bounded(self) -> bool:
        return self.start is not None or self.end is not None

    def holds(self, times: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of some times are in it; no event without a time is, where there is a bound."""
        held = np.ones(len(times), dtype=bool) if not self.bounded else times != NO_TIME
        if self.start is not None:
            held &= times >= self.start
        if self.end is not None:
            held &= times < self.end
        return held


ALL: Final = Period()
"""All times, and events without one."""

Key = int | str
"""What names the content of a part: another content, another key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Stored events that are read together: of one source, UTC day (or `undated`) and field table.

    `rows` counts events, `records` the raw records in them and `undated` the events without a time; `first` and `last`
    are the times of the others in microseconds, None where there is none. `size` is in bytes as stored, 0 where the
    store does not know. `read` gives the events in batches. Where it is given a narrow, those that the narrow does not
    hold may be left out; but of the events of every shape (fields, and what tells their kind) at least one is given.
    """

    key: Key
    source: str
    day: str
    table: str
    rows: int
    records: int
    undated: int
    first: int | None
    last: int | None
    size: int
    read: "Callable[[Narrow | None], Iterator[EventBatch]]"

    @property
    def weight(self) -> int:
        """How much there is to read of it, beside other parts."""
        return self.size or self.rows


@dataclass(frozen=True, slots=True)
class Fresh:
    """The days of which something arrived since they were scanned last. `scanned` remembers that they were now."""

    days: tuple[str, ...]
    scanned: Callable[[], None]


class Store(Protocol):
    """What gives stored events, wherever they are. It may give more than was asked for, never fewer.

    Every method raises StoreError or, where the store is elsewhere, ClusterError.
    """

    @property
    def narrows(self) -> bool:
        """Whether it is worth the while to say which events are needed: others are then left out."""
        ...

    def reading(self) -> AbstractContextManager[None]:
        """While this lasts, parts stay as they are; it may be entered again within."""
        ...

    def parts(
        self, period: Period = ALL, *, sources: Sequence[str] | None = None, days: Sequence[str] | None = None
    ) -> Sequence[Part]:
        """The parts that may hold events of a period, by day and source."""
        ...

    def events(
        self,
        period: Period = ALL,
        *,
        sources: Sequence[str] | None = None,
        days: Sequence[str] | None = None,
        narrow: "Narrow | None" = None,
    ) -> Iterator[EventBatch]:
        """The events of a period, by day and source or by time; `narrow` as in `Part.read`. Events without a time are
        given where the period has no bounds."""
        ...

    def number(self, period: Period = ALL, *, sources: Sequence[str] | None = None) -> int:
        """How many events of a period there are, whatever a narrow leaves out."""
        ...

    def event(self, identity: str, period: Period = ALL) -> tuple[EventBatch, int] | None:
        """The event of an id (32 hexadecimal digits) as a batch and a row, where it is there and may be of a period."""
        ...

    def arrivals(self, source: str, start: int, end: int, step: int) -> frozenset[int]:
        """When something of a source arrived, from a time on and not after another: in steps since the epoch."""
        ...

    def heard(self, questions: Collection[bytes]) -> Mapping[bytes, Mapping[Key, bytes]]:
        """What is remembered of some questions, by the key of the part; questions not among these are forgotten."""
        ...

    def note(self, part: Part, question: bytes, answer: bytes) -> None:
        """An answer that `remember` will keep."""
        ...

    def remember(self) -> None:
        """Keep what was found out and makes the next scan faster; where that cannot be, never mind."""
        ...

    def fresh(self) -> Fresh:
        """What is to be scanned: the days with something new."""
        ...

    def doubts(self) -> Sequence[Problem]:
        """What was odd about what was read since it was opened."""
        ...
