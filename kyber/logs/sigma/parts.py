"""What one correlation looks at: occurrences of its rules, or firings of the correlations that it builds on, as rows.

Rows are told apart by group, time and value.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kyber.logs.sigma.occurrences import Codes, Entry, Gathered, Integers, Path
from kyber.logs.values import fold


@dataclass(frozen=True)
class Happened:
    """Occurrences on one way from a correlation to a rule: rows of what was gathered (None: all), each with a key.

    A key below 0 is a burst of another correlation: -2 less its number.
    """

    path: Path
    gathered: Gathered
    rows: Integers | None
    keys: Integers

    @cached_property
    def times(self) -> Integers:
        return self.gathered.times if self.rows is None else self.gathered.times[self.rows]

    @cached_property
    def sources(self) -> Codes:
        return self.gathered.sources if self.rows is None else self.gathered.sources[self.rows]

    def read(self, names: Sequence[str], entries: Mapping[tuple[str, ...], list[Entry]]) -> tuple[Codes, list[Entry]]:
        """What some fields hold in each row, as codes, and what these stand for."""
        reading = self.path.reading(names)
        if reading not in self._codes:
            codes = self.gathered.codes[reading]
            self._codes[reading] = codes if self.rows is None else codes[self.rows]
        return self._codes[reading], entries[reading]

    @cached_property
    def _codes(self) -> dict[tuple[str, ...], Codes]:
        return {}

    def only(self, path: Path, rows: Integers, keys: Integers) -> "Happened":
        """Some of its rows, on a longer way and under other keys."""
        return Happened(path, self.gathered, rows if self.rows is None else self.rows[rows], keys)


@dataclass(frozen=True, slots=True)
class Silent:
    """Firings of another correlation that no event stands for: all at one time, each with what its group holds."""

    path: Path
    group_by: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]
    keys: Integers
    time: int

    @property
    def times(self) -> Integers:
        return np.full(len(self.groups), self.time, dtype=np.int64)

    def read(self, names: Sequence[str], _: Mapping[tuple[str, ...], list[Entry]]) -> tuple[Codes, list[Entry]]:
        reading = self.path.reading(names)
        here = [self.group_by.index(name) if name in self.group_by else -1 for name in reading]
        found: list[Entry] = [() if -1 in here else (tuple(one[at] for at in here),) for one in self.groups]
        return np.arange(len(found), dtype=np.int32), found


Part = Happened | Silent


class Spread:
    """Texts of alternatives as small numbers, the same for texts that differ only in case."""

    def __init__(self) -> None:
        self.numbers: dict[tuple[str, ...], int] = {}

    def of(self, codes: Codes, entries: Sequence[Entry], absent: int | None) -> tuple[Integers, Integers]:
        """The places of the rows, repeated for each alternative, and the number of each.

        A row without any is left out, or has the number `absent`.
        """
        used = np.flatnonzero(np.bincount(codes))
        alternatives: dict[int, list[int]] = {}
        for code in used.tolist():
            texts = dict.fromkeys(tuple(map(fold, one)) for one in entries[code])
            alternatives[code] = [self.numbers.setdefault(one, len(self.numbers)) for one in texts]
            if not texts and absent is not None:
                alternatives[code] = [absent]
        places = np.zeros(len(entries) + 1, dtype=np.int64)
        places[used] = np.arange(len(used))
        place = places[codes]
        sizes = np.array([len(one) for one in alternatives.values()], dtype=np.int64)
        flat = np.array([each for one in alternatives.values() for each in one], dtype=np.int64)
        if (sizes == 1).all():
            return np.arange(len(codes), dtype=np.int64), flat[place] if len(codes) else flat
        starts = np.cumsum(sizes) - sizes
        many = sizes[place] if len(codes) else sizes[:0]
        rows = np.repeat(np.arange(len(codes), dtype=np.int64), many)
        within = np.arange(len(rows), dtype=np.int64) - np.repeat(np.cumsum(many) - many, many)
        return rows, flat[starts[place[rows]] + within] if len(rows) else flat[:0]


@dataclass(slots=True)
class Rows:
    """The rows of a correlation, by group and time. The arrays run side by side.

    `step`: which of its rules the row is of, -1 for a row that stands for no event but for the time of asking; `part`
    and `row`: where it comes from; `value`: a number for its value, -1 where it has none.
    """

    group: Integers
    time: Integers
    step: Integers
    key: Integers
    part: Integers
    row: Integers
    value: Integers

    def take(self, chosen: NDArray[Any]) -> "Rows":
        return Rows(*(getattr(self, name)[chosen] for name in self.__slots__))
