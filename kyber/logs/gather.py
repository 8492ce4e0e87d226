"""JSON lines gathered by their shape, without an object for each: whole lines in, pieces of one shape out.

This is what `shapes` does, in native code: the extension `kyber_columns` (folder `native`), where it is installed. It
takes what is plain; all other lines are given back as chunks, to be parsed like any record. Findings are the same.
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from io import BytesIO
from typing import Final, Protocol

import numpy as np
import orjson
from numpy.typing import NDArray

from kyber.logs.batch import TOGETHER, Chunk, Origin, Raws, Sieve, event_id
from kyber.logs.column import Column, Places, Rows, encoded
from kyber.logs.flattened import MAX_COLUMNS, Naming
from kyber.logs.native import native
from kyber.logs.records import MAX_RECORD, Block, lines
from kyber.logs.shapes import MAX_SHAPES, READY, Alike
from kyber.logs.values import parts

PENDING: Final = 96 * 2**20
"""Bytes that are held back in native memory."""
MAX_KEYS: Final = 100_000
"""Keys of all the shapes that are told apart; events of more shapes are parsed otherwise."""
MAX_SAME: Final = 4
"""Keys of an event that mean one column; events with more are parsed otherwise, as joining values costs its price."""
MANY: Final = 64
OFTEN: Final = 16
"""Where MANY runs of lines of a block are not taken, and one in so many lines begins one, the extension is of no use:
all that follows is parsed otherwise."""
NATIVE: Final = native is not None
"""Whether the extension is installed."""


class Held(Raws, Protocol):
    """Events of one shape, as the extension holds them: their records by row, and what else there is of each."""

    def column(self, number: int) -> tuple[bytes, bytes, bool]: ...
    def numbers(self) -> bytes: ...
    def offsets(self) -> bytes: ...
    def joined(self, rows: bytes) -> tuple[bytes, bytes]: ...
    def sieved(self, rows: bytes, sieve: object) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Piece:
    """Events of one shape: their columns, and their records."""

    fields: Alike
    held: Held

    def chunks(self) -> Iterator[Chunk]:
        """The records, to be parsed again."""
        for row, (number, offset) in enumerate(
            zip(_numbers(self.held.numbers()), _numbers(self.held.offsets()), strict=True)
        ):
            yield Chunk([self.held[row]], [offset], number)


class Gathering:
    """Holds JSON lines back until there are enough of their shape, within the bounds of `shapes`.

    Of a shape met for the first time, the columns that are `wanted` are made, later those that were asked for before.
    """

    def __init__(self, named: Naming, wanted: frozenset[str]) -> None:
        self.named, self.wanted = cache(named), wanted
        self.shapes: list[_Shape] = []
        self.known: dict[frozenset[str], int] = {}
        self.keys = 0
        self.useful = True
        self.gatherer = native.Gatherer()

    def feed(self, block: Block) -> Iterator[Chunk]:
        """Take whole lines; those that were not taken."""
        left = self.gatherer.feed(
            self._chosen, block.data, block.begin, block.end, block.number, block.offset, MAX_RECORD
        )
        self.useful = len(left) < MANY or len(left) * OFTEN <= block.lines
        for begin, end, before in left:
            run = BytesIO(block.data[begin:end])
            yield from lines(run, number=block.number + before, offset=block.offset + begin - block.begin)

    def ready(self) -> Iterator[Piece]:
        """Pieces that are large enough, or have to make room."""
        for shape in self.gatherer.full(READY):
            yield from self._given(shape)
        if self.gatherer.size > PENDING:
            for shape, _, _ in sorted(self.gatherer.held(), key=lambda one: one[2], reverse=True):
                yield from self._given(shape)
                if self.gatherer.size <= PENDING // 2:
                    return

    def rest(self) -> Iterator[Piece]:
        """All that is held back."""
        for shape, _, _ in self.gatherer.held():
            yield from self._given(shape)

    def _chosen(self, keys: list[str]) -> tuple[int, list[int], list[int]] | None:
        """The shape of events with these keys in this order: its number, where its keys stand among these, and which of
        its keys have their values kept. None where such events are parsed otherwise."""
        self.keys += len(keys)
        alike = frozenset(keys)
        if self.keys > MAX_KEYS or len(keys) > MAX_COLUMNS or len(alike) < len(keys):
            return None
        known = self.known.get(alike)
        if known is not None:
            place = {key: index for index, key in enumerate(keys)}
            return known, [place[key] for key in self.shapes[known].keys], []
        if len(self.shapes) >= MAX_SHAPES:
            return None
        names: dict[str, list[int]] = {}
        for index, key in enumerate(keys):
            names.setdefault(self.named(key), []).append(index)
        if max(map(len, names.values()), default=0) > MAX_SAME:
            return None
        shape = _Shape(keys, names, set()).keeping(self.wanted)
        if len(names) == len(keys):  # otherwise a column's values are in the order of their keys
            self.known[alike] = len(self.shapes)
        self.shapes.append(shape)
        return len(self.shapes) - 1, list(range(len(keys))), shape.places

    def _given(self, number: int) -> Iterator[Piece]:
        """What is held of a shape; it goes on with the columns that were asked for by then."""
        shape = self.shapes[number]
        held: Held = self.gatherer.given(number)
        yield Piece(Alike(shape.key_of, shape.columns(held), held, orjson.loads, shape.asked), held)
        after = shape.keeping(shape.asked)
        if after.made != shape.made:
            self.shapes[number] = after
            self.gatherer.keep(number, after.places)


@dataclass(frozen=True, slots=True)
class _Shape:
    """Events with the same keys. `names`: a column -> the places of its keys; `made`: the columns that are made."""

    keys: Sequence[str]
    names: Mapping[str, Sequence[int]]
    asked: set[str]
    made: Sequence[str] = ()

    def keeping(self, wanted: Container[str]) -> "_Shape":
        """The shape with the columns that are wanted; one of several keys cannot be made later."""
        made = [name for name, places in self.names.items() if name in wanted or len(places) > 1]
        return replace(self, made=made)

    @property
    def places(self) -> list[int]:
        """The places of the keys whose values are kept, in the order of the columns."""
        return [place for name in self.made for place in self.names[name]]

    @property
    def key_of(self) -> dict[str, str]:
        """A column -> its key, or the first of them."""
        return {name: self.keys[places[0]] for name, places in self.names.items()}

    def columns(self, held: Held) -> dict[str, Column]:
        """The columns that are made."""
        numbers = iter(range(len(self.keys)))
        return {name: _merged([_column(held, next(numbers)) for _ in self.names[name]]) for name in self.made}


def _column(held: Held, number: int) -> Column:
    codes, values, arrays = held.column(number)
    decoded = orjson.loads(values)
    if arrays:
        decoded = [tuple(one) if type(one) is list else one for one in decoded]
    return Column(np.frombuffer(codes, dtype=np.int32), decoded)


def _merged(columns: Sequence[Column]) -> Column:
    """The column of a name that stands in every event several times, under as many keys: all values, as an array."""
    whole = columns[0]
    for one in columns[1:]:
        pairs, codes = np.unique(whole.codes * np.int64(len(one.values)) + one.codes, return_inverse=True)
        firsts, seconds = np.divmod(pairs, len(one.values))
        merged = encoded(
            (*parts(whole.values[first]), *parts(one.values[second]))
            for first, second in zip(firsts.tolist(), seconds.tolist(), strict=True)
        )
        whole = Column(merged.codes[codes.reshape(-1)], merged.values)
    return whole


def _numbers(packed: bytes) -> Sequence[int]:
    return memoryview(packed).cast("Q")


class Records:
    """The records of a piece; see `batch.Records`."""

    held: Sequence[int] = ()
    times = memory = None

    def __init__(self, raw: Held, of: Origin) -> None:
        self.raw, self.of = raw, of
        self.source, self.zone = of.source, of.zone

    @cached_property
    def numbers(self) -> Sequence[int]:
        return _numbers(self.raw.numbers())

    @cached_property
    def offsets(self) -> Sequence[int]:
        return _numbers(self.raw.offsets())

    def joined(self, rows: Places) -> Iterator[tuple[bytes, NDArray[np.int64]]]:
        for start in range(0, len(rows), TOGETHER):
            data, ends = self.raw.joined(rows[start : start + TOGETHER].astype(np.int64).tobytes())
            yield data, np.frombuffer(ends, dtype=np.int64)

    def sieved(self, sieve: Sieve, rows: Places) -> Rows:
        found = self.raw.sieved(rows.astype(np.int64).tobytes(), sieve.native)
        return np.frombuffer(found, dtype=bool)

    def origin(self, _: int) -> Origin:
        return self.of

    def event_id(self, row: int) -> str:
        return event_id(self.of, self.offsets[row], self.raw[row])
