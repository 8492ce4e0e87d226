"""Where events are kept: batches and cursors in, batches of a period out. The embedded store is Parquet."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from kyber.logs.batch import EventBatch

__all__ = ["ALL", "Period", "Store"]


@dataclass(frozen=True, slots=True)
class Period:
    """A span of time: microseconds since the epoch (UTC), from `start` on and before `end`; None: without a bound."""

    start: int | None = None
    end: int | None = None

    @property
    def bounded(self) -> bool:
        return self.start is not None or self.end is not None


ALL: Final = Period()
"""All times, and events without one."""


class Store(Protocol):
    """What gives stored events, wherever they are. It may give more than was asked for, never fewer."""

    def events(
        self, period: Period = ALL, *, sources: Sequence[str] | None = None, days: Sequence[str] | None = None
    ) -> Iterator[EventBatch]: ...
