"""What correlations have to know of the events that rules matched: matches in, compact plain data out.

Gathered where matching is, joined in any order, and looked at in the end by `correlate`. An occurrence is a time, the
event it stands for, and a code for each reading of its fields; the texts behind the codes are held once.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import compress, islice, product
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kyber.finding import Sample
from kyber.logs.batch import EventBatch
from kyber.logs.sample import earliest, sample
from kyber.logs.schema import Table
from kyber.logs.sigma.correlation import Correlation
from kyber.logs.sigma.match import Match
from kyber.logs.values import NO_TIME, Value, fold, texts

LIMIT: Final = 5_000_000
"""Occurrences that a scan holds for its correlations, where nobody says otherwise."""
MAX_SAMPLES: Final = 20_000
"""Events that are kept whole for each rule and way to group it: the latest."""
MAX_ALTERNATIVES: Final = 16
"""Groups, or values, that one event may stand in because its fields are arrays; the rest is counted as left out."""
MAX_BYTES: Final = 268_435_456
"""About the bytes of the texts that are held, with LIMIT occurrences or fewer; more in proportion where more are."""
LONGEST: Final = 1_024
"""Characters of a text that are held; what a longer one goes on with is held as its SHA-256."""
EACH: Final = 200
"""Bytes that an alternative takes besides its texts: less than when correlations run, more than before."""

HOUR: Final = 3_600_000_000

Reading = tuple[str, ...]
"""The fields of an event that are read together."""
Entry = tuple[tuple[str, ...], ...]
"""What a reading found: the alternatives, more than one where a field is an array; none where a field is lacking."""
Integers = NDArray[np.int64]
Codes = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Path:
    """The way from a correlation to a rule at its bottom: each correlation on it, and the one of its rules it takes."""

    rule: str
    steps: tuple[tuple[Correlation, str], ...]

    def reading(self, names: Iterable[str]) -> Reading:
        """The fields that names in the first correlation mean in the events of the rule."""
        found = tuple(names)
        for one, rule in self.steps:
            found = tuple(one.field_of(name, rule) for name in found)
        return found


def paths(one: Correlation, known: Mapping[str, Correlation]) -> Iterator[Path]:
    """Every way from a correlation down. `known`: the correlations by id."""
    for rule in one.rules:
        if rule not in known:
            yield Path(rule, ((one, rule),))
        else:
            for path in paths(known[rule], known):
                yield Path(path.rule, ((one, rule), *path.steps))


@dataclass(frozen=True, slots=True)
class Need:
    """What is gathered of the events of one rule.

    `samples`: of each group of a reading, one event is kept whole for each stretch of time of this many microseconds.
    `latest`: of each group and hour only the latest event counts, which is what silence is known by.
    """

    readings: tuple[Reading, ...]
    samples: tuple[tuple[Reading, int], ...]
    latest: bool


def needs(correlations: Iterable[Correlation]) -> dict[str, Need]:
    """What correlations have to know, by the id of the rule."""
    known = {one.ref.id: one for one in correlations}
    readings: dict[str, dict[Reading, None]] = {}
    samples: dict[str, dict[tuple[Reading, int], None]] = {}
    every: set[str] = set()
    for one in known.values():
        for path in paths(one, known):
            group = path.reading(one.group_by)
            readings.setdefault(path.rule, {}).update({group: None, path.reading(one.fields): None})
            if path.steps[-1][0].only_absence:
                continue  # there is no event to show
            every.add(path.rule)
            samples.setdefault(path.rule, {})[group, one.timespan] = None
    return {
        rule: Need(tuple(found), tuple(samples.get(rule, ())), rule not in every) for rule, found in readings.items()
    }


Order = tuple[int, str, tuple[bytes, int, str, str]]
"""What tells which of two events comes first: time, source, and the place within it."""
Samples = dict[tuple[Entry, int], tuple[Order, Sample]]


@dataclass(slots=True)
class Gathered:
    """The occurrences of one rule. The arrays run side by side; `keys` tell events apart, `sources` are codes.

    `seen` counts what came, `cut` is the time up to which everything was left out, `undated` counts events without a
    time, and `crowded` alternatives beyond MAX_ALTERNATIVES. `heavy`: some were left out for the size of their texts.
    """

    times: Integers
    keys: Integers
    sources: Codes
    codes: dict[Reading, Codes]
    samples: dict[tuple[Reading, int], Samples]
    seen: int = 0
    cut: int = NO_TIME
    undated: int = 0
    crowded: int = 0
    heavy: bool = False

    @classmethod
    def of(cls, need: Need) -> "Gathered":
        none = np.zeros(0, dtype=np.int32)
        wide = np.zeros(0, dtype=np.int64)
        return cls(wide, wide, none, dict.fromkeys(need.readings, none), {one: {} for one in need.samples})

    @property
    def evicted(self) -> int:
        """How many occurrences were left out for want of room."""
        return self.seen - len(self.times)

    def keep(self, chosen: NDArray[np.bool_] | Integers) -> None:
        """Keep some of the occurrences."""
        self.times, self.keys, self.sources = self.times[chosen], self.keys[chosen], self.sources[chosen]
        self.codes = {reading: codes[chosen] for reading, codes in self.codes.items()}

    def newest(self, most: int) -> None:
        """Keep the latest, at most so many; of equal times all or none, so that the order of arrival does not tell."""
        if len(self.times) > most:
            place = len(self.times) - most - 1
            self.cut = max(self.cut, int(np.partition(self.times, place)[place]))
        if self.cut != NO_TIME:
            self.keep(self.times > self.cut)

    def weight(self, sizes: Mapping[Reading, Integers]) -> int:
        """The bytes of what its codes stand for. `sizes`: of each code."""
        return sum(int(sizes[reading][np.unique(codes)].sum()) for reading, codes in self.codes.items())

    def lighten(self, sizes: Mapping[Reading, Integers], most: int) -> None:
        """Keep the latest, with at most so many bytes; of equal times all or none."""
        order = np.argsort(self.times, kind="stable")[::-1]
        added = np.zeros(len(order), dtype=np.int64)
        for reading, codes in self.codes.items():
            found, first = np.unique(codes[order], return_index=True)
            added[first] += sizes[reading][found]
        over = int(np.searchsorted(np.cumsum(added), most, side="right"))
        if over < len(order):
            self.cut, self.heavy = int(self.times[order[over]]), True
            self.keep(self.times > self.cut)

    def latest(self) -> None:
        """Keep the latest of each group and hour."""
        last = _latest(self.times, list(self.codes.values()))
        self.seen -= len(self.times) - len(last)  # what another one stands for is not left out
        self.keep(last)


@dataclass(slots=True)
class Occurrences:
    """All that was gathered: plain data that can be sent between processes.

    `entries`: by reading, what its codes stand for. `serial`: one more than the largest key. `latest`: the time
    of the latest event that was seen, where some correlation is about absence. `size`: about the bytes of the entries.
    """

    needs: Mapping[str, Need]
    limit: int = LIMIT
    rules: dict[str, Gathered] = field(init=False)
    entries: dict[Reading, dict[Entry, int]] = field(init=False)
    sources: dict[str, int] = field(default_factory=dict)
    serial: int = 0
    latest: int = NO_TIME
    size: int = 0

    def __post_init__(self) -> None:
        self.rules = {rule: Gathered.of(need) for rule, need in self.needs.items()}
        self.entries = {reading: {} for need in self.needs.values() for reading in need.readings}

    def merge(self, other: "Occurrences") -> None:
        """Take in what was gathered elsewhere; the order makes no difference."""
        codes: dict[Reading, Codes] = {}
        for reading, found in other.entries.items():
            known = self.entries[reading]
            before = len(known)
            codes[reading] = np.array([*(known.setdefault(one, len(known)) for one in found), 0], dtype=np.int32)
            self.size += sum(map(_size, islice(known, before, None)))
        sources = np.array(
            [*(self.sources.setdefault(one, len(self.sources)) for one in other.sources), 0], dtype=np.int32
        )
        for rule, theirs in other.rules.items():
            mine = self.rules[rule]
            mine.times = np.concatenate((mine.times, theirs.times))
            mine.keys = np.concatenate((mine.keys, theirs.keys + self.serial))
            mine.sources = np.concatenate((mine.sources, sources[theirs.sources]))
            for reading in mine.codes:
                mine.codes[reading] = np.concatenate((mine.codes[reading], codes[reading][theirs.codes[reading]]))
            mine.seen, mine.cut = mine.seen + theirs.seen, max(mine.cut, theirs.cut)
            mine.undated, mine.crowded = mine.undated + theirs.undated, mine.crowded + theirs.crowded
            mine.heavy = mine.heavy or theirs.heavy
            for kind, samples in mine.samples.items():
                for cell, kept in theirs.samples[kind].items():
                    samples[cell] = min(samples.get(cell, kept), kept, key=lambda one: one[0])
                _fewer(samples, 0)
        self.serial, self.latest = self.serial + other.serial, max(self.latest, other.latest)
        self.prune()

    def prune(self) -> None:
        """Keep no more than the limits: of the rules with the most occurrences the latest ones, evenly."""
        for rule, one in self.rules.items():
            if self.needs[rule].latest:
                if len(one.times):
                    one.latest()
                one.newest(self.limit)
        others = [one for rule, one in self.rules.items() if not self.needs[rule].latest]
        most = _level([one.seen for one in others], self.limit)
        for one in others:
            one.newest(most)
        for reading, found in self.entries.items():
            if len(found) > 2 * self.limit:
                self._forget(reading)
        self._lighten()

    @property
    def room(self) -> int:
        """How many bytes the entries may have."""
        return MAX_BYTES * max(self.limit, LIMIT) // LIMIT

    def _lighten(self) -> None:
        """Keep no more bytes than there is room for: of the rules with the most the latest occurrences, evenly."""
        every = list(self.rules.values())
        if self.size <= self.room and not any(one.heavy for one in every):
            return
        for reading in self.entries:
            self._forget(reading)
        if self.size <= self.room and not any(one.heavy for one in every):
            return
        sizes = {reading: np.array([*map(_size, found)], dtype=np.int64) for reading, found in self.entries.items()}
        # one that was cut before had more than its share, and the share only becomes smaller
        most = _level([self.room + 1 if one.heavy else one.weight(sizes) for one in every], self.room)
        for one in every:
            one.lighten(sizes, most)
        for reading in self.entries:
            self._forget(reading)

    def _forget(self, reading: Reading) -> None:
        """Forget what no code stands for any more."""
        using = [one for one in self.rules.values() if reading in one.codes]
        used = np.zeros(len(self.entries[reading]), dtype=bool)
        for one in using:
            used[one.codes[reading]] = True
        new = (np.cumsum(used) - 1).astype(np.int32)
        for one in using:
            one.codes[reading] = new[one.codes[reading]]
        self.size -= sum(map(_size, compress(self.entries[reading], ~used)))
        self.entries[reading] = {entry: code for code, entry in enumerate(compress(self.entries[reading], used))}


def _level(counts: Sequence[int], limit: int) -> int:
    """The largest share such that all together, none with more than it, are within the limit."""
    left, ordered = limit, sorted(counts)
    for place, count in enumerate(ordered):
        share = left // (len(ordered) - place)
        if count > share:
            return share
        left -= count
    return limit


def _fewer(samples: Samples, spare: int) -> None:
    """Forget the oldest samples, once there are more than are kept and some to spare."""
    if len(samples) > MAX_SAMPLES + spare:
        for cell in sorted(samples, key=lambda cell: (cell[1], cell[0]))[: len(samples) - MAX_SAMPLES]:
            del samples[cell]


class Gatherer:
    """Takes matches as they are made, batch after batch. `as_of`: later events do not count for absence."""

    def __init__(self, correlations: Iterable[Correlation], limit: int = LIMIT, as_of: int | None = None) -> None:
        correlations = tuple(correlations)
        self.needs, self.as_of, self.limit = needs(correlations), as_of, limit
        self._watching = any(one.of_absence for one in correlations)
        self.found = Occurrences(self.needs, limit)
        self.chunks: dict[str, list[tuple[Integers, Integers, Codes, dict[Reading, Codes]]]] = {}
        self.held, self.enough = 0, self.found.room
        self._batch: EventBatch | None = None
        self._listed: dict[Reading, list[Entry]] = {reading: [] for reading in self.found.entries}

    def wanted(self, table: Table) -> frozenset[str]:
        """The columns of a product that are looked at."""
        names = {name for need in self.needs.values() for reading in need.readings for name in reading}
        return table.drawn_for(column for name in names for column in table.where_is(name))

    def see(self, batch: EventBatch) -> None:
        """Remember when the latest event was; to be called once for each batch."""
        if self._watching:
            times = batch.times if self.as_of is None else batch.times[batch.times <= self.as_of]
            self.found.latest = max(self.found.latest, int(times.max(initial=NO_TIME)))

    def add(self, match: Match, batch: EventBatch) -> None:
        """Remember the events that a rule matched, if some correlation asks about it."""
        rule = match.rule.ref.id
        need = self.needs.get(rule)
        if need is None or not len(match.rows):
            return
        if batch is not self._batch:
            self._batch, self._base = batch, self.found.serial
            self.found.serial += batch.rows
        gathered, rows = self.found.rules[rule], match.rows
        times = batch.times[rows]
        dated = times != NO_TIME
        gathered.undated += len(rows) - int(np.count_nonzero(dated))
        if need.latest and self.as_of is not None:
            dated &= times <= self.as_of
        rows, times = rows[dated], times[dated]
        if not len(rows):
            return
        codes = {reading: self._codes(reading, batch, rows, gathered) for reading in need.readings}
        if need.latest:
            last = _latest(times, list(codes.values()))
            rows, times, codes = rows[last], times[last], {reading: one[last] for reading, one in codes.items()}
        source = self.found.sources.setdefault(batch.source, len(self.found.sources))
        chunk = (times, rows + self._base, np.full(len(rows), source, dtype=np.int32), codes)
        self.chunks.setdefault(rule, []).append(chunk)
        self.held += len(rows)
        for reading, width in need.samples:
            self._keep_samples(gathered.samples[reading, width], reading, codes[reading], times // width, batch, rows)
        if self.held > self.limit // 4 + 100_000 or self.found.size > self.enough:
            self._gather()

    def done(self) -> Occurrences:
        """All that was gathered."""
        self._gather()
        for one in self.found.rules.values():
            for samples in one.samples.values():
                _fewer(samples, 0)
        return self.found

    def _gather(self) -> None:
        """Put the pieces together, and keep no more than the limit."""
        for rule, chunks in self.chunks.items():
            one = self.found.rules[rule]
            one.times = np.concatenate((one.times, *(times for times, _, _, _ in chunks)))
            one.keys = np.concatenate((one.keys, *(keys for _, keys, _, _ in chunks)))
            one.sources = np.concatenate((one.sources, *(sources for _, _, sources, _ in chunks)))
            for reading in one.codes:
                one.codes[reading] = np.concatenate((one.codes[reading], *(codes[reading] for *_, codes in chunks)))
            one.seen += sum(len(times) for times, _, _, _ in chunks)
        self.chunks, self.held = {}, 0
        self.found.prune()
        self.enough = self.found.size + self.found.room // 2
        self._listed = {reading: list(found) for reading, found in self.found.entries.items()}

    def _codes(self, reading: Reading, batch: EventBatch, rows: Integers, gathered: Gathered) -> Codes:
        """For each row, what a reading finds in it."""
        columns = [batch.first_of(batch.table.where_is(name)) for name in reading]
        present = [one for one in columns if one is not None]
        if len(present) < len(columns) or not columns:
            return np.full(len(rows), self._code(reading, () if columns else ((),)), dtype=np.int32)
        codes = [one.codes[rows] for one in present]
        first, place = _distinct(codes)
        found, both = [], tuple(zip(present, codes, strict=True))
        for index in first.tolist():
            values = [one.values[code[index]] if code[index] >= 0 else None for one, code in both]
            entry, more = _entry(values)
            gathered.crowded += more
            found.append(self._code(reading, entry))
        return np.array(found, dtype=np.int32)[place]

    def _code(self, reading: Reading, entry: Entry) -> int:
        known = self.found.entries[reading]
        code = known.setdefault(entry, len(known))
        if code == len(self._listed[reading]):
            self._listed[reading].append(entry)
            self.found.size += _size(entry)
        return code

    def _keep_samples(
        self, samples: Samples, reading: Reading, codes: Codes, cells: Integers, batch: EventBatch, rows: Integers
    ) -> None:
        """Of each group and stretch of time, the earliest event."""
        times, listed = batch.times[rows], self._listed[reading]
        first, place = _distinct((codes, cells))
        order = np.lexsort((times, place))
        bounds = np.searchsorted(place[order], np.arange(len(first) + 1))
        low = times[order[bounds[:-1]]]
        ties = np.bincount(place[times == low[place]], minlength=len(first)).tolist()
        wanted: list[tuple[tuple[Entry, int], Order, int]] = []
        begins = zip(codes[first].tolist(), cells[first].tolist(), low.tolist(), bounds.tolist(), ties, strict=False)
        for code, stretch, time, begin, many in begins:
            cell = (listed[code], stretch)
            known = samples.get(cell)
            if cell[0] and (known is None or known[0][0] >= time):
                where, row = earliest(batch, rows[order[begin : begin + many]].tolist())
                before = (time, batch.source, where)
                if known is None or before < known[0]:
                    wanted.append((cell, before, row))
        for cell, before, row in wanted:
            samples[cell] = (before, sample(batch, row, before[2][2], before[0]))
        _fewer(samples, MAX_SAMPLES)


def _distinct(codes: Sequence[NDArray[np.integer]]) -> tuple[Integers, Integers]:
    """The first row of each distinct combination of codes, and for each row which one it has."""
    place: Integers = np.asarray(codes[0], dtype=np.int64)
    for more in codes[1:]:
        _, place = np.unique(place, return_inverse=True)
        _, other = np.unique(more, return_inverse=True)
        place = place * (int(other.max()) + 1) + other
    _, first, place = np.unique(place, return_index=True, return_inverse=True)
    return first, place


def _latest(times: Integers, codes: Sequence[Codes]) -> Integers:
    """The row of the latest time of each distinct combination of codes, in each hour."""
    order = np.argsort(times, kind="stable")[::-1]
    each: list[NDArray[np.integer]] = [*codes, times // HOUR]
    first, _ = _distinct([one[order] for one in each])
    found: Integers = order[first]
    return found


def _entry(values: Sequence[Value]) -> tuple[Entry, int]:
    """The alternatives of some values, and how many more there would be."""
    listed = [tuple(dict.fromkeys(map(_held, texts(value)))) for value in values]
    size = 1
    for one in listed:
        size *= len(one)
    return tuple(islice(product(*listed), MAX_ALTERNATIVES)), max(0, size - MAX_ALTERNATIVES)


def _held(text: str) -> str:
    """The text, or what tells it from all others where it is long, without regard to case."""
    if len(text) <= LONGEST:
        return text
    return f"{text[:LONGEST]}\u2026 sha256:{sha256(fold(text).encode('utf-8', 'surrogatepass')).hexdigest()}"


def _size(entry: Entry) -> int:
    """About the bytes that an entry takes."""
    return sum(EACH + sum(len(text) if text.isascii() else 4 * len(text) for text in one) for one in entry)
