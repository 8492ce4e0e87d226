"""The whole path on one page: read -> parse -> normalise -> match -> findings.

Inputs and rules in, one ScanResult out. What cannot be read is a Problem or a counted reject; the rest goes on.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from hashlib import sha256
from time import monotonic

import numpy as np
import orjson
from numpy.typing import NDArray

from kyber.finding import Blind, Evidence, Finding, InputAccount, Sample, ScanResult
from kyber.logs.batch import EventBatch
from kyber.logs.enrich import Enrichment, enriched, facts_of
from kyber.logs.formats.known import FORMATS, detect
from kyber.logs.parse import JOURNAL, JOURNALD, Job, Progress, Tally, account, batches, doubts, journal_batches
from kyber.logs.schema import table
from kyber.logs.sigma.evidence import evidence
from kyber.logs.sigma.match import Match, Matcher
from kyber.logs.sigma.plan import plan
from kyber.logs.sigma.rule import Rule, RuleSet
from kyber.logs.store import ALL, Period
from kyber.logs.store.parquet import ParquetStore
from kyber.logs.stream import ReadingError, Stream, out_of_memory
from kyber.logs.values import NO_TIME, as_datetime, shown
from kyber.privacy import find as identity_codes
from kyber.problem import Place, Problem, Severity

GROUP = ("host.name", "user.name", "source.ip")
"""What a finding is grouped by, besides its rule and the day."""
NOBODY = frozenset(("", "-"))
"""Values that say that nobody is named."""
LONGEST = 4_096
"""Characters of a value that a finding shows; the raw record holds the rest."""
DAY = 86_400_000_000
STORED = "store"
"""What stands for the format of events that come from the store."""
MAX_GROUPS = 10_000
"""Findings of one rule that are told apart; what comes after is gathered in one more, and said."""


NOTHING_KNOWN = Enrichment()


def scan(
    jobs: Sequence[Job],
    rules: RuleSet,
    now: datetime,
    progress: Callable[[Progress], None] = lambda _: None,
    known: Enrichment = NOTHING_KNOWN,
) -> ScanResult:
    """Run the rules over everything that the jobs read. `now` (aware) dates the scan and resolves nothing else.

    `known`: what the organisation's tables add to events and findings.
    """
    run = _Run(rules, known)
    total = sum(one.size for job in jobs for one in job.inputs)
    done = events = 0
    for job in jobs:
        for given in job.inputs:
            tally = Tally()
            try:
                stream = Stream(given)
            except ReadingError as error:
                run.problems.append(Problem(Place(given.name), error.code, error.facts))
                continue
            form = FORMATS[job.format] if job.format else detect(stream.sample)
            try:
                for batch in batches(stream, form, job, tally, run.matcher.wanted(table(form.table))):
                    run.batch(batch)
                    progress(
                        Progress(done + min(stream.consumed, given.size), total, events + tally.events, given.name)
                    )
            except ReadingError as error:
                run.problems.append(Problem(Place(given.name), error.code, error.facts))
            except MemoryError:
                spent = out_of_memory()
                run.problems.append(Problem(Place(given.name), spent.code, spent.facts))
            finally:
                stream.close()
            done, events = done + given.size, events + tally.events
            size = given.size or stream.consumed
            run.accounts.append(account(given.name, form.name, tally, size, stream.produced))
            run.problems.extend(doubts(given.name, tally))
        if job.journal is not None:
            events += run.journal(job, now, progress, Progress(done, total, events, JOURNAL))
    return run.result(now, str(jobs[0].zone) if jobs else "UTC")


def scan_stored(
    store: ParquetStore,
    rules: RuleSet,
    now: datetime,
    zone: tzinfo,
    *,
    period: Period = ALL,
    days: Sequence[str] | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
    known: Enrichment = NOTHING_KNOWN,
) -> ScanResult:
    """Run the rules over stored events: those of some UTC days, or of a period. Raises StoreError.

    A finding is of a UTC day, so that its count is whole where its day is: `period` should begin and end with days.
    """
    run = _Run(rules, known)
    done = events = 0
    tallies: dict[str, Tally] = {}
    sizes: Counter[str] = Counter()
    with store.reading():
        chosen = store.chosen(period, days=days)
        total = sum(one.size for one in chosen)
        for info in chosen:
            batch = store.batch(info)
            run.batch(batch, period)
            done, events = done + info.size, events + info.rows
            tally = tallies.setdefault(info.source, Tally())
            sizes[info.source] += info.size
            tally.records += info.records
            tally.events += info.rows
            tally.span(batch)
            progress(Progress(done, total, events, info.source))
    store.remember()
    for source, tally in tallies.items():
        run.accounts.append(account(source, STORED, tally, sizes[source], sizes[source]))
    return run.result(now, str(zone))


class _Run:
    """One scan: batches in, one after the other, and in the end its result."""

    def __init__(self, rules: RuleSet, known: Enrichment) -> None:
        self.started = monotonic()
        self.rules, self.known = rules, known
        self.matcher = Matcher(plan(rules.rules))
        self.findings = _Findings()
        self.problems: list[Problem] = list(rules.problems)
        self.accounts: list[InputAccount] = []

    def batch(self, batch: EventBatch, period: Period = ALL) -> None:
        """Match one batch; events outside the period do not count."""
        enriched(batch, self.known)
        for match in self.matcher.matches(batch):
            rows = match.rows
            if period.bounded:
                times = batch.times[rows]
                inside = times != NO_TIME
                if period.start is not None:
                    inside &= times >= period.start
                if period.end is not None:
                    inside &= times < period.end
                rows = rows[inside]
            if len(rows):
                self.findings.add(Match(match.rule, rows), batch)

    def journal(self, job: Job, now: datetime, progress: Callable[[Progress], None], so_far: Progress) -> int:
        """Match what the journal of this machine holds; how many events that was."""
        tally = Tally()
        try:
            for batch in journal_batches(job, now, tally, self.matcher.wanted(table(FORMATS[JOURNALD].table))):
                self.batch(batch)
                progress(replace(so_far, events=so_far.events + tally.events))
        except ReadingError as error:
            self.problems.append(Problem(Place(JOURNAL), error.code, error.facts))
        self.accounts.append(account(JOURNAL, JOURNALD, tally, 0, 0))
        self.problems.extend(doubts(JOURNAL, tally))
        return tally.events

    def result(self, now: datetime, zone: str) -> ScanResult:
        """All that the scan has to say."""
        unable = [Blind(one.ref, one.level, one.reason, one.facts) for one in self.rules.unable]
        blind = tuple(self.matcher.blind())
        found = tuple(replace(one, facts=facts_of(one, self.known)) for one in self.findings.done())
        self.problems.extend(self.findings.crowded())
        fired = {one.rule.id for one in found}
        return ScanResult(
            findings=found,
            blind=(*unable, *blind),
            inputs=tuple(self.accounts),
            problems=tuple(self.problems),
            rules=self.matcher.plan.rules - sum(one.rule.id not in fired for one in blind),
            fired=len(fired),
            started=now,
            seconds=monotonic() - self.started,
            timezone=zone,
        )


@dataclass(slots=True)
class _Open:
    """A finding while its events are still being counted."""

    rule: Rule
    group: Mapping[str, str]
    count: int
    first: int
    last: int
    earliest: tuple[int, str, bytes, int, str]
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
            fingerprint, offset = min((batch.origin(row).fingerprint, batch.offsets[row]) for row in ties)
            event, row = min(
                (batch.event_id(row), row)
                for row in ties
                if batch.offsets[row] == offset and batch.origin(row).fingerprint == fingerprint
            )
            earliest = (first, batch.source, fingerprint, offset, event)
            if known is None or earliest < known.earliest:
                why = evidence(rule.condition, batch, row)
                sample = _sample(batch, row, event, first)
                if known is None:
                    self.groups[rule.ref.id] += 1
                    self.open[identity] = _Open(
                        rule, group, len(rows), first, last, earliest, {batch.source} - {""}, why, sample
                    )
                    return
                known.earliest, known.evidence, known.sample = earliest, why, sample
        if batch.source:
            known.sources.add(batch.source)
        known.count += len(rows)
        known.first, known.last = min(known.first, first), max(known.last, last)

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
                group={name: _short(value) for name, value in one.group.items()},
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
        never = datetime.max.replace(tzinfo=UTC)
        return tuple(sorted(found, key=lambda one: (-one.level, one.first or never, one.rule.title, one.id)))


def finding_id(rule: str, group: Mapping[str, str], day: int) -> str:
    """SHA-256 over rule id, group and UTC day (days since the epoch), 128 bits in hex."""
    return sha256(orjson.dumps([rule, sorted(group.items()), day])).hexdigest()[:32]


def _sample(batch: EventBatch, row: int, identity: str, time: int) -> Sample:
    fields = {}
    for name in batch.table.shown:
        column = batch.column(name)
        if column is not None and column.codes[row] >= 0:
            fields[name] = _short(shown(column.at(row)))
    return Sample(identity, batch.origin(row).file, batch.records[row], as_datetime(time), fields)


def _bounded(one: Evidence) -> Evidence:
    return Evidence(one.part, one.field, one.column, _short(one.value), _short(one.pattern))


def _short(value: str) -> str:
    if len(value) <= LONGEST:
        return value
    end = LONGEST - 1
    # Half of an identity code could not be told to be one, and masked, later on.
    cut = next((start for start, after in identity_codes(value[: end + 64]) if start < end < after), end)
    return value[:cut] + "…"
