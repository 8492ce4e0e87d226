"""Two stores held against each other: the embedded one and another in; what differs in events and findings, out.

Events are compared by their ids and, of the same id, by all that rules and people see of them. What the ledger says has
not been delivered yet, or was refused, is told apart from what is lost.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from hashlib import blake2b
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from kyber.finding import Finding, ScanResult
from kyber.logs.batch import EventBatch
from kyber.logs.enrich import Enrichment
from kyber.logs.parse import Progress
from kyber.logs.scan import NOTHING_KNOWN, scan_stored
from kyber.logs.sigma.asking import Asking
from kyber.logs.sigma.rule import RuleSet
from kyber.logs.store import ALL, Fresh, Key, Part, Period, Store
from kyber.logs.store.index import EVENTS, Index
from kyber.logs.store.ledger import Ledger
from kyber.logs.store.narrow import Narrow
from kyber.logs.values import NO_TIME
from kyber.problem import Problem

LOCAL, THERE, CONTENT = "only-here", "only-there", "content"
"""How an event may differ: it is in the embedded store only, in the other only, or in both and not the same."""
_Pairs = NDArray[np.uint64]
_LAST: Final = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """An event that differs: `what` is LOCAL, THERE or CONTENT. `time` in microseconds, None where it has none."""

    what: str
    id: str
    source: str
    day: str
    time: int | None
    file: str = ""
    record: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """Events by what became of them: `alike` in both stores; in the embedded one only, since they are `pending` or were
    `refused`, or for no known reason (`only_here`); in the other only; in both, with other `content`. `first`: of the
    last three the earliest."""

    alike: int = 0
    pending: int = 0
    refused: int = 0
    only_here: int = 0
    only_there: int = 0
    content: int = 0
    first: Difference | None = None

    @property
    def same(self) -> bool:
        """Whether nothing differs but what is known not to have arrived."""
        return not (self.only_here or self.only_there or self.content)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Both stores, over the same period and with the same rules: their events, and what scans of them found.

    `alike` counts the findings that both made; the others are in one only, or differ (as the embedded store has them).
    `blind`: the ids of rules that were blind in one only, or for another reason. `others`: the events of log sources of
    which the embedded store has nothing, by source; they are not compared, and not looked at by the scans.
    """

    events: Events
    alike: int
    only_here: tuple[Finding, ...]
    only_there: tuple[Finding, ...]
    changed: tuple[Finding, ...]
    blind: tuple[str, ...]
    others: Mapping[str, int]
    here: ScanResult
    there: ScanResult

    @property
    def same(self) -> bool:
        """Whether both stores say the same."""
        return self.events.same and not (self.only_here or self.only_there or self.changed or self.blind)


@dataclass(frozen=True, slots=True)
class Delivered:
    """What a ledger says: of each segment that has rows that are not settled, the first such row; the ids of events
    that were refused."""

    unsettled: Mapping[int, int] = field(default_factory=dict)
    refused: Collection[str] = frozenset()


ALL_DELIVERED: Final = Delivered()


def delivered(index: Index, destination: str) -> Delivered:
    """What the ledger of a destination says, in the index of the embedded store. Raises StoreError."""
    ledger = Ledger(index, destination)
    unsettled = index.run(
        "select segments.id, coalesce(settled, 0) from segments left join sent on segment = segments.id and "
        "destination = (select id from destinations where name = ?) where kind = ? and coalesce(settled, 0) < rows",
        (destination, EVENTS),
    )
    refused: set[str] = set()
    after = ""
    while some := ledger.refused(after=after):
        refused.update(one.id for one in some)
        after = some[-1].id
    return Delivered(dict(unsettled), refused)


def compare(
    here: Store,
    there: Store,
    rules: RuleSet,
    now: datetime,
    zone: tzinfo,
    *,
    period: Period = ALL,
    ledger: Delivered = ALL_DELIVERED,
    known: Enrichment = NOTHING_KNOWN,
    asking: Asking | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
) -> Compared:
    """Compare what two stores hold of a period. `here` is the embedded one, whose parts are segments by id.

    Nothing is remembered in either. Raises StoreError, ClusterError.
    """
    asking = asking or Asking()
    sources = {part.source for part in here.parts()}
    others = Counter[str]()
    for part in there.parts(period):
        if part.source not in sources:
            others[part.source] += part.rows
    there = _Of(there, frozenset(sources))
    found = [
        scan_stored(
            store, rules, now, zone, period=period, progress=progress, known=known, asking=asking, remember=False
        )
        for store in (here, there)
    ]
    mine, theirs = ({one.id: one for one in result.findings} for result in found)
    both = [one for one in mine if one in theirs]
    blind = [{one.rule.id: (one.reason, str(one.facts)) for one in result.blind} for result in found]
    return Compared(
        events=events(here, there, period, ledger),
        alike=sum(mine[one] == theirs[one] for one in both),
        only_here=tuple(one for id_, one in mine.items() if id_ not in theirs),
        only_there=tuple(one for id_, one in theirs.items() if id_ not in mine),
        changed=tuple(mine[one] for one in both if mine[one] != theirs[one]),
        blind=tuple(sorted(one for one in {**blind[0], **blind[1]} if blind[0].get(one) != blind[1].get(one))),
        others=dict(sorted(others.items())),
        here=found[0],
        there=found[1],
    )


@dataclass(frozen=True, slots=True)
class _Of:
    """What a store holds of some sources."""

    store: Store
    sources: frozenset[str]

    @property
    def narrows(self) -> bool:
        return self.store.narrows

    def reading(self) -> AbstractContextManager[None]:
        return self.store.reading()

    def parts(
        self, period: Period = ALL, *, sources: Sequence[str] | None = None, days: Sequence[str] | None = None
    ) -> Sequence[Part]:
        return self.store.parts(period, sources=self._some(sources), days=days)

    def events(
        self,
        period: Period = ALL,
        *,
        sources: Sequence[str] | None = None,
        days: Sequence[str] | None = None,
        narrow: Narrow | None = None,
    ) -> Iterator[EventBatch]:
        return self.store.events(period, sources=self._some(sources), days=days, narrow=narrow)

    def _some(self, sources: Sequence[str] | None) -> Sequence[str]:
        return sorted(self.sources if sources is None else self.sources.intersection(sources))

    def number(self, period: Period = ALL, *, sources: Sequence[str] | None = None) -> int:
        return self.store.number(period, sources=self._some(sources))

    def event(self, identity: str, period: Period = ALL) -> tuple[EventBatch, int] | None:
        return self.store.event(identity, period)

    def arrivals(self, source: str, start: int, end: int, step: int) -> frozenset[int]:
        return self.store.arrivals(source, start, end, step)

    def heard(self, questions: Collection[bytes]) -> Mapping[bytes, Mapping[Key, bytes]]:
        return self.store.heard(questions)

    def note(self, part: Part, question: bytes, answer: bytes) -> None:
        self.store.note(part, question, answer)

    def remember(self) -> None:
        self.store.remember()

    def fresh(self) -> Fresh:
        return self.store.fresh()

    def doubts(self) -> Sequence[Problem]:
        return self.store.doubts()


def events(here: Store, there: Store, period: Period = ALL, ledger: Delivered = ALL_DELIVERED) -> Events:
    """Compare the events of two stores. What is held at a time are 40 bytes of each event of one source and day."""
    with here.reading(), there.reading():
        mine, theirs = _by_day(here.parts(period)), _by_day(there.parts(period))
        counts = dict.fromkeys(("alike", "pending", "refused", LOCAL, THERE, CONTENT), 0)
        first: tuple[int, bytes, str, tuple[str, str]] | None = None
        for place in sorted({**mine, **theirs}):
            pieces = (_gathered(mine.get(place, ()), period, ledger), _gathered(theirs.get(place, ()), period))
            for what, number, at in _compared(*pieces, ledger.refused):
                counts[what] += number
                if at is not None and (first is None or at < first[:2]):
                    first = (*at, what, place)
        told = None if first is None else _told(here, there, *first)
    return Events(
        alike=counts["alike"],
        pending=counts["pending"],
        refused=counts["refused"],
        only_here=counts[LOCAL],
        only_there=counts[THERE],
        content=counts[CONTENT],
        first=told,
    )


def _by_day(parts: Sequence[Part]) -> dict[tuple[str, str], list[Part]]:
    found: dict[tuple[str, str], list[Part]] = {}
    for one in parts:
        found.setdefault((one.day, one.source), []).append(one)
    return found


@dataclass(frozen=True, slots=True)
class _Gathered:
    """Some events of one store, side by side: ids and contents as two numbers each, times, and whether it is known that
    they were not delivered yet."""

    ids: _Pairs
    content: _Pairs
    times: NDArray[np.int64]
    pending: NDArray[np.bool_]


def _gathered(parts: Iterable[Part], period: Period, ledger: Delivered = ALL_DELIVERED) -> _Gathered:
    ids: list[_Pairs] = [np.zeros((0, 2), np.uint64)]
    content: list[_Pairs] = [np.zeros((0, 2), np.uint64)]
    times: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
    pending: list[NDArray[np.bool_]] = [np.zeros(0, bool)]
    for part in parts:
        seen = 0
        settled = ledger.unsettled.get(part.key, part.rows) if isinstance(part.key, int) else part.rows
        for batch in part.read(None):
            rows = np.flatnonzero(period.holds(batch.times))
            ids.append(_pairs(b"".join(bytes.fromhex(batch.event_id(row)) for row in rows.tolist())))
            content.append(_contents(batch)[rows])
            times.append(batch.times[rows])
            pending.append(rows + seen >= settled)
            seen += batch.rows
    return _Gathered(np.concatenate(ids), np.concatenate(content), np.concatenate(times), np.concatenate(pending))


def _pairs(joined: bytes) -> _Pairs:
    return np.frombuffer(joined, dtype=">u8").reshape(-1, 2).astype(np.uint64)


def _digest(what: Any) -> bytes:
    return blake2b(repr(what).encode("utf-8", "backslashreplace"), digest_size=16).digest()


def _contents(batch: EventBatch) -> _Pairs:
    """Of each event, what stands for all that there is of it."""
    nature = (batch.table.name, batch.logsource, str(batch.zone), batch.verbatim, batch.source)
    held, digests = batch.read.held, []
    for row, time in enumerate(batch.times.tolist()):
        origin = batch.origin(row)
        place = (origin.file, origin.fingerprint, batch.records[row], batch.offsets[row], held[row] if held else 1)
        digests.append(_digest((nature, place, time, batch.raw[row])))
    found = _pairs(b"".join(digests))
    for name in batch.fields.names:
        column = batch.fields.column(name)
        if column is not None:
            values = _pairs(b"".join([*(_digest((name, value)) for value in column.values), bytes(16)]))
            found += values[column.codes]  # the last one stands for an event without the field
    return found


def _compared(
    mine: _Gathered, theirs: _Gathered, refused: Collection[str]
) -> Iterable[tuple[str, int, tuple[int, bytes] | None]]:
    """What became of the events of one source and day, how many there are of each, and the earliest of them."""
    ids = np.concatenate((mine.ids, theirs.ids))
    content = np.concatenate((mine.content, theirs.content))
    times = np.concatenate((mine.times, theirs.times))
    side = np.repeat((0, 1), (len(mine.ids), len(theirs.ids)))
    order = np.lexsort((side, ids[:, 1], ids[:, 0]))
    ids, content, times, side = ids[order], content[order], times[order], side[order]
    pending = np.concatenate((mine.pending, theirs.pending))[order]
    paired = np.zeros(len(ids), dtype=bool)
    paired[:-1] = (ids[1:] == ids[:-1]).all(axis=1) & (side[:-1] < side[1:])
    other = np.roll(paired, 1)
    equal = np.zeros(len(ids), dtype=bool)
    equal[:-1] = (content[1:] == content[:-1]).all(axis=1)
    alone = ~paired & ~other
    here = alone & (side == 0)
    lost = np.flatnonzero(here & ~pending).tolist()
    rejected = [at for at in lost if _name(ids[at]) in refused] if refused else []
    left = np.setdiff1d(lost, rejected).astype(np.int64)
    yield "alike", int((paired & equal).sum()), None
    yield "pending", int((here & pending).sum()), None
    yield "refused", len(rejected), None
    for what, places in (
        (LOCAL, left),
        (THERE, np.flatnonzero(alone & (side == 1))),
        (CONTENT, np.flatnonzero(paired & ~equal)),
    ):
        if len(places):
            when = np.where(times[places] == NO_TIME, _LAST, times[places])
            low = int(when.min())
            yield what, len(places), (low, min(bytes.fromhex(_name(ids[at])) for at in places[when == low].tolist()))


def _name(pair: NDArray[np.uint64]) -> str:
    """An id as it is written."""
    return f"{int(pair[0]):016x}{int(pair[1]):016x}"


def _told(here: Store, there: Store, time: int, identity: bytes, what: str, place: tuple[str, str]) -> Difference:
    """An event that differs, with where it was read."""
    day, source = place
    found = (there if what == THERE else here).event(identity.hex())
    file, record = "", 0
    if found is not None:
        batch, row = found
        file, record = batch.origin(row).file, batch.records[row]
    return Difference(
        what=what,
        id=identity.hex(),
        source=source,
        day=day,
        time=None if time == _LAST else time,
        file=file,
        record=record,
    )
