"""Rows that match -> how many, by the values of fields, and over time."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise
from math import gcd
from typing import Final

import numpy as np

from kyber.logs.batch import EventBatch
from kyber.logs.column import Places
from kyber.logs.search.fields import Fields
from kyber.logs.search.query import QueryError
from kyber.logs.search.when import micros
from kyber.logs.values import NO_TIME, as_datetime, shown

MAX_GROUPS: Final = 200_000
"""Groups that are told apart; what comes after is counted together."""
MAX_BUCKETS: Final = 10_000
"""Buckets of a histogram."""
BUCKETS: Final = 48
"""Buckets of a histogram of which nobody said how wide they are: about this many at most."""

_SECOND: Final = 1_000_000
_QUARTER, _DAY = 900, 86_400
_MAX_COUNTED: Final = 1_000_000
_WIDTHS: Final = (1, 5, 10, 30, 60, 300, 600, 900, 1_800, 3_600, 10_800, 21_600, 43_200, _DAY)
_WIDTHS_IN_DAYS: Final = (1, 7, 30, 90, 365, 3_650, 36_500)


@dataclass(frozen=True, slots=True)
class Group:
    """Events that agree in some fields: the value of each, None where it is absent, and how many they are."""

    values: tuple[str | None, ...]
    count: int


class Groups:
    """Counts events by the values of fields; an array is one value."""

    def __init__(self, fields: tuple[str, ...]) -> None:
        self.fields = fields
        self.counts: Counter[tuple[str | None, ...]] = Counter()
        self.gathered = 0
        """Events beyond MAX_GROUPS groups."""

    def add(self, batch: EventBatch, rows: Places) -> None:
        """Count some rows of a batch."""
        if not len(rows):
            return
        fields = Fields(batch)
        held = np.zeros(batch.rows, dtype=bool)
        held[rows] = True
        columns = [fields.column(name, held) for name in self.fields]
        codes = np.stack([np.full(len(rows), -1) if one is None else one.codes[rows] for one in columns])
        distinct, counts = np.unique(codes, axis=1, return_counts=True)
        for key, count in zip(distinct.T.tolist(), counts.tolist(), strict=True):
            values = tuple(
                None if column is None or code < 0 or column.values[code] is None else shown(column.values[code])
                for column, code in zip(columns, key, strict=True)
            )
            if values in self.counts or len(self.counts) < MAX_GROUPS:
                self.counts[values] += count
            else:
                self.gathered += count

    def top(self, limit: int | None) -> list[Group]:
        """The groups, the largest first; of those that are as large, by their values."""
        ordered = sorted(self.counts.items(), key=lambda one: (-one[1], tuple(value or "" for value in one[0])))
        return [Group(values, count) for values, count in ordered[:limit]]


@dataclass(frozen=True, slots=True)
class Bucket:
    """From `start` up to, and without, `end` (aware, in the reader's zone), and how many events happened then."""

    start: datetime
    end: datetime
    count: int


class Histogram:
    """Counts events over time, in buckets of `every` seconds; None chooses a width that suits the period.

    Buckets shorter than a day begin at midnight of the zone, longer ones are whole days, and weeks begin on Monday.
    """

    def __init__(self, zone: tzinfo, every: int | None = None) -> None:
        """Raises QueryError for a width that does not fit a calendar."""
        if every is not None and every > _DAY and every % _DAY:
            raise QueryError("buckets longer than a day are whole days: --every 7d")
        self.zone, self.every = zone, every
        # Offsets of time zones are whole quarters of an hour: what is counted in these can be put into any bucket.
        self.unit = gcd(every, _QUARTER) if every else 1
        self.counts: Counter[int] = Counter()
        self.timeless = 0
        """Events that do not say when they happened."""

    def add(self, batch: EventBatch, rows: Places) -> None:
        """Count some rows of a batch. Raises QueryError where they lie too far apart."""
        times = batch.times[rows]
        known = times[times != NO_TIME]
        self.timeless += len(rows) - len(known)
        places, counts = np.unique(known // (self.unit * _SECOND), return_counts=True)
        for place, count in zip(places.tolist(), counts.tolist(), strict=True):
            self.counts[place] += count
        while len(self.counts) > _MAX_COUNTED // 10 and self.every is None and self.unit < _QUARTER:
            self._coarsen(60 if self.unit == 1 else _QUARTER)
        if len(self.counts) > _MAX_COUNTED:
            raise QueryError(
                "the events lie too far apart for a histogram: narrow the period with --since or --between"
            )

    def _coarsen(self, unit: int) -> None:
        factor, finer, self.unit, self.counts = unit // self.unit, self.counts, unit, Counter()
        for place, count in finer.items():
            self.counts[place // factor] += count

    def buckets(self) -> list[Bucket]:
        """The buckets from the first event to the last, empty ones too. Raises QueryError where they are too many."""
        if not self.counts:
            return []
        first, last = min(self.counts) * self.unit, max(self.counts) * self.unit
        every = self.every or _width(last - first + self.unit, self.unit)
        if (last - first) // every > MAX_BUCKETS:
            raise QueryError(f"more than {MAX_BUCKETS:,} buckets: widen them with --every, or narrow the period")
        try:
            edges = self._edges(first, last, every)
        except (OverflowError, ValueError):
            raise QueryError("events at the end of the calendar: narrow the period with --between") from None
        places = np.fromiter(self.counts.keys(), dtype=np.int64, count=len(self.counts)) * self.unit
        counts = np.fromiter(self.counts.values(), dtype=np.int64, count=len(self.counts))
        sums = np.zeros(len(edges) - 1, dtype=np.int64)
        np.add.at(sums, np.searchsorted(edges, places, side="right") - 1, counts)
        return [
            Bucket(self._here(start), self._here(end), count)
            for (start, end), count in zip(pairwise(edges), sums.tolist(), strict=True)
        ]

    def _edges(self, first: int, last: int, every: int) -> list[int]:
        """Where buckets begin, in seconds since the epoch, and where the last one ends."""
        day = self._here(first).replace(hour=0, minute=0, second=0, tzinfo=None)
        days = max(1, every // _DAY)
        day -= timedelta(days=(day.toordinal() - 1) % days)  # weeks begin on Monday
        edges: list[int] = []
        while not edges or edges[-1] <= last:
            steps = range(0, _DAY, every) if every < _DAY else (0,)
            for step in steps:
                edge = micros((day + timedelta(seconds=step)).replace(tzinfo=self.zone)) // _SECOND
                if not edges or edge > edges[-1]:  # in spring an hour is not there
                    edges.append(edge)
            day += timedelta(days=days)
        start = max((place for place, edge in enumerate(edges) if edge <= first), default=0)
        end = next(place for place, edge in enumerate(edges) if edge > last)
        return edges[start : end + 1]

    def _here(self, seconds: int) -> datetime:
        time = as_datetime(seconds * _SECOND)
        return (time or datetime(1970, 1, 1, tzinfo=UTC)).astimezone(self.zone)


def _width(long: int, least: int) -> int:
    widths = (*_WIDTHS, *(days * _DAY for days in _WIDTHS_IN_DAYS[1:]))
    return next((one for one in widths if one >= least and long <= one * BUCKETS), widths[-1])
