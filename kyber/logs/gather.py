"""JSON lines gathered by their shape, without an object for each: whole lines in, pieces of one shape out.

This is what `shapes` does, in native code: the extension `kyber_columns` (folder `native`), where it is installed. It
takes what is plain; all other lines are given back as chunks, to be parsed like any record. Findings are the same.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from io import BytesIO
from typing import Final, Protocol

import numpy as np
import orjson
from numpy.typing import NDArray

from kyber.logs.batch import MAX_COLUMNS, TOGETHER, Chunk, Column, Naming, Origin, Places, Raws, Rows, Sieve, event_id
from kyber.logs.native import native
from kyber.logs.records import MAX_RECORD, Block, lines
from kyber.logs.shapes import MAX_SHAPES, READY, Alike

PENDING: Final = 96 * 2**20
"""Bytes that are held back in native memory."""
MAX_KEYS: Final = 100_000
"""Keys of all the shapes that are told apart; events of more shapes are parsed otherwise."""
MANY: Final = 64
OFTEN: Final = 16
"""Where MANY runs of lines of a block are not taken, and one in so many lines begins one, the extension is of no use:
all that follows is parsed otherwise."""
NATIVE: Final = native is not None
"""Whether the extension is installed."""


class Held(Raws, Protocol):
    """Events of one shape, as the extension holds them: their records by row, and what else there is of each."""

    def column(self, number: int) -> tuple[bytes, bytes, bool]: ...
    def numbers(self) -> list[int]: ...
    def offsets(self) -> list[int]: ...
    def joined(self, rows: bytes) -> tuple[bytes, bytes]: ...
    def sieved(self, rows: bytes, sieve: object) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Piece:
    """Events of one shape: their columns, and their records."""

    fields: Alike
    held: Held

    def chunks(self) -> Iterator[Chunk]:
        """The records, to be parsed again."""
        for row, (number, offset) in enumerate(zip(self.held.numbers(), self.held.offsets(), strict=True)):
            yield Chunk([self.held[row]], [offset], number)


class Gathering:
    """Holds JSON lines back until there are enough of their shape, within the bounds of `shapes`.

    Of a shape met for the first time, the columns that are `wanted` are made, later those that were asked for before.
    """

    def __init__(self, named: Naming, wanted: frozenset[str]) -> None:
        self.named, self.wanted = cache(named), wanted
        self.shapes: list[_Shape] = []
        self.keys = 0
        self.useful = True
        self.gatherer = native.Gatherer(self._chosen)

    def feed(self, block: Block) -> Iterator[Chunk]:
        """Take whole lines; those that were not taken."""
        left = self.gatherer.feed(block.data, block.begin, block.end, block.number, block.offset, MAX_RECORD)
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

    def _chosen(self, keys: list[str]) -> list[int] | None:
        """The places of the values that are kept of events with these keys; None where they are parsed otherwise."""
        self.keys += len(keys)
        if self.keys > MAX_KEYS or len(keys) > MAX_COLUMNS or len(self.shapes) >= MAX_SHAPES:
            return None
        names = {self.named(key): key for key in keys}
        if len(names) < len(keys):
            return None
        shape = _Shape(names, [name for name in names if name in self.wanted], set())
        self.shapes.append(shape)
        return shape.places

    def _given(self, number: int) -> Iterator[Piece]:
        """What is held of a shape; it goes on with the columns that were asked for by then."""
        shape = self.shapes[number]
        held: Held = self.gatherer.given(number)
        columns = {name: _column(held, place) for place, name in enumerate(shape.made)}
        yield Piece(Alike(shape.names, columns, held, orjson.loads, shape.asked), held)
        after = _Shape(shape.names, [name for name in shape.names if name in shape.asked], shape.asked)
        if after.made != shape.made:
            self.shapes[number] = after
            self.gatherer.keep(number, after.places)


def _column(held: Held, number: int) -> Column:
    codes, values, arrays = held.column(number)
    decoded = orjson.loads(values)
    if arrays:
        decoded = [tuple(one) if type(one) is list else one for one in decoded]
    return Column(np.frombuffer(codes, dtype=np.int32), decoded)


@dataclass(frozen=True, slots=True)
class _Shape:
    """Events with the same keys. `names`: a column -> its key; `made`: the columns that are made."""

    names: Mapping[str, str]
    made: Sequence[str]
    asked: set[str]

    @property
    def places(self) -> list[int]:
        made = set(self.made)
        return [place for place, name in enumerate(self.names) if name in made]


class Records:
    """The records of a piece; see `batch.Records`."""

    held: Sequence[int] = ()
    times = memory = None

    def __init__(self, raw: Held, of: Origin) -> None:
        self.raw, self.of = raw, of
        self.source, self.zone = of.source, of.zone

    @cached_property
    def numbers(self) -> Sequence[int]:
        return self.raw.numbers()

    @cached_property
    def offsets(self) -> Sequence[int]:
        return self.raw.offsets()

    def joined(self, rows: Places) -> Iterator[tuple[bytes, NDArray[np.int64]]]:
        for start in range(0, len(rows), TOGETHER):
            data, ends = self.raw.joined(rows[start : start + TOGETHER].astype(np.int64).tobytes())
            yield data, np.frombuffer(ends, dtype=np.int64)

    def sieved(self, sieve: Sieve, rows: Places) -> Rows:
        found = self.raw.sieved(rows.astype(np.int64).tobytes(), _searcher(sieve.blurred, sieve.exact))
        return np.frombuffer(found, dtype=bool)

    def origin(self, _: int) -> Origin:
        return self.of

    def event_id(self, row: int) -> str:
        return event_id(self.of, self.offsets[row], self.raw[row])


@cache
def _searcher(blurred: tuple[bytes, ...], exact: tuple[bytes, ...]) -> object:
    return native.Sieve(blurred, exact)
