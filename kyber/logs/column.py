"""A column: the values of one field over many events, each distinct value once; and what tells values apart.

A value is its own key where it is plain. 1, 1.0 and True, which Python takes for one, and what cannot be hashed, have
keys of their own.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from kyber.logs.values import Value, text

Codes = NDArray[np.int32]
Rows = NDArray[np.bool_]
Places = NDArray[np.int64]
ABSENT = -1

NESTED = frozenset((dict, list))
PLAIN = frozenset((str, int, type(None)))
"""Kinds of values that are their own keys."""


@dataclass(frozen=True, slots=True)
class Column:
    """One field of a batch. `codes` (int32, one per event) index `values`; ABSENT marks an event without the field.

    A value of None is a field that is there and null. A tuple is an array: a match on any element is a match.
    """

    codes: Codes
    values: Sequence[Value]

    def at(self, row: int) -> Value:
        """The value in one event; None also where the field is absent."""
        found = self.cell(row)
        return None if found is None else found[0]

    def cell(self, row: int) -> tuple[Value] | None:
        """The value in one event; None where the field is absent."""
        code = int(self.codes[row])
        return None if code < 0 else (self.values[code],)


class Encoder:
    """Values of any columns -> codes, each distinct value once."""

    def __init__(self) -> None:
        self._index = _Counted()
        self.code = self._index.__getitem__
        """The code of a key."""

    @property
    def size(self) -> int:
        """About how many bytes the distinct values take."""
        return self._index.size

    def column(self, codes: Codes) -> Column:
        """The column that codes mean."""
        distinct, places = np.unique(codes, return_inverse=True)
        values = [value_of(self._index.keys_[code]) for code in distinct.tolist()]
        return Column(places.reshape(-1).astype(np.int32), values)


class Index(dict[Any, int]):
    """Value -> code; a value not seen before gets the next code. 1, 1.0 and True are different values."""

    def __missing__(self, key: Any) -> int:
        self[key] = code = len(self)
        return code


class _Counted(dict[Any, int]):
    """As Index; knows the key of each code, and about how many bytes they take."""

    def __init__(self) -> None:
        self.keys_: list[Any] = []
        self.size = 0

    def __missing__(self, key: Any) -> int:
        self[key] = code = len(self)
        self.keys_.append(key)
        self.size += 120 + (len(key) if type(key) is str else 300)
        return code


@dataclass(frozen=True, slots=True)
class _Kept:
    """A value under a key of its own, where the plain value would equal another (1, 1.0, True) or cannot be hashed."""

    kind: str
    value: Any


def key_of(value: Any) -> Any:
    """The key of a value: itself where it is plain."""
    if type(value) in PLAIN:
        return value
    if isinstance(value, tuple) or (type(value) is list and NESTED.isdisjoint(map(type, value))):
        return _Kept("array", tuple(key_of(one) for one in value))
    if isinstance(value, dict | list):
        return unfolded(value)
    return _Kept(type(value).__name__, value)


def unfolded(value: Any) -> str:
    """What is nested too deep as text: itself or, where it is too deep even for that, the values in it."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        found, todo = [], [value]
        while todo:
            one = todo.pop()
            if isinstance(one, dict | list):
                todo.extend(reversed(one.values() if isinstance(one, dict) else one))
            else:
                found.append(text(one))
        return " ".join(found)


def value_of(key: Any) -> Any:
    """The value of a key."""
    if not isinstance(key, _Kept):
        return key
    return tuple(value_of(one) for one in key.value) if key.kind == "array" else key.value


def encoded(values: Iterable[Any]) -> Column:
    """A column of some values, one an event."""
    encoder = Encoder()
    return encoder.column(np.fromiter(map(encoder.code, map(key_of, values)), dtype=np.int32))


def first_present(columns: Sequence[Column]) -> Column | None:
    """In each row, the first column that has a value there."""
    if len(columns) < 2:
        return columns[0] if columns else None
    codes, values = columns[0].codes.copy(), list(columns[0].values)
    for column in columns[1:]:
        fill = (codes < 0) & (column.codes >= 0)
        if fill.any():
            codes[fill] = column.codes[fill] + len(values)
            values.extend(column.values)
    return Column(codes, values)
