"""Parsed events gathered by their shape: what parsers made of chunks in, the same events in pieces of one shape out.

A log holds few kinds of events, and events of one kind have the same keys. What has the same keys becomes columns at
once, value by value as it is parsed, and the events themselves are let go: so memory holds the distinct values and the
raw records, and a rule sees all of a piece or none of it. What is rare, or odd, comes in mixed pieces of whole events.
"""

from array import array
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import chain
from operator import itemgetter
from typing import Any, Final

import numpy as np

from kyber.logs.batch import Parsed, Raws
from kyber.logs.column import ABSENT, PLAIN, Column, Encoder, Places, Rows, encoded, key_of
from kyber.logs.flattened import MAX_COLUMNS, MAX_DEPTH, Naming
from kyber.logs.values import Value

READY: Final = 32_768
"""Events of one shape that make a piece."""
MAX_VALUES: Final = 32 * 2**20
"""Bytes, about, of distinct values that are held at a time."""
PENDING: Final = 48 * 2**20
"""Bytes of raw records that are held back."""
KEY: Final = 200
"""Bytes, about, that a key and its value take in an event that is held as it was parsed."""
FEW: Final = 128
"""Events of one shape that are not worth a piece of their own."""
HELD: Final = 16
"""Events parsed again that are remembered."""
SELDOM: Final = 32
"""A column that is asked for in one event of so many, or fewer, is not worth making for all of them."""
MAX_SHAPES: Final = 4_000
"""Shapes that are told apart at a time."""

_NESTED: Final = frozenset((dict, list))
Event = dict[str, Any]
Again = Callable[[bytes], Event]


class Shapes:
    """Holds events back until there are enough of their shape, within bounds.

    Of a shape met for the first time, the columns that are `wanted` are made at once, later those that were asked for
    before; where records cannot be parsed `again`, all are.
    """

    def __init__(self, named: Naming, wanted: frozenset[str]) -> None:
        self.named, self.wanted = cache(named), wanted
        self.gathered: dict[_Shape, _Gathered] = {}
        self.young: dict[_Shape, Parsed] = {}
        self.odd = Parsed()
        self.encoder = Encoder()
        self.size = 0

    def add(self, parsed: Parsed) -> Iterator[Parsed]:
        """Take the events that a parser made of some records; pieces that are ready. Rejects are not passed on.

        Few at a time are best: an event is turned into codes while a processor still has it at hand.
        """
        gathered, again, code = self.gathered, parsed.again, self.encoder.code
        met: dict[tuple[Any, ...], tuple[_Gathered, _Shape, list[int], list[Sequence[Any]]]] = {}
        for place, event in enumerate(parsed.events):
            kinds = {*map(type, event.values())}
            nested = dict in kinds
            if nested:
                event = _flat(event)
                kinds = {*map(type, event.values())}
            if list in kinds and not _plain_arrays(event):
                event = _Odd()
            keys = tuple(event)
            taken = met.get((keys,) if nested else keys)
            if taken is None:
                shape = keys, again, nested
                known = gathered.get(shape)
                if known is None:
                    self._young(shape, parsed, place)
                    continue
                taken = met[(keys,) if nested else keys] = known, shape, [], []
            values = taken[0].values(event)
            is_plain = kinds <= PLAIN or PLAIN.issuperset(map(type, values))
            taken[3].append(values if is_plain else tuple(map(key_of, values)))
            taken[2].append(place)
        for known, _, places, keyed in met.values():
            before = known.size
            known.codes.extend(map(code, chain.from_iterable(keyed)))
            known.keep(parsed, places)
            self.size += known.size - before
        for known, shape, _, _ in met.values():
            if len(known.parsed.raw) >= READY:
                yield from self._given(shape)
        if self.size > PENDING or len(gathered) + len(self.young) > MAX_SHAPES:
            yield from self._enough()
        if self.encoder.size > MAX_VALUES:
            self.encoder = Encoder()
            yield from self.rest()

    def rest(self) -> Iterator[Parsed]:
        """All that is held back."""
        for shape in list(self.gathered):
            yield from self._given(shape)
        for held in self.young.values():
            _add(self.odd, held, range(len(held.raw)))
        self.young = {}
        if self.odd.raw:
            given, self.odd = self.odd, Parsed()
            yield given
        self.size = 0

    def _enough(self) -> Iterator[Parsed]:
        """Of what is held back the largest, until half of what may be is left."""
        for shape in sorted(self.gathered, key=lambda shape: self.gathered[shape].size, reverse=True):
            if self.size <= PENDING // 2 and len(self.gathered) + len(self.young) <= MAX_SHAPES:
                return
            yield from self._given(shape)
        yield from self.rest()
        if len(self.gathered) > MAX_SHAPES // 2:
            self.gathered.clear()

    def _young(self, shape: "_Shape", parsed: Parsed, place: int) -> None:
        """Take an event whose shape is not gathered, or not yet."""
        keys, again, nested = shape
        self.size += len(parsed.raw[place]) + KEY * len(parsed.events[place])
        if keys == _ODD:
            _add(self.odd, parsed, (place,))
            return
        held = self.young.setdefault(shape, Parsed())
        _add(held, parsed, (place,))
        if len(held.raw) < FEW:
            return
        del self.young[shape]
        names = {self.named(key): key for key in keys}
        if len(names) < len(keys) or len(keys) > MAX_COLUMNS:
            _add(self.odd, held, range(len(held.raw)))
            return
        if nested and again is not None:
            again = _flat_again(again)
        known = self.gathered[shape] = _Gathered(names, self.wanted, self.encoder, again, set())
        for event in held.events:
            values = known.values(_flat(event) if nested else event)
            known.codes.extend(map(self.encoder.code, map(key_of, values)))
        known.keep(held, range(len(held.raw)))

    def _given(self, shape: "_Shape") -> Iterator[Parsed]:
        """What was gathered of a shape; it goes on with the columns that were asked for by then."""
        given = self.gathered[shape]
        self.size -= given.size
        if given.size:
            yield given.done()
        self.gathered[shape] = given.anew(self.encoder)


_Shape = tuple[tuple[str, ...], Again | None, bool]
"""The keys of events, how their records are parsed again, and whether the keys are paths of what is nested."""


class _Gathered:
    """Events of one shape as columns that grow. `names`: a column -> its key. `made`: the columns that are made."""

    def __init__(
        self, names: Mapping[str, str], made: Container[str], encoder: Encoder, again: Again | None, asked: set[str]
    ) -> None:
        self.names, self.encoder, self.again, self.asked = names, encoder, again, asked
        self.made = [name for name in names if again is None or name in made]
        self.values = _values([names[name] for name in self.made])
        self.codes = array("i")
        self.parsed = Parsed()
        self.size = 0

    def keep(self, parsed: Parsed, places: Sequence[int]) -> None:
        """Keep the raw records of events that were taken."""
        before = len(self.parsed.raw)
        _add(self.parsed, parsed, places, without=True)
        self.size += sum(map(len, self.parsed.raw[before:]))

    def anew(self, encoder: Encoder) -> "_Gathered":
        """Nothing yet of the same shape; of its columns, those that were asked for."""
        return _Gathered(self.names, self.asked, encoder, self.again, self.asked)

    def done(self) -> Parsed:
        """All that was gathered, its columns made."""
        codes = np.frombuffer(self.codes, dtype=np.int32).reshape(len(self.parsed.raw), len(self.made))
        columns = {name: self.encoder.column(codes[:, place]) for place, name in enumerate(self.made)}
        self.parsed.fields = Alike(self.names, columns, self.parsed.raw, self.again, self.asked)
        return self.parsed


def _values(keys: Sequence[str]) -> Callable[[Event], Sequence[Any]]:
    """What takes the values of some keys out of an event."""
    if len(keys) > 1:
        return itemgetter(*keys)
    return lambda event: [event[key] for key in keys]


class Alike:
    """The columns of events that have the same keys. What was not made is parsed again where it is asked for.

    `keys`: a column's name -> its key. Columns that were asked for whole are noted in `asked`.
    """

    unindexed = 0
    deep = False

    def __init__(
        self,
        keys: Mapping[str, str],
        columns: dict[str, Column],
        raw: Raws,
        again: Again | None,
        asked: set[str],
    ) -> None:
        self.keys, self.columns, self.raw, self.again, self.asked = keys, columns, raw, again, asked
        self._last: tuple[bytes, list[Event]] = (b"", [])
        """A few rows, and their events: who asks for one column of them asks for others, too."""

    @property
    def names(self) -> Iterator[str]:
        return iter(self.keys)

    def column(self, name: str, held: Rows | None = None) -> Column | None:
        if name not in self.keys:
            return None
        if held is None or np.count_nonzero(held) * SELDOM > len(held):
            self.asked.add(name)
        if name in self.columns:
            return self.columns[name]
        rows = np.arange(len(self.raw)) if held is None else np.flatnonzero(held)
        found = encoded(map(itemgetter(self.keys[name]), self._parsed(rows)))
        if held is None:
            self.columns[name] = found
            return found
        codes = np.full(len(self.raw), ABSENT, dtype=np.int32)
        codes[rows] = found.codes
        return Column(codes, found.values)

    def at(self, name: str, row: int) -> tuple[Value] | None:
        if name not in self.keys:
            return None
        if name in self.columns:
            return self.columns[name].cell(row)
        (event,) = self._parsed(np.array([row]))
        return encoded((event[self.keys[name]],)).cell(0)

    def _parsed(self, rows: Places) -> Iterable[Event]:
        assert self.again is not None  # otherwise all columns were made
        events = map(self.again, map(self.raw.__getitem__, rows.tolist()))
        if len(rows) > HELD:
            return events
        key = rows.tobytes()
        if self._last[0] != key:
            self._last = key, list(events)
        return self._last[1]

    def cells(self, rows: Places) -> Iterator[tuple[str, Places, Column]]:
        events = list(self._parsed(rows)) if len(self.columns) < len(self.keys) else []
        for name, key in self.keys.items():
            if name in self.columns:
                column = self.columns[name]
                codes, places = np.unique(column.codes[rows], return_inverse=True)
                values = [column.values[code] for code in codes.tolist()]
                yield name, rows, Column(places.reshape(-1).astype(np.int32), values)
            else:
                yield name, rows, encoded(map(itemgetter(key), events))


_ODD: Final = ("", "", "")
"""The keys of an event that cannot be laid flat: no event has one key twice."""


def _flat(event: Event) -> Any:
    """An event whose keys are the paths of its values; what says that it has none, where two values share a path."""
    flat: Event = {}
    todo: list[tuple[str, Iterator[tuple[str, Any]]]] = [("", iter(event.items()))]
    while todo:
        prefix, items = todo[-1]
        for key, value in items:
            if type(value) is dict:
                if len(todo) > MAX_DEPTH:
                    return _Odd()
                todo.append((f"{prefix}{key}.", iter(value.items())))
                break
            if prefix + key in flat:
                return _Odd()
            flat[prefix + key] = value
        else:
            todo.pop()
    return flat


class _Odd(dict[str, Any]):
    """An event that is not laid flat."""

    def __iter__(self) -> Iterator[str]:
        return iter(_ODD)


def _flat_again(again: Again) -> Again:
    return lambda raw: dict(_flat(again(raw)))


def _plain_arrays(event: Event) -> bool:
    """Whether no array holds what is nested itself."""
    return all(_NESTED.isdisjoint(map(type, value)) for value in event.values() if type(value) is list)


def _add(held: Parsed, parsed: Parsed, places: Sequence[int], *, without: bool = False) -> None:
    """Add some of what a parser made to others; `without` the events."""
    if parsed.held or held.held:
        held.held += [1] * (len(held.raw) - len(held.held))
        held.held += [parsed.held[place] for place in places] if parsed.held else [1] * len(places)
    if not without:
        held.events += [parsed.events[place] for place in places]
    held.raw += [parsed.raw[place] for place in places]
    held.numbers += [parsed.numbers[place] for place in places]
    held.offsets += [parsed.offsets[place] for place in places]
