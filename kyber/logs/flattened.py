"""Nested events in, the columns of their fields out: a field's name is the path to its value.

Columns are made when they are first asked for: what no rule and no output needs is never encoded.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import compress
from typing import Any, Protocol

import numpy as np

from kyber.logs.column import (
    ABSENT,
    NESTED,
    PLAIN,
    Codes,
    Column,
    Index,
    Places,
    Rows,
    key_of,
    unfolded,
    value_of,
)
from kyber.logs.values import Value, parts

Naming = Callable[[str], str]
MAX_DEPTH = 64
"""Deeper JSON is kept as text."""
MAX_COLUMNS = 10_000
"""Fields beyond this many in one batch share the column OTHERS, and are counted; those that a rule asks for do not."""
OTHERS = "kyber.other_fields"
FEW = 16
"""Events that are laid flat once more, by themselves, where only they are asked about."""

_Piece = tuple[Places, Sequence[Any], bool]
"""Rows in order, their values, and whether those are all plain: text, whole numbers or null."""


class Fields(Protocol):
    """The native columns of some events, each made when it is asked for."""

    @property
    def names(self) -> Iterable[str]:
        """The native columns that at least one event has."""
        ...

    def column(self, name: str, held: "Rows | None" = None) -> Column | None:
        """One column over all events; where `held` is given, no other rows need be in it."""
        ...

    def cells(self, rows: Places) -> Iterator[tuple[str, Places, Column]]:
        """What the columns hold at some rows: a name, the rows that have it, and a column over just those."""
        ...

    def at(self, name: str, row: int) -> tuple[Value] | None:
        """The value of one column in one event; None where the event lacks it."""
        ...


class Made(Fields, Protocol):
    """Native columns that are made of parsed events."""

    @property
    def unindexed(self) -> int:
        """How many values lie in OTHERS."""
        ...

    @property
    def deep(self) -> bool:
        """Whether something was nested so deep that it is kept as text."""
        ...


class Flattened:
    """Nested events -> column name -> pieces: rows, and their values.

    Events with the same keys in the same order are turned into columns at once, so that the cost is one per shape and
    not one per field of every event.
    """

    def __init__(self, events: Sequence[dict[str, Any]], named: Naming, wanted: frozenset[str]) -> None:
        self.events, self.named, self.wanted, self.rows = events, cache(named), wanted, len(events)
        self._encoded: dict[str, Column] = {}
        self._last: tuple[bytes, Flattened] | None = None
        self.pieces: dict[str, list[_Piece]] = {}
        self.unindexed = 0
        self.deep = False  # something was nested so deep that it is kept as text
        self.objects("", np.arange(self.rows), events, 0)

    @property
    def names(self) -> Iterable[str]:
        return self.pieces.keys()

    def column(self, name: str, held: Rows | None = None) -> Column | None:
        pieces = self.pieces.get(name)
        if pieces is None:
            return None
        if name in self._encoded:
            return self._encoded[name]
        if held is None:
            column = self._encoded[name] = _encode(pieces, self.rows)
            return column
        rows = np.flatnonzero(held)
        if (few := self._few(rows)) is None:
            return _encode(list(_at(pieces, held)), self.rows)
        found = few.column(name)
        if found is None:
            return None
        codes = np.full(self.rows, ABSENT, dtype=np.int32)
        codes[rows] = found.codes
        return Column(codes, found.values)

    def cells(self, rows: Places) -> Iterator[tuple[str, Places, Column]]:
        if (few := self._few(rows)) is not None:
            for name, places, column in few._cells(np.arange(len(rows))):
                yield name, rows[places], column
        else:
            yield from self._cells(rows)

    def at(self, name: str, row: int) -> tuple[Value] | None:
        if name not in self.pieces:
            return None
        few = None if name in self._encoded else self._few(np.array([row]))
        column = self.column(name) if few is None else few.column(name)
        return None if column is None else column.cell(row if few is None else 0)

    def _few(self, rows: Places) -> "Flattened | None":
        """A few events by themselves: who asks for one column of them asks for others, too. None where they are many,
        or share a column that they would not share by themselves."""
        if len(rows) > FEW or self.unindexed:
            return None
        key = rows.tobytes()
        if self._last is None or self._last[0] != key:
            self._last = key, Flattened([self.events[row] for row in rows.tolist()], self.named, self.wanted)
        return self._last[1]

    def _cells(self, rows: Places) -> Iterator[tuple[str, Places, Column]]:
        held = np.zeros(self.rows, dtype=bool)
        held[rows] = True
        for name, pieces in self.pieces.items():
            if chosen := list(_at(pieces, held)):
                codes, index = _coded(chosen)
                column = Column(np.concatenate(codes), [value_of(key) for key in index])
                yield name, np.concatenate([place for place, _, _ in chosen]), column

    def objects(self, prefix: str, rows: Places, objects: Sequence[Mapping[str, Any]], depth: int) -> None:
        shapes: dict[tuple[str, ...], list[int]] = {}
        for index, shape in enumerate(map(tuple, objects)):
            shapes.setdefault(shape, []).append(index)
        for keys, members in shapes.items():
            here = rows if len(members) == len(rows) else rows[members]
            columns = zip(*[objects[index].values() for index in members], strict=True)
            for key, values in zip(keys, columns, strict=True):
                self.values(prefix + key, here, values, depth)

    def values(self, path: str, rows: Places, values: Sequence[Any], depth: int) -> None:
        kinds = set(map(type, values))
        if kinds <= PLAIN:
            self.keep(path, rows, values, True)
            return
        if dict in kinds and depth >= MAX_DEPTH:
            self.deep = True
        elif dict in kinds:
            inner, (rows, values) = _split(rows, values, dict)
            self.objects(path + ".", *inner, depth + 1)
        if list in kinds:
            (at, arrays), (rows, values) = _split(rows, values, list)
            if NESTED.isdisjoint(kind for array in arrays for kind in map(type, array)):
                self.keep(path, at, list(map(tuple, arrays)))
            else:
                for index, array in enumerate(arrays):
                    self.array(path, at[index : index + 1], array, depth)
        if values:
            self.keep(path, rows, values)

    def array(self, path: str, row: Places, array: list[Any], depth: int) -> None:
        """An array of objects becomes one array a field; whatever else it holds stays an array under its own name."""
        below: dict[str, list[Any]] = {}
        todo = [("", one, depth) for one in reversed(array)]
        while todo:
            sub, one, level = todo.pop()
            if isinstance(one, dict) and level < MAX_DEPTH:
                todo.extend((f"{sub}.{key}", value, level + 1) for key, value in reversed(one.items()))
            elif isinstance(one, list) and level < MAX_DEPTH:
                todo.extend((sub, value, level + 1) for value in reversed(one))
            else:
                nested = isinstance(one, dict | list)
                self.deep |= nested
                below.setdefault(sub, []).append(unfolded(one) if nested else one)
        for sub, values in (below or {"": []}).items():
            self.keep(path + sub, row, (tuple(values),))

    def keep(self, path: str, rows: Places, values: Sequence[Any], plain: bool = False) -> None:
        name = self.named(path)
        if name not in self.pieces and len(self.pieces) >= MAX_COLUMNS and name not in self.wanted:
            name = OTHERS
            self.unindexed += len(values)
        self.pieces.setdefault(name, []).append((rows, values, plain))


def flat(events: Sequence[dict[str, Any]]) -> Fields:
    """The columns of events that are flat: by the names of their columns, arrays as lists. All are told apart."""
    names = frozenset(name for one in events for name in one)
    return Flattened(events, str, names)


def _split(
    rows: Places, values: Sequence[Any], kind: type
) -> tuple[tuple[Places, list[Any]], tuple[Places, list[Any]]]:
    """The rows whose value is of a kind, and the others."""
    are = np.fromiter((type(value) is kind for value in values), dtype=bool, count=len(values))
    return (
        (rows[are], [value for value in values if type(value) is kind]),
        (rows[~are], [value for value in values if type(value) is not kind]),
    )


def _at(pieces: Iterable[_Piece], rows: Rows) -> Iterator[_Piece]:
    """The pieces at some rows only."""
    for place, values, plain in pieces:
        keep = rows[place]
        if keep.any():
            yield place[keep], list(compress(values, keep.tolist())), plain


def _coded(pieces: Sequence[_Piece]) -> tuple[list[Codes], Index]:
    """The codes of each piece's values, and what the codes stand for."""
    index = Index()
    found = index.__getitem__
    return [
        np.fromiter(map(found, values if plain else map(key_of, values)), dtype=np.int32, count=len(values))
        for _, values, plain in pieces
    ], index


def _encode(pieces: Sequence[_Piece], rows: int) -> Column:
    coded, index = _coded(pieces)
    if len(pieces) == 1 and len(coded[0]) == rows:  # one value for every event, in order
        return Column(coded[0], list(index) if pieces[0][2] else [value_of(key) for key in index])
    codes: Codes = np.full(rows, ABSENT, dtype=np.int32)
    for (place, _, _), found in zip(pieces, coded, strict=True):
        codes[place] = found
    if np.count_nonzero(codes >= 0) < sum(map(len, coded)):
        return _joined(pieces, rows)
    return Column(codes, list(index) if all(plain for _, _, plain in pieces) else [value_of(key) for key in index])


def _joined(pieces: Sequence[_Piece], rows: int) -> Column:
    """The column of a name that stands twice in some event, under two paths: both values count, as an array."""
    held: dict[int, Any] = {}
    for place, values, _ in pieces:
        for row, value in zip(place.tolist(), values, strict=True):
            held[row] = (*parts(held[row]), *parts(value)) if row in held else value
    places = sorted(held)
    return _encode([(np.array(places, dtype=np.int64), [held[place] for place in places], False)], rows)
