"""Numbers over sliding windows: the rows of a window by where it begins and ends in, what it holds out, exactly.

Windows come in order: neither their beginnings nor their ends ever go back. Everything here is linear in the rows, or
nearly so; sums and comparisons are made in whole numbers, so that nothing drifts as the window moves.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Signs = NDArray[np.int8]
_SAFE: Final = 2**62
"""Whole numbers up to this size are added and multiplied in 64 bits; others in as many as they need."""


@dataclass(frozen=True, slots=True)
class Windows:
    """For each row, the window that ends with it: the rows from `low` on and before `high`."""

    low: Integers
    high: Integers

    def __len__(self) -> int:
        return len(self.low)

    def sums(self, values: NDArray[Any]) -> NDArray[Any]:
        """The sum of a whole number in each row, over each window."""
        exact = values.astype(object) if _largest(values) * max(1, len(values)) >= _SAFE else values.astype(np.int64)
        upto = np.concatenate((np.zeros(1, dtype=exact.dtype), np.cumsum(exact)))
        found: NDArray[Any] = upto[self.high] - upto[self.low]
        return found

    def distinct(self, codes: NDArray[np.integer[Any]]) -> Integers:
        """How many different codes each window holds; those below 0 do not count."""
        held = [0] * (int(codes.max(initial=-1)) + 1)
        listed = codes.tolist()
        many = start = end = 0
        found = []
        for low, high in zip(self.low.tolist(), self.high.tolist(), strict=True):
            for code in listed[end:high]:
                if code >= 0:
                    many += not held[code]
                    held[code] += 1
            for code in listed[start:low]:
                if code >= 0:
                    held[code] -= 1
                    many -= not held[code]
            start, end = low, max(end, high)
            found.append(many)
        return np.array(found, dtype=np.int64)

    def extreme(self, values: NDArray[np.integer[Any]], nothing: int) -> Integers:
        """The largest value in each window, `nothing` not counted; `nothing` where there is none."""
        listed = values.tolist()
        kept: deque[int] = deque()
        end = 0
        found = []
        for low, high in zip(self.low.tolist(), self.high.tolist(), strict=True):
            for row in range(end, high):
                if listed[row] != nothing:
                    while kept and listed[kept[-1]] <= listed[row]:
                        kept.pop()
                    kept.append(row)
            end = max(end, high)
            while kept and kept[0] < low:
                kept.popleft()
            found.append(listed[kept[0]] if kept else nothing)
        return np.array(found, dtype=np.int64)


def in_order(
    windows: Windows, times: Integers, begins: Integers, steps: NDArray[np.integer[Any]], most: int
) -> Integers:
    """How many of the steps 0, 1, … `most` - 1 each window holds one after the other, some perhaps left out.

    Rows of one time are in whatever order serves. `begins`: for each row, the first row of its group. A row of a group
    is after the rows before it; within one time, rows come by step.
    """
    # latest[step][length]: the latest beginning of that many steps in order, the last of them at most `step`.
    never = np.iinfo(np.int64).min
    found = np.zeros(len(windows), dtype=np.int64)
    latest: list[list[int]] = []
    group = -1
    lows = times[windows.low].tolist() if len(windows) else []
    highs, listed, firsts, at = windows.high.tolist(), steps.tolist(), begins.tolist(), times.tolist()
    done = 0
    for row in range(len(windows)):
        if firsts[row] != group:
            group, done = firsts[row], row
            latest = [[never] * (most + 1) for _ in range(most)]
        while done < highs[row]:
            step, time = listed[done], at[done]
            for length in range(step + 1, 0, -1):
                begin = time if length == 1 else latest[step - 1][length - 1]
                for after in range(step, most):
                    if latest[after][length] >= begin:
                        break
                    latest[after][length] = begin
            done += 1
        last = latest[-1]
        found[row] = next((length for length in range(most, 0, -1) if last[length] >= lows[row]), 0)
    return found


# --- what windows come to --------------------------------------------------------------------------------------------


class Measured(Protocol):
    """A number for each window, or none."""

    @property
    def some(self) -> NDArray[np.bool_]:
        """Whether the window has a number at all."""
        ...

    def against(self, limit: Fraction) -> Signs:
        """Whether the number is below (-1), at (0) or above (1) a limit."""
        ...

    def at(self, row: int) -> Fraction:
        """The number of one window that has one."""
        ...


@dataclass(frozen=True, slots=True)
class Ratio:
    """Whole numbers over whole numbers above 0: counts, sums and means."""

    above: NDArray[Any]
    below: NDArray[Any]
    some: NDArray[np.bool_]

    @classmethod
    def counts(cls, counts: Integers) -> "Ratio":
        """Counts, which every window has."""
        return cls(counts, np.ones(len(counts), dtype=np.int64), np.ones(len(counts), dtype=bool))

    def against(self, limit: Fraction) -> Signs:
        mine = _times(self.above, limit.denominator)
        theirs = _times(self.below, limit.numerator)
        return ((mine > theirs).astype(np.int8) - (mine < theirs).astype(np.int8)).astype(np.int8)

    def at(self, row: int) -> Fraction:
        return Fraction(int(self.above[row]), int(self.below[row]))


@dataclass(frozen=True, slots=True)
class Numbers:
    """The value of each row, as a place among the different values in rising order; below 0 where it has none."""

    places: Integers
    values: Sequence[Fraction]

    @property
    def scale(self) -> int:
        """What every value times this is whole."""
        return lcm(*(one.denominator for one in self.values)) if self.values else 1

    @property
    def whole(self) -> NDArray[Any]:
        """Each row's value times the scale; 0 where it has none."""
        scale = self.scale
        scaled = np.array([*(int(one * scale) for one in self.values), 0], dtype=object)
        small = _largest(scaled) < _SAFE
        return (scaled.astype(np.int64) if small else scaled)[self.places]

    @property
    def there(self) -> Integers:
        """1 for each row that has a value."""
        return (self.places >= 0).astype(np.int64)


def summed(windows: Windows, numbers: Numbers) -> Ratio:
    """The sum of each window's values."""
    sums = windows.sums(numbers.whole)
    return Ratio(sums, _full(sums, numbers.scale), windows.sums(numbers.there) > 0)


def averaged(windows: Windows, numbers: Numbers) -> Ratio:
    """The mean of each window's values."""
    many = windows.sums(numbers.there)
    return Ratio(windows.sums(numbers.whole), _times(np.maximum(many, 1), numbers.scale), many > 0)


class Ranked:
    """The value at a rank of each window's values in rising order, or the mean of it and the next one.

    Whether it is below a limit is told from how many of the values are, without sorting any window.
    """

    def __init__(self, windows: Windows, numbers: Numbers, percentile: Fraction | None) -> None:
        """`percentile`: by nearest rank; None: the median, of an even number the mean of the two in the middle."""
        self.windows, self.numbers = windows, numbers
        self.many = windows.sums(numbers.there)
        self.some = self.many > 0
        if percentile is None:
            self.rank = (self.many + 1) // 2
            self.paired = self.some & (self.many % 2 == 0)
        else:
            above, below = percentile.numerator, percentile.denominator * 100
            self.rank = np.maximum(1, -(-self.many * above // below))
            self.paired = np.zeros(len(windows), dtype=bool)

    def _below(self, place: int) -> Integers:
        """How many values of each window come before a place among the different ones."""
        return self.windows.sums(((self.numbers.places >= 0) & (self.numbers.places < place)).astype(np.int64))

    def against(self, limit: Fraction) -> Signs:
        values = self.numbers.values
        low = sum(one < limit for one in values)
        high = sum(one <= limit for one in values)
        less, upto = self._below(low), self._below(high)
        signs = np.where(less >= self.rank, -1, np.where(upto >= self.rank, 0, 1)).astype(np.int8)
        if self.paired.any():
            second = np.where(less >= self.rank + 1, -1, np.where(upto >= self.rank + 1, 0, 1)).astype(np.int8)
            both = np.sign(signs.astype(np.int64) + second).astype(np.int8)
            signs = np.where(self.paired, both, signs)
            split = np.flatnonzero(self.paired & (less == self.rank) & (second == 1))
            if len(split):  # one below the limit and one above it: only here the values themselves have to be known
                signs[split] = self._halves(split, low, limit)
        return signs

    def _halves(self, rows: Integers, low: int, limit: Fraction) -> list[int]:
        places = self.numbers.places
        under = self.windows.extreme(np.where(places < low, places, -1), -1)
        over = -self.windows.extreme(np.where(places >= low, -places, 1), 1)
        values, twice = self.numbers.values, 2 * limit
        pairs = ((values[one] + values[two], twice) for one, two in zip(under[rows], over[rows], strict=True))
        return [(both > of) - (both < of) for both, of in pairs]

    def at(self, row: int) -> Fraction:
        held = self.numbers.places[self.windows.low[row] : self.windows.high[row]]
        ordered = np.sort(held[held >= 0])
        rank, values = int(self.rank[row]), self.numbers.values
        first = values[int(ordered[rank - 1])]
        return (first + values[int(ordered[rank])]) / 2 if self.paired[row] else first


def _largest(values: NDArray[Any]) -> int:
    return max(abs(int(values.max())), abs(int(values.min()))) if len(values) else 0


def _times(values: NDArray[Any], by: int) -> NDArray[Any]:
    """Each value times a whole number, exactly."""
    if _largest(values) * abs(by) >= _SAFE:
        values = values.astype(object)
    found: NDArray[Any] = values * by
    return found


def _full(like: NDArray[Any], value: int) -> NDArray[Any]:
    return np.full(len(like), value, dtype=np.int64 if value < _SAFE else object)
