"""Occurrences of the rules in, what the correlations over them find out: one finding a burst, in any order of arrival.

The window slides: at each event, at time t, it is (t - timespan, t], and the condition is judged there. Firings no more
than a timespan apart are one burst. In a chain, each firing stands for the event at which it fired, with that event's
fields, and a burst counts once. Everything is decided by event time. Of what asks for silence, one silence is one
finding: it is the same as long as nothing is heard.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from hashlib import sha256
from itertools import product
from typing import Any, Final

import numpy as np
import orjson
from numpy.typing import NDArray

from kyber.finding import Blind, Evidence, Finding, RuleRef, Sample
from kyber.logs.batch import LogSource
from kyber.logs.sample import short
from kyber.logs.schema import table
from kyber.logs.sigma.absence import Group, Heard, Past, Patience, Silence, patience, regular
from kyber.logs.sigma.asking import SOURCE, Awaited, reaches, silenced
from kyber.logs.sigma.correlation import NUMERIC, TEMPORAL, Awaits, Correlation, Kind
from kyber.logs.sigma.occurrences import HOUR, Integers, Occurrences, Path
from kyber.logs.sigma.parts import Happened, Part, Rows, Silent, Spread
from kyber.logs.sigma.rule import Rule
from kyber.logs.sigma.sliding import Measured, Numbers, Ranked, Ratio, Windows, averaged, in_order, summed
from kyber.logs.values import as_datetime, fold, number
from kyber.problem import Problem, Severity

MAX_FINDINGS: Final = 10_000
"""Findings of one correlation: the latest; the others are counted."""
HOSTS: Final = frozenset(("host.name", "Computer", "ComputerName", "hostname", "Hostname"))
"""The names of the field that holds an event's host."""
KNOWN: Final = ("host.name", "user.name", "source.ip")
"""The columns by which findings are grouped everywhere; a group of a correlation says so where it is one of them."""
DAY: Final = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Burst:
    """Firings of one correlation in one group, each no more than a timespan after the one before. Times as everywhere.

    `begin` is its first event, `first` and `last` its first and last firing. To be sure of it, everything from `since`
    on and before `until` must have been looked at. `absent`: no event was in the window, which is all there is to it;
    where the correlation asks for nothing else, `silence` says more.
    """

    correlation: Correlation
    number: int
    begin: int
    first: int
    last: int
    since: int
    until: int
    absent: bool
    silence: Silence | None = None


NOTHING_PAST: Final = Past()


class Correlator:
    """Some correlations over all that was gathered for them. `as_of`: when absence is judged; None: not at all.

    `awaited`: where events are expected from. `rules`: what the correlations may name, by id. `past`: what is known
    besides what was gathered.
    """

    def __init__(
        self,
        correlations: Sequence[Correlation],
        found: Occurrences,
        rules: Iterable[Rule],
        as_of: int | None = None,
        awaited: Sequence[Awaited] = (),
        past: Past = NOTHING_PAST,
    ) -> None:
        self.correlations = correlations
        self.as_of, self.awaited, self.past = as_of, awaited, past
        self.found = found
        self.rules = {rule.ref.id: rule for rule in rules if rule.ref.id in found.needs}
        self.refs: dict[str, RuleRef] = {one.ref.id: one.ref for one in self.rules.values()}
        self.refs |= {one.ref.id: one.ref for one in correlations}
        self.runs: dict[str, Run] = {}
        self.entries = {reading: list(entries) for reading, entries in found.entries.items()}
        self.reaches = reaches(correlations)
        for one in correlations:  # each comes after those that it builds on
            self.runs[one.ref.id] = Run(one, self)

    def bursts(self) -> Iterator[Burst]:
        """What is to be told: the bursts of the correlations that alert on their own."""
        quiet = silenced(self.correlations)
        for run in self.runs.values():
            if run.one.ref.id not in quiet:
                yield from run.bursts

    def finding(self, burst: Burst) -> Finding:
        """A burst as a finding."""
        return self.runs[burst.correlation.ref.id].finding(burst)

    def problems(self) -> Iterator[Problem]:
        """What was not counted, and why."""
        for run in self.runs.values():
            yield from run.problems()

    def blind(self, others: Mapping[str, Blind]) -> Iterator[Blind]:
        """The correlations that could not have fired. `others`: the rules that could not, by id."""
        known = dict(others)
        for run in self.runs.values():
            found = run.blind(known)
            if found is not None:
                known[run.one.ref.id] = found
                yield found


class Run:
    """One correlation over its occurrences."""

    def __init__(self, one: Correlation, all_: Correlator) -> None:
        self.one, self.all = one, all_
        self.groups = Spread()
        self.values = Spread()
        self.lacking = 0
        self.valueless = 0
        self.came = 0
        self.parts: list[tuple[int, Part]] = [
            (step, part) for step, rule in enumerate(one.rules) for part in self._parts(rule)
        ]
        self.rows = self._gathered()
        self._judge()

    # -- what it looks at

    def _parts(self, rule: str) -> Iterator[Part]:
        inner = self.all.runs.get(rule)
        if inner is None:
            found = self.all.found.rules[rule]
            yield Happened(Path(rule, ((self.one, rule),)), found, None, found.keys)
        else:
            yield from inner.told(self.one)

    def _gathered(self) -> Rows:
        entries = self.all.entries
        pieces: list[Rows] = []
        for number_, (step, part) in enumerate(self.parts):
            codes, listed = part.read(self.one.group_by, entries)
            rows, groups = self.groups.of(codes, listed, None)
            self.came += len(codes)
            self.lacking += len(codes) - (int(np.count_nonzero(np.diff(rows))) + 1 if len(rows) else 0)
            values = np.full(len(rows), -1, dtype=np.int64)
            if self.one.fields:
                codes, listed = part.read(self.one.fields, entries)
                again, values = self.values.of(codes[rows], listed, -1)
                rows, groups = rows[again], groups[again]
                self.valueless += self._without_value(values)
            pieces.append(
                Rows(
                    groups,
                    part.times[rows],
                    np.full(len(rows), step, dtype=np.int64),
                    part.keys[rows],
                    np.full(len(rows), number_, dtype=np.int64),
                    rows,
                    values,
                )
            )
        self._known = self._heard(pieces) if self.one.only_absence else {}
        self.expected, self.silences = self._expected(), dict[int, Silence]()
        if self.expected and self.all.as_of is not None:
            numbers = self.groups.numbers
            folded = {tuple(map(fold, one)): waits for one, waits in self.expected.items()}
            each = [numbers.setdefault(one, len(numbers)) for one in folded]
            if self.one.only_absence:  # an event never fires it: only those that are silent now are looked at
                self.silences = self._silences(dict(zip(each, folded.items(), strict=True)))
                pieces, each = [], list(self.silences)
            waiting = np.array(each, dtype=np.int64)
            none = np.full(len(waiting), -1, dtype=np.int64)
            pieces.append(Rows(waiting, np.full(len(waiting), self.all.as_of), none, none, none, none, none))
        elif self.one.only_absence:
            pieces = []
        if not pieces:
            empty = np.zeros(0, dtype=np.int64)
            return Rows(*(empty for _ in Rows.__slots__))
        return Rows(*(np.concatenate([getattr(one, name) for one in pieces]) for name in Rows.__slots__))

    def _without_value(self, values: Integers) -> int:
        if self.one.kind in NUMERIC:
            lacking = np.array([*(one is None for one in self._numeric()), True])
            return int(np.count_nonzero(lacking[values]))
        return int(np.count_nonzero(values < 0))

    def _numeric(self) -> list[Fraction | None]:
        """The number that each value is."""
        return [_fraction(one[0]) for one in self.values.numbers]

    # -- silence

    def _expected(self) -> dict[Group, Patience]:
        """The groups that are known to send events, if absence is asked for, and how long they may be silent."""
        one, found = self.one, dict[Group, Patience]()
        if not one.of_absence or self.all.as_of is None:
            return found
        if not one.group_by:
            return {(): Patience(one.timespan)}
        for _, part in self.parts:
            rule = self.all.rules.get(part.path.rule)
            reading = part.path.reading(one.group_by)
            for source in self.all.awaited:
                if not one.only_absence and (source.every or 0) > one.timespan:
                    continue
                if rule is None or _is_about(rule.logsource, source, declared=one.awaits is Awaits.SEEN):
                    texts = [
                        (source.source,) if name == SOURCE else source.hosts if name in HOSTS else ()
                        for name in reading
                    ]
                    found |= {group: self._patience(source, group) for group in product(*texts) if group not in found}
        if one.awaits is Awaits.SEEN:
            seen = {tuple(map(fold, group)) for group in found}
            written = self._written()
            for group, learnt in regular(self._known, one.timespan):
                if group not in seen:
                    found[written[group]] = Patience(one.timespan, usual=learnt)
        return found

    def _written(self) -> dict[Group, Group]:
        """The groups that were heard, in small letters, and how they are written."""
        every = {
            group
            for _, part in self.parts
            for one in part.read(self.one.group_by, self.all.entries)[1]
            for group in one
        }
        every.update(self.all.past.heard.get(self.one.ref.id, ()))
        return {tuple(map(fold, one)): one for one in sorted(every, reverse=True)}

    def heard(self) -> dict[Group, Heard]:
        """When each group was heard until the time of asking, where the correlation asks for nothing but silence."""
        written = self._written()
        return {written[group]: one for group, one in self._known.items()}

    def _patience(self, source: Awaited, group: Group) -> Patience:
        """How long a source, or what writes to it, may be silent."""
        heard = self._known.get(tuple(map(fold, group)))
        arrived = self.all.past.arrived.get(source.source)
        hours = () if heard is None else heard.hours
        return patience(self.one.timespan, self.one.silent_after, source.every, hours, arrived)

    def _silences(self, expected: Mapping[int, tuple[Group, Patience]]) -> dict[int, Silence]:
        """Those of the groups, by number, that are silent."""
        found, as_of = {}, self.all.as_of or 0
        for number_, (group, waits) in expected.items():
            heard = self._known.get(group)
            if heard is None or heard.last <= as_of - waits.span:
                found[number_] = Silence(waits, None if heard is None else heard.last, self.all.past.since)
        return found

    def _heard(self, pieces: Sequence[Rows]) -> dict[Group, Heard]:
        """When each group (in small letters) was heard until the time of asking, as far as that is known."""
        found: dict[Group, Heard] = {}
        as_of, names = self.all.as_of or 0, {number: one for one, number in self.groups.numbers.items()}
        for piece in pieces:
            within = piece.time <= as_of
            group, time = piece.group[within], piece.time[within]
            order = np.lexsort((time, group))
            group, time = group[order], time[order]
            starts = np.flatnonzero(np.diff(group, prepend=-1))
            for begin, end in zip(starts.tolist(), [*starts[1:].tolist(), len(group)], strict=False):
                hours = frozenset((time[begin:end] // HOUR).tolist())
                one = Heard(int(time[end - 1]), hours)
                name = names[int(group[begin])]
                found[name] = found[name].joined(one) if name in found else one
        for written, one in self.all.past.heard.get(self.one.ref.id, {}).items():
            name = tuple(map(fold, written))
            found[name] = found[name].joined(one) if name in found else one
        return found

    # -- judging

    def _judge(self) -> None:
        one, steps = self.one, len(self.one.rules) + 1
        ticks, rank = np.unique(self.rows.time, return_inverse=True)
        together = self.rows.group * len(ticks) + rank
        order = np.argsort(together * steps + self.rows.step + 1 if steps > 2 else together, kind="stable")
        rows = self.rows = self.rows.take(order)
        together = together[order]
        after = np.searchsorted(ticks, ticks - one.timespan, side="right")[rank[order]]
        self.windows = Windows(
            np.searchsorted(together, rows.group * len(ticks) + after, side="left").astype(np.int64),
            np.searchsorted(together, together, side="right").astype(np.int64),
        )
        self.measured = self._measured()
        self.fired = np.flatnonzero(self._held())
        where, when = rows.group[self.fired], rows.time[self.fired]
        fresh = np.ones(len(self.fired), dtype=bool)
        fresh[1:] = (where[1:] != where[:-1]) | (when[1:] - when[:-1] > one.timespan)
        self.burst = np.cumsum(fresh) - 1
        self.firsts = self.fired[fresh]
        """The row of each burst's first firing."""
        self.lasts = self.fired[np.append(fresh[1:], True)] if len(self.fired) else self.fired
        self.starts, self.ends = self.windows.low[self.firsts], self.windows.high[self.lasts]
        """Each burst's rows: from, and before."""

    def _measured(self) -> Measured:
        rows, windows = self.rows, self.windows
        match self.one.kind:
            case Kind.EVENT_COUNT:
                return Ratio.counts(self._events())
            case Kind.VALUE_COUNT:
                return Ratio.counts(windows.distinct(rows.value))
            case Kind.TEMPORAL:
                return Ratio.counts(windows.distinct(rows.step))
            case Kind.TEMPORAL_ORDERED:
                begins = np.searchsorted(rows.group, rows.group, side="left")
                return Ratio.counts(in_order(windows, rows.time, begins, rows.step, len(self.one.rules)))
            case Kind.VALUE_SUM:
                return summed(windows, self._numbers())
            case Kind.VALUE_AVG:
                return averaged(windows, self._numbers())
        return Ranked(windows, self._numbers(), self.one.percentile)

    def _events(self) -> Integers:
        """How many events each window holds; what several rules matched counts once, and so does a burst."""
        rows = self.rows
        if (rows.key < -1).any():
            _, keys = np.unique(rows.key, return_inverse=True)
            return self.windows.distinct(np.where(rows.step >= 0, keys, -1))
        if len(self.parts) == 1:
            return self.windows.sums((rows.step >= 0).astype(np.int64))
        order = np.lexsort((rows.key, rows.group))
        counts = np.ones(len(rows.key), dtype=np.int64)
        same = (rows.key[order][1:] == rows.key[order][:-1]) & (rows.group[order][1:] == rows.group[order][:-1])
        counts[order[1:][same]] = 0
        counts[rows.step < 0] = 0
        return self.windows.sums(counts)

    def _numbers(self) -> Numbers:
        known = self._numeric()
        ordered = sorted({one for one in known if one is not None})
        place = {one: at for at, one in enumerate(ordered)}
        table_ = np.array([*(-1 if one is None else place[one] for one in known), -1], dtype=np.int64)
        return Numbers(table_[self.rows.value], ordered)

    def _held(self) -> NDArray[np.bool_]:
        """Whether the condition holds in each row."""
        held: NDArray[np.bool_] = self.measured.some.copy()
        if self.one.condition is None:
            return held & (self.measured.against(Fraction(len(self.one.rules))) >= 0)
        for bound in self.one.condition.bounds:
            signs = self.measured.against(bound.limit)
            match bound.operator:
                case "gt":
                    held &= signs > 0
                case "gte":
                    held &= signs >= 0
                case "lt":
                    held &= signs < 0
                case "lte":
                    held &= signs <= 0
                case "eq":
                    held &= signs == 0
                case "neq":
                    held &= signs != 0
        return held

    # -- what it tells

    def told(self, outer: Correlation) -> Iterator[Part]:
        """Its firings, for a correlation that builds on it: each stands for the event at which it fired."""
        mine = self.rows.take(self.fired)
        keys = -2 - self.burst
        for number_, (_, part) in enumerate(self.parts):
            here = mine.part == number_
            pairs = np.unique(np.stack((mine.row[here], keys[here])), axis=1)
            if isinstance(part, Silent):
                path, chosen = _through(outer, self.one, part.path), pairs[0].tolist()
                groups = tuple(part.groups[at] for at in chosen)
                yield Silent(path, part.group_by, groups, pairs[1], part.time)
            else:
                yield part.only(_through(outer, self.one, part.path), pairs[0], pairs[1])
        if self.expected and self.all.as_of is not None:
            silent = np.flatnonzero(mine.step < 0)
            names = {self.groups.numbers[tuple(map(fold, one))]: one for one in self.expected}
            groups = tuple(names[at] for at in mine.group[silent].tolist())
            path = Path(self.one.ref.id, ((outer, self.one.ref.id),))
            yield Silent(path, self.one.group_by, groups, keys[silent], self.all.as_of)

    @cached_property
    def bursts(self) -> tuple[Burst, ...]:
        """Every burst, by group and time."""
        span, far = self.one.timespan, self.all.reaches[self.one.ref.id]
        found = []
        times = self.rows.time
        for at in range(len(self.firsts)):
            first, last = int(times[self.firsts[at]]), int(times[self.lasts[at]])
            begin = int(times[self.starts[at]])
            absent = not len(self._rows_of(at)[0])
            inner = [other.bursts[number_] for other, number_ in self._inner(at)]
            since = first - far if absent else min((first - far - span, *(one.since for one in inner)))
            until = last if absent else max((last + span, *(one.until for one in inner)))
            silence = self.silences.get(int(self.rows.group[self.firsts[at]]))
            found.append(Burst(self.one, at, begin, first, last, since, until, absent, silence))
        return tuple(found)

    def _rows_of(self, at: int) -> tuple[Integers, Integers]:
        """The steps and keys of a burst's rows, without those that stand for no event."""
        rows = slice(int(self.starts[at]), int(self.ends[at]))
        steps, keys = self.rows.step[rows], self.rows.key[rows]
        return steps[steps >= 0], keys[steps >= 0]

    def _inner(self, at: int, step: int | None = None) -> Iterator[tuple["Run", int]]:
        """The bursts of other correlations that a burst is made of."""
        steps, keys = self._rows_of(at)
        chained = keys < -1
        if chained.any():
            for of, key in np.unique(np.stack((steps[chained], keys[chained])), axis=1).T.tolist():
                if step is None or of == step:
                    yield self.all.runs[self.one.rules[of]], -2 - key

    @cached_property
    def _counts(self) -> dict[int, int]:
        return {}

    def count(self, at: int) -> int:
        """How many events a burst is made of; a burst of another correlation counts with all of its own."""
        if at not in self._counts:
            _, keys = self._rows_of(at)
            own = len(np.unique(keys[keys >= 0]))
            self._counts[at] = own + sum(other.count(number_) for other, number_ in set(self._inner(at)))
        return self._counts[at]

    def begin(self, at: int) -> int:
        """The time of the first event of a burst, or of those that it is made of."""
        inner = (other.begin(number_) for other, number_ in self._inner(at))
        return min((int(self.rows.time[self.starts[at]]), *inner))

    # -- findings

    def finding(self, burst: Burst) -> Finding:
        """One burst, as it is shown."""
        one, at = self.one, burst.number
        group = self._group(burst)
        named = {name: group[name] for name in one.group_by}
        first, silence = self.begin(at), burst.silence
        identity = burst_id(one.ref.id, named, burst.begin // DAY if burst.absent else burst.begin, burst.absent)
        if silence is not None:
            first = first if silence.last is None else silence.last
            identity = silence_id(one.ref.id, named, silence.last)
        known = _known_names(one, self)
        shown = {known.get(name, name): short(value) for name, value in named.items()}
        sample, sources = self._sample(burst, shown)
        return Finding(
            id=identity,
            rule=one.ref,
            family=one.family,
            level=one.level,
            tags=one.tags,
            count=self.count(at),
            first=as_datetime(first),
            last=as_datetime(burst.last),
            group=shown,
            evidence=tuple(self._evidence(burst)),
            sample=sample,
            description=one.description,
            false_positives=one.false_positives,
            references=one.references,
            next=one.next,
            sources=(*sources, named[SOURCE]) if burst.absent and SOURCE in named else sources,
        )

    def _group(self, burst: Burst) -> dict[str, str]:
        """What a burst is grouped by, as its first event writes it."""
        row = int(self.starts[burst.number])
        wanted = int(self.rows.group[row])
        written: list[tuple[str, ...]] = []
        end = int(self.ends[burst.number])
        while row < end and self.rows.time[row] == burst.begin:
            if self.rows.step[row] >= 0:
                _, part = self.parts[int(self.rows.part[row])]
                codes, entries = part.read(self.one.group_by, self.all.entries)
                texts = entries[int(codes[self.rows.row[row]])]
                written += [one for one in texts if self.groups.numbers.get(tuple(map(fold, one))) == wanted]
            row += 1
        if not written:
            written = [one for one in self.expected if self.groups.numbers.get(tuple(map(fold, one))) == wanted]
        return dict(zip(self.one.group_by, min(written), strict=True))

    def _sample(self, burst: Burst, group: Mapping[str, str]) -> tuple[Sample, tuple[str, ...]]:
        """The earliest event of a burst that was kept whole, and the sources of its events."""
        rows = slice(int(self.starts[burst.number]), int(self.ends[burst.number]))
        names = list(self.all.found.sources)
        sources: set[str] = set()
        best: tuple[Any, Sample] | None = None
        number_, place, times = self.rows.part[rows], self.rows.row[rows], self.rows.time[rows]
        for at, (_, part) in enumerate(self.parts):
            if isinstance(part, Silent):
                continue
            here = place[number_ == at]
            sources |= {names[code] for code in np.unique(part.sources[here]).tolist()}
            early = here[times[number_ == at] <= burst.first]
            reading = part.path.reading(self.one.group_by)
            samples = part.gathered.samples.get((reading, self.one.timespan), {})
            codes, entries = part.read(self.one.group_by, self.all.entries)
            cells = part.times[early] // self.one.timespan
            pairs = np.unique(np.stack((codes[early].astype(np.int64), cells)), axis=1)
            for code, cell in pairs.T.tolist():
                kept = samples.get((entries[code], cell))
                if kept is not None and burst.begin <= kept[0][0] and (best is None or kept[0] < best[0]):
                    best = kept
        begin: int | None = burst.begin
        if burst.absent:
            begin = None if burst.silence is None else burst.silence.last
        nothing = Sample("", "", 0, None if begin is None else as_datetime(begin), dict(group))
        return nothing if best is None else best[1], tuple(sorted(sources - {""}))

    def _evidence(self, burst: Burst) -> Iterator[Evidence]:
        """What the condition came to, and what each rule had in it."""
        one, at = self.one, burst.number
        asked = one.asked if one.percentile is None else f"percentile {decimal(one.percentile)} {one.asked}"
        fields = ", ".join(one.fields)
        what = f"{one.kind} of {fields}" if fields else str(one.kind)
        silence = burst.silence
        span = one.span if silence is None or silence.patience.span == one.timespan else lasting(silence.patience.span)
        yield Evidence(span, what, fields, short(decimal(self._shown(at))), asked)
        if silence is not None:
            yield from _of_silence(silence, burst.last, one)
        steps, keys = self._rows_of(at)
        for step, rule in enumerate(one.rules):
            mine = np.unique(keys[steps == step])
            count = int(np.count_nonzero(mine >= 0)) + sum(
                other.count(number_) for other, number_ in self._inner(at, step)
            )
            ref = self.all.refs.get(rule)
            if ref is not None and (count or one.kind in TEMPORAL or burst.absent):
                yield Evidence(ref.name or ref.title, "events", "", str(count), "")

    def _shown(self, at: int) -> Fraction:
        """What the condition is about: at its most (or least) for what is counted or added, else when it first held."""
        fired = self.fired[self.burst == at] if len(self.firsts) < 2 else self._fired_of(at)
        measured = self.measured
        if not isinstance(measured, Ratio) or self.one.kind is Kind.VALUE_AVG:
            return measured.at(int(self.firsts[at]))
        above = measured.above[fired]
        rises = self.one.condition is None or self.one.condition.rises
        return measured.at(int(fired[int(np.argmax(above) if rises else np.argmin(above))]))

    def _fired_of(self, at: int) -> Integers:
        low, high = np.searchsorted(self.burst, (at, at + 1))
        return self.fired[low:high]

    # -- what it did not look at

    def problems(self) -> Iterator[Problem]:
        one = self.one
        if self.lacking and not (one.only_absence and not self.expected):  # which is blind, and says why
            yield _note(one, "R24", count=self.lacking, fields=", ".join(one.group_by))
        if self.valueless:
            yield _note(one, "R24", count=self.valueless, fields=", ".join(one.fields))
        tables = {part.path.rule: part.gathered for _, part in self.parts if isinstance(part, Happened)}
        if undated := sum(found.undated for found in tables.values()):
            yield _note(one, "R25", count=undated)
        if evicted := sum(found.evicted + found.crowded for found in tables.values()):
            facts = {"count": evicted, "limit": self.all.found.limit}
            yield Problem(one.place, "R26", facts, Severity.WARNING)

    def blind(self, others: Mapping[str, Blind]) -> Blind | None:
        """Why it could not have fired, if so. `others`: what else could not, by id."""
        one = self.one
        if one.only_absence and not self.expected:
            return Blind(one.ref, one.level, "no-register", {"field": ", ".join(one.group_by)})
        missing = [rule for rule in one.rules if rule in others]
        silent = self.expected and all(others[rule].reason in ("no-events", "no-register") for rule in missing)
        if missing and not silent:
            seeing = len(one.rules) - len(missing)
            late = next((rule for rule in missing if others[rule].reason == "regex-time"), None)
            lost = not seeing or (one.kind in TEMPORAL and not any(one.holds(n) for n in range(1, seeing + 1)))
            if late is not None or lost:
                return Blind(one.ref, one.level, "rule-blind", {"rule": others[late or missing[0]].rule.title})
        if self.came and self.lacking == self.came and not self.expected:
            return Blind(one.ref, one.level, "no-field", {"field": ", ".join(one.group_by)})
        return None


def burst_id(rule: str, group: Mapping[str, str], begin: int, absent: bool) -> str:
    """SHA-256 over rule id, group without regard to case, and the burst's first time; 128 bits in hex.

    Where nothing happened, the UTC day (days since the epoch) stands for the time.
    """
    folded = sorted((name, fold(value)) for name, value in group.items())
    return sha256(orjson.dumps([rule, folded, begin, "absent" if absent else "burst"])).hexdigest()[:32]


def silence_id(rule: str, group: Mapping[str, str], last: int | None) -> str:
    """As `burst_id`, over the last time that the group was heard: so a silence is one finding as long as it goes on."""
    folded = sorted((name, fold(value)) for name, value in group.items())
    return sha256(orjson.dumps([rule, folded, last, "silence"])).hexdigest()[:32]


def _of_silence(silence: Silence, as_of: int, one: Correlation) -> Iterator[Evidence]:
    """Since when it is silent, and what is usual for it."""
    if silence.last is not None:
        told = f"{as_datetime(silence.last):%Y-%m-%d %H:%M} UTC, {lasting(as_of - silence.last)} before"
        yield Evidence("silence", "last event", "", told, "")
    else:
        since = "" if silence.since is None else f"since {as_datetime(silence.since):%Y-%m-%d}"
        yield Evidence("silence", "last event", "", "none", since)
    known = silence.patience
    times = "" if one.silent_after is None else f"silent after {decimal(one.silent_after)} times, {lasting(known.span)}"
    if known.every is not None:
        yield Evidence("usual interval", "expected_every", "", lasting(known.every), times)
    elif known.usual is not None:
        learnt = f"learnt from {known.usual.heard} hours with events in {lasting(known.usual.over * HOUR)}"
        yield Evidence("usual interval", "learnt", "", lasting(known.usual.interval * HOUR), learnt)
    elif one.silent_after is not None:
        yield Evidence("usual interval", "not known", "", one.span, "the timespan of the rule")


def lasting(span: int) -> str:
    """A length of time, in microseconds, in its two largest units, as `3d 4h`."""
    left, told = span // 1_000_000, list[str]()
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        many, left = divmod(left, size)
        if many or told:
            told.append(f"{many}{unit}" if many else "")
    return " ".join(one for one in told[:2] if one) or "0s"


def _is_about(logsource: LogSource, source: Awaited, *, declared: bool) -> bool:
    """Whether a source may send what a rule is about; `declared`: only where the register says so."""
    if logsource.product is not None and source.product not in (None, logsource.product):
        return False
    named = ((logsource.category, source.category), (logsource.service, source.service))
    return not declared or all(asked in (None, said) for asked, said in named)


def _through(outer: Correlation, inner: Correlation, path: Path) -> Path:
    return Path(path.rule, ((outer, inner.ref.id), *path.steps))


def _known_names(one: Correlation, run: Run) -> dict[str, str]:
    """By what name a group-by field goes everywhere, where all rules mean the same column by it."""
    found: dict[str, str] = {}
    for name in one.group_by:
        meant = {_canonical(part.path.reading((name,))[0], run.all.rules.get(part.path.rule)) for _, part in run.parts}
        if len(meant) == 1 and (canonical := meant.pop()) in KNOWN and canonical not in found.values():
            found[name] = canonical
    return found


def _canonical(name: str, rule: Rule | None) -> str:
    """The column that a field of a rule means, by its canonical name."""
    if rule is None or rule.logsource.product is None or name in KNOWN:
        return name
    try:
        known = table(rule.logsource.product)
    except KeyError:
        return name
    columns = known.where_is(name)
    for canonical in KNOWN:
        drawn = {one.column for one in known.columns.get(canonical, ())}
        if columns[0] == canonical or columns[0] in drawn:
            return canonical
    return name


def _fraction(text: str) -> Fraction | None:
    """The number that a text is, exactly as it is written."""
    if number(text) is None or _TOO_FAR.search(text):
        return None
    return Fraction(text)


_TOO_FAR: Final = re.compile(r"[eE][+-]?0*(?:[1-9][0-9]{2,})")
"""An exponent that no measure has, and that would make a number of hundreds of digits."""


def decimal(value: Fraction) -> str:
    """A number for people: whole, or with at most three decimals."""
    if value.denominator == 1:
        return str(value.numerator)
    sign, thousandths = "-" if value < 0 else "", round(abs(value) * 1_000)
    return sign + f"{thousandths // 1_000}.{thousandths % 1_000:03}".rstrip("0").rstrip(".")


def _note(one: Correlation, code: str, **facts: object) -> Problem:
    return Problem(one.place, code, facts, Severity.NOTE)
