"""The whole path on one page: read -> parse -> normalise -> match -> findings.

Inputs and rules in, one ScanResult out. What cannot be read is a Problem or a counted reject; the rest goes on.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from hashlib import sha256
from time import monotonic

import numpy as np
import orjson
from numpy.typing import NDArray

from kyber.finding import Blind, Evidence, Finding, Hidden, InputAccount, Sample, ScanResult
from kyber.logs.batch import EventBatch
from kyber.logs.correlating import Around, Correlated, correlated, gatherer
from kyber.logs.enrich import Enrichment, enriched, facts_of
from kyber.logs.formats.known import FORMATS
from kyber.logs.hearing import only_heard
from kyber.logs.parse import JOURNAL, JOURNALD, Job, Progress, Tally, account, doubts, journal_batches
from kyber.logs.pushdown import superset_of_rules
from kyber.logs.sample import earliest, sample, short
from kyber.logs.schema import table, tables
from kyber.logs.sigma.asking import Asking, silenced, sourced
from kyber.logs.sigma.evidence import evidence
from kyber.logs.sigma.guard import check_must_fire
from kyber.logs.sigma.match import Match, Matched, Matcher
from kyber.logs.sigma.near import Gathered, NearMisses
from kyber.logs.sigma.occurrences import Occurrences
from kyber.logs.sigma.plan import plan
from kyber.logs.sigma.rule import Rule, RuleSet
from kyber.logs.store import ALL, Part, Period, Store
from kyber.logs.store.narrow import Narrow
from kyber.logs.stream import ReadingError, Stream
from kyber.logs.values import NO_TIME, as_datetime, shown
from kyber.logs.workers import At, Read, WorkerError, deal, many, read
from kyber.problem import Place, Problem, Severity

GROUP = ("host.name", "user.name", "source.ip")
"""What a finding is grouped by, besides its rule and the day."""
NOBODY = frozenset(("", "-"))
"""Values that say that nobody is named."""
DAY = 86_400_000_000
STORED = "store"
"""What stands for the format of events that come from the store."""
MAX_GROUPS = 10_000
"""Findings of one rule that are told apart; what comes after is gathered in one more, and said."""


NOTHING_KNOWN = Enrichment()
AS_IT_IS = Asking()


def scan(
    jobs: Sequence[Job],
    rules: RuleSet,
    now: datetime,
    progress: Callable[[Progress], None] = lambda _: None,
    known: Enrichment = NOTHING_KNOWN,
    near: bool = False,
    asking: Asking = AS_IT_IS,
    workers: int = 1,
) -> ScanResult:
    """Run the rules over everything that the jobs read. `now` (aware) dates the scan and resolves nothing else.

    `known`: what the organisation's tables add to events and findings. `near`: also look for near misses. `asking`: how
    to correlate; absence is judged at the time of the latest event where it does not say. `workers`: processes that
    there may be, where there is enough to read.
    """
    run = _Run(rules, known, near, asking, now)
    try:
        inputs = _read(jobs, run, many(jobs, workers), progress)
    except WorkerError:  # what it did is done again, by one process
        run = _Run(rules, known, near, asking, now)
        inputs = _read(jobs, run, 1, progress)
    total = sum(one.size for job in jobs for one in job.inputs)
    events = sum(one.tally.events for one in inputs.values())
    for number, job in enumerate(jobs):
        for place, given in enumerate(job.inputs):
            run.account(given.name, inputs[number, place])
        if job.journal is not None:
            events += run.journal(job, now, progress, Progress(total, total, events, JOURNAL))
    return run.result(now, str(jobs[0].zone) if jobs else "UTC")


def _read(jobs: Sequence[Job], run: "_Run", processes: int, progress: Callable[[Progress], None]) -> Mapping[At, Read]:
    """Match what all inputs hold; what became of each. Raises WorkerError."""
    if processes > 1:
        inputs, found = deal(jobs, run, processes, progress)
        for one in found:
            run.take(one)
        return inputs
    total = sum(one.size for job in jobs for one in job.inputs)
    done = events = 0
    inputs = {}

    def told(stream: Stream, tally: Tally) -> None:
        so_far = done + min(stream.consumed, stream.input.size)
        progress(Progress(so_far, total, events + tally.events, stream.input.name))

    for number, job in enumerate(jobs):
        for place, given in enumerate(job.inputs):
            inputs[number, place] = one = read(job, place, run, told)
            done, events = done + given.size, events + one.tally.events
    return inputs


def scan_stored(
    store: Store,
    rules: RuleSet,
    now: datetime,
    zone: tzinfo,
    *,
    period: Period = ALL,
    days: Sequence[str] | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
    known: Enrichment = NOTHING_KNOWN,
    near: bool = False,
    asking: Asking = AS_IT_IS,
    remember: bool = True,
) -> ScanResult:
    """Run the rules over stored events: those of some UTC days, or of a period. Raises StoreError, ClusterError.

    `remember`: keep in the store what makes the next scan of the same rules faster; else nothing is written at all.
    A finding is of a UTC day, so that its count is whole where its day is: `period` should begin and end with days.
    Correlations look at the days around, too; absence is judged `now` where `asking` does not say.
    """
    run = _Run(rules, known, near, asking, now, only_heard(rules))
    narrow = run.narrow() if store.narrows else None
    done = events = 0
    tallies: dict[str, Tally] = {}
    sizes: Counter[str] = Counter()
    with store.reading():
        parts = store.parts(period, days=days)
        total = sum(one.weight for one in parts)
        for part in parts:
            seen = 0
            for batch in part.read(narrow):
                run.batch(batch, period)
                seen = min(seen + batch.rows, part.rows)
                progress(Progress(done + part.weight * seen // part.rows, total, events + seen, part.source))
            done, events = done + part.weight, events + part.rows
            sizes[part.source] += part.size
            _count(part, tallies.setdefault(part.source, Tally()))
        around = Around(store, rules, asking, now, period, days, narrow)
        around.look(run.gatherer, run.prepared)
    if remember:
        store.remember()
    run.problems.extend(store.doubts())
    for source, tally in tallies.items():
        run.accounts.append(account(source, STORED, tally, sizes[source], sizes[source]))
    return run.result(now, str(zone), around)


def _count(part: Part, tally: Tally) -> None:
    """Count what a part holds, whether or not all of it was read."""
    if part.table != "text":  # of which F42 says more
        tally.notes["F24"] += part.undated
    tally.records += part.records
    tally.events += part.rows
    known = (tally.first, tally.last, part.first, part.last)
    times = [one for one in known if one is not None and one != NO_TIME]
    tally.first, tally.last = min(times, default=NO_TIME), max(times, default=NO_TIME)


def scan_events(
    batches: Iterable[EventBatch],
    rules: RuleSet,
    now: datetime,
    *,
    known: Enrichment = NOTHING_KNOWN,
    near: bool = False,
    asking: Asking = AS_IT_IS,
) -> ScanResult:
    """Run the rules over events that are at hand already; as `scan` otherwise. The result names no inputs."""
    run = _Run(rules, known, near, asking, now)
    for batch in batches:
        run.batch(batch)
    return run.result(now, "UTC")


class _Run:
    """One scan: batches in, one after the other, and in the end its result."""

    def __init__(
        self,
        rules: RuleSet,
        known: Enrichment,
        near: bool,
        asking: Asking,
        now: datetime,
        heard: frozenset[str] = frozenset(),
    ) -> None:
        """`heard`: rules that correlations are told of in another way; see `only_heard`."""
        self.started = monotonic()
        self.heard = heard
        self.rules, self.known, self.asking = rules, known, asking
        self.gatherer = gatherer(rules, asking, now)
        self.quiet = silenced(rules.correlations)
        self.matcher = Matcher(plan(rules.rules, rules.filters))
        self.near = NearMisses(self.matcher) if near else None
        self.findings = _Findings()
        self.elsewhere: list[Occurrences] = []
        self.hidden: Counter[tuple[str, str]] = Counter()
        self.problems: list[Problem] = [*rules.problems, *check_must_fire(rules)]
        self.accounts: list[InputAccount] = []

    def batch(self, batch: EventBatch, period: Period = ALL) -> None:
        """Match one batch; events outside the period do not count."""
        self.gatherer.see(self.prepared(batch))
        for match in self.matcher.matches(batch):
            if match.rule.ref.id not in self.heard:
                self.gatherer.add(match, batch)
            rows = _within(period, batch, match.rows)
            if len(rows) and match.rule.ref.id not in self.quiet:
                self.findings.add(Match(match.rule, rows), batch)
            for one, taken in match.hidden.items():
                self.hidden[one, match.rule.ref.id] += len(_within(period, batch, taken))
        if self.near is not None:
            self.near.add(batch, _within(period, batch, np.arange(batch.rows)) if period.bounded else None)

    def account(self, name: str, read: Read) -> None:
        """Say what became of an input."""
        if read.failure is not None:
            self.problems.append(Problem(Place(name), *read.failure))
        if read.form:
            self.accounts.append(account(name, read.form, read.tally, read.size, read.produced))
            self.problems.extend(doubts(name, read.tally))

    def found(self) -> "_Found":
        """All that was found, as plain data."""
        near = None if self.near is None else self.near.gathered
        return _Found(
            self.findings.open, self.findings.gathered, self.hidden, self.matcher.found(), self.gatherer.done(), near
        )

    def take(self, other: "_Found") -> None:
        """Take in what another process found with the same rules."""
        self.findings.take(other.open, other.gathered)
        self.hidden.update(other.hidden)
        self.matcher.take(other.matched)
        self.elsewhere.append(other.occurrences)
        if self.near is not None and other.near is not None:
            self.near.take(other.near)

    def prepared(self, batch: EventBatch) -> EventBatch:
        """The batch with the columns that are worked out from others."""
        return sourced(enriched(batch, self.known))

    def wanted(self, name: str) -> frozenset[str]:
        """The native columns that are looked at in the events of a field table."""
        known = table(name)
        return self.matcher.wanted(known) | self.gatherer.wanted(known)

    def narrow(self) -> Narrow | None:
        """What holds all events that have to be seen, beside one of every shape; None: all of them."""
        if self.near is not None:
            return None
        asked = {name for names in self.matcher.plan.fields.values() for name in names}
        places = {column for name in asked for one in tables() for column in one.where_is(name)}
        if not places.isdisjoint(self.known.columns):  # only an event's values tell whether it has such a field
            return None
        return superset_of_rules(self.rules, silence=False)

    def journal(self, job: Job, now: datetime, progress: Callable[[Progress], None], so_far: Progress) -> int:
        """Match what the journal of this machine holds; how many events that was."""
        tally = Tally()
        try:
            for batch in journal_batches(job, now, tally, self.wanted(FORMATS[JOURNALD].table)):
                self.batch(batch)
                progress(replace(so_far, events=so_far.events + tally.events))
        except ReadingError as error:
            self.problems.append(Problem(Place(JOURNAL), error.code, error.facts))
        self.accounts.append(account(JOURNAL, JOURNALD, tally, 0, 0))
        self.problems.extend(doubts(JOURNAL, tally))
        return tally.events

    def result(self, now: datetime, zone: str, around: Around | None = None) -> ScanResult:
        """All that the scan has to say. `around`: how a scan of some of what is stored looked at the rest."""
        unable = [Blind(one.ref, one.level, one.reason, one.facts) for one in self.rules.unable]
        blind = tuple(self.matcher.blind())
        bursts = self._correlated(now, blind, around)
        all_ = sorted((*self.findings.done(), *bursts.findings), key=_order)
        found = tuple(replace(one, facts=facts_of(one, self.known)) for one in all_)
        self.problems.extend((*self.findings.crowded(), *bursts.problems))
        fired = {one.rule.id for one in found}
        blind = (*blind, *bursts.blind)
        ran = self.matcher.plan.rules - len(self.quiet) + len(self.rules.correlations)
        return ScanResult(
            findings=found,
            blind=(*unable, *blind),
            inputs=tuple(self.accounts),
            problems=tuple(self.problems),
            rules=ran - sum(one.rule.id not in fired | self.quiet for one in blind),
            fired=len(fired),
            started=now,
            seconds=monotonic() - self.started,
            timezone=zone,
            hidden=tuple(self._hidden()),
            near=None if self.near is None else self.near.done(),
            near_windows=bursts.near,
        )

    def _correlated(self, now: datetime, blind: Sequence[Blind], around: Around | None) -> Correlated:
        found = self.gatherer.done()
        for one in self.elsewhere:
            found.merge(one)
        if around is None:
            return correlated(self.rules, found, self.asking, blind, near=self.near is not None)
        bursts = correlated(
            self.rules,
            found,
            self.asking,
            around.blind(blind),
            now=now,
            told=around.tells,
            near=self.near is not None,
            past=around.past,
        )
        return replace(bursts, problems=(*bursts.problems, *around.problems))

    def _hidden(self) -> Iterator[Hidden]:
        """What each filter took out; one that applies to no rule that runs took out nothing."""
        for one in self.rules.filters:
            counts = {rule: count for (by, rule), count in sorted(self.hidden.items()) if by == one.ref.id and count}
            yield Hidden(filter=one.ref, owner=one.owner, expires=one.expires, rules=counts)


def _within(period: Period, batch: EventBatch, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Those of the rows whose events are in the period; all where it has no bounds."""
    if not period.bounded:
        return rows
    times = batch.times[rows]
    inside = times != NO_TIME
    if period.start is not None:
        inside &= times >= period.start
    if period.end is not None:
        inside &= times < period.end
    chosen: NDArray[np.int64] = rows[inside]
    return chosen


@dataclass(frozen=True, slots=True)
class _Found:
    """What one process found: plain data."""

    open: "dict[str, _Open]"
    gathered: Counter[str]
    hidden: Counter[tuple[str, str]]
    matched: Matched
    occurrences: Occurrences
    near: Mapping[tuple[str, tuple[int, ...]], Gathered] | None


@dataclass(slots=True)
class _Open:
    """A finding while its events are still being counted."""

    rule: Rule
    group: Mapping[str, str]
    count: int
    first: int
    last: int
    earliest: tuple[int, str, bytes, int, str, str]
    sources: set[str]
    evidence: tuple[Evidence, ...]
    sample: Sample


class _Findings:
    """Matches gathered into findings: one a rule, group and UTC day.

    The order of batches makes no difference, as long as no rule meets more than MAX_GROUPS groups.
    """

    def __init__(self) -> None:
        self.open: dict[str, _Open] = {}
        self.groups: Counter[str] = Counter()
        self.gathered: Counter[str] = Counter()

    def add(self, match: Match, batch: EventBatch) -> None:
        """Count the matched rows into their findings."""
        columns = [batch.column(name) for name in GROUP]
        times = batch.times[match.rows]
        days = np.where(times == NO_TIME, NO_TIME, times // DAY)
        keys = np.stack(
            [*(np.full(len(match.rows), -1) if one is None else one.codes[match.rows] for one in columns), days]
        )
        distinct, place, counts = np.unique(keys, axis=1, return_inverse=True, return_counts=True)
        order = np.argsort(place.reshape(-1), kind="stable")
        bounds = np.concatenate(([0], np.cumsum(counts)))
        for index, key in enumerate(distinct.T):
            members = order[bounds[index] : bounds[index + 1]]
            group = {
                name: value
                for name, column, code in zip(GROUP, columns, key, strict=False)
                if column is not None and code >= 0 and (value := shown(column.values[code])) not in NOBODY
            }
            self._count(match.rule, batch, group, int(key[-1]), match.rows[members], times[members])

    def _count(
        self,
        rule: Rule,
        batch: EventBatch,
        group: Mapping[str, str],
        day: int,
        rows: NDArray[np.int64],
        times: NDArray[np.int64],
    ) -> None:
        identity = finding_id(rule.ref.id, group, day)
        if identity not in self.open and self.groups[rule.ref.id] >= MAX_GROUPS:
            self.gathered[rule.ref.id] += len(rows)
            group = {}
            identity = finding_id(rule.ref.id, group, NO_TIME)
        first, last = int(times.min()), int(times.max())
        known = self.open.get(identity)
        if known is None or first <= known.earliest[0]:
            ties = rows[times == first].tolist()
            (fingerprint, offset, event, file), row = earliest(batch, ties)
            begin = (first, batch.source, fingerprint, offset, event, file)
            if known is None or begin < known.earliest:
                why = evidence(rule.condition, batch, row)
                shown = sample(batch, row, event, first)
                if known is None:
                    self.groups[rule.ref.id] += 1
                    self.open[identity] = _Open(
                        rule, group, len(rows), first, last, begin, {batch.source} - {""}, why, shown
                    )
                    return
                known.earliest, known.evidence, known.sample = begin, why, shown
        if batch.source:
            known.sources.add(batch.source)
        known.count += len(rows)
        known.first, known.last = min(known.first, first), max(known.last, last)

    def take(self, others: "Mapping[str, _Open]", gathered: Counter[str]) -> None:
        """Count what was found elsewhere."""
        self.gathered.update(gathered)
        for identity, other in others.items():
            rule, known = other.rule.ref.id, self.open.get(identity)
            if known is None and other.group and self.groups[rule] >= MAX_GROUPS:
                self.gathered[rule] += other.count
                other.group = {}
                identity = finding_id(rule, {}, NO_TIME)
                known = self.open.get(identity)
            if known is None:
                self.groups[rule] += 1
                self.open[identity] = other
                continue
            if other.earliest < known.earliest:
                known.earliest, known.evidence, known.sample = other.earliest, other.evidence, other.sample
            known.sources |= other.sources
            known.count += other.count
            known.first, known.last = min(known.first, other.first), max(known.last, other.last)

    def crowded(self) -> Iterator[Problem]:
        """The rules that met more groups than are told apart."""
        rules = {one.rule.ref.id: one.rule for one in self.open.values()}
        for identity, count in self.gathered.items():
            yield Problem(rules[identity].place, "R19", {"count": count}, Severity.WARNING)

    def done(self) -> tuple[Finding, ...]:
        """The findings: most serious first, then by when they began, then by rule and group."""
        found = [
            Finding(
                id=identity,
                rule=one.rule.ref,
                family=one.rule.family,
                level=one.rule.level,
                tags=one.rule.tags,
                count=one.count,
                first=as_datetime(one.first),
                last=as_datetime(one.last),
                group={name: short(value) for name, value in one.group.items()},
                evidence=tuple(map(_bounded, one.evidence)),
                sample=one.sample,
                description=one.rule.description,
                false_positives=one.rule.false_positives,
                references=one.rule.references,
                next=one.rule.next,
                sources=tuple(sorted(one.sources)),
            )
            for identity, one in self.open.items()
        ]
        return tuple(sorted(found, key=_order))


def _order(one: Finding) -> tuple[int, datetime, str, str]:
    """The most serious first, then by when they began."""
    return -one.level, one.first or datetime.max.replace(tzinfo=UTC), one.rule.title, one.id


def finding_id(rule: str, group: Mapping[str, str], day: int) -> str:
    """SHA-256 over rule id, group and UTC day (days since the epoch), 128 bits in hex."""
    return sha256(orjson.dumps([rule, sorted(group.items()), day])).hexdigest()[:32]


def _bounded(one: Evidence) -> Evidence:
    return Evidence(one.part, one.field, one.column, short(one.value), short(one.pattern))
