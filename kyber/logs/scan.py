"""The whole path on one page: read -> parse -> normalise -> match -> findings.

Inputs and rules in, one ScanResult out. What cannot be read is a Problem or a counted reject; the rest goes on.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from hashlib import sha256
from time import monotonic

import numpy as np
import orjson
from numpy.typing import NDArray

from kyber.finding import Blind, Evidence, Finding, InputAccount, Sample, ScanResult
from kyber.logs.batch import EventBatch, LogSource, Origin, Parsed
from kyber.logs.formats import Context, Format
from kyber.logs.formats.known import FORMATS, detect
from kyber.logs.inputs import Input
from kyber.logs.records import FRAMINGS
from kyber.logs.schema import table
from kyber.logs.sigma.evidence import evidence
from kyber.logs.sigma.match import Match, Matcher
from kyber.logs.sigma.plan import plan
from kyber.logs.sigma.rule import Rule, RuleSet
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
MAX_GROUPS = 10_000
"""Findings of one rule that are told apart; what comes after is gathered in one more, and said."""
NOT_UNDERSTOOD = frozenset(("F42",))
"""Notes that mean more than an assumption: what was read was not understood."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What to read and as what: `format` and `logsource` override what the input itself tells."""

    source: str
    inputs: Sequence[Input]
    zone: tzinfo
    format: str | None = None
    logsource: LogSource | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a scan is: bytes as stored, events, and the input being read."""

    done: int
    total: int
    events: int
    file: str


@dataclass(slots=True)
class Tally:
    """What became of one input so far."""

    records: int = 0
    events: int = 0
    blank: int = 0
    cut: int = 0
    repaired: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    first: int = NO_TIME
    last: int = NO_TIME

    def add(self, parsed: Parsed) -> None:
        """Count what a parser made of some records."""
        self.records += parsed.records
        self.events += len(parsed.events)
        self.blank += parsed.blank
        self.repaired += parsed.repaired
        self.rejected.update(reject.reason for reject in parsed.rejects)

    def span(self, batch: EventBatch) -> None:
        """Widen the period by a batch's times."""
        known = batch.times[batch.times != NO_TIME]
        if len(known):
            low, high = int(known.min()), int(known.max())
            self.first = low if self.first == NO_TIME else min(self.first, low)
            self.last = high if self.last == NO_TIME else max(self.last, high)


def scan(
    jobs: Sequence[Job],
    rules: RuleSet,
    now: datetime,
    progress: Callable[[Progress], None] = lambda _: None,
) -> ScanResult:
    """Run the rules over everything that the jobs read. `now` (aware) dates the scan and resolves nothing else."""
    started = monotonic()
    matcher = Matcher(plan(rules.rules))
    findings = _Findings()
    problems: list[Problem] = list(rules.problems)
    accounts: list[InputAccount] = []
    total = sum(one.size for job in jobs for one in job.inputs)
    done = events = 0
    for job in jobs:
        for given in job.inputs:
            tally = Tally()
            try:
                stream = Stream(given)
            except ReadingError as error:
                problems.append(Problem(Place(given.name), error.code, error.facts))
                continue
            form = FORMATS[job.format] if job.format else detect(stream.sample)
            try:
                for batch in batches(stream, form, job, tally, matcher.wanted(table(form.table))):
                    for match in matcher.matches(batch):
                        findings.add(match, batch)
                    progress(
                        Progress(done + min(stream.consumed, given.size), total, events + tally.events, given.name)
                    )
            except ReadingError as error:
                problems.append(Problem(Place(given.name), error.code, error.facts))
            except MemoryError:
                spent = out_of_memory()
                problems.append(Problem(Place(given.name), spent.code, spent.facts))
            finally:
                stream.close()
            done, events = done + given.size, events + tally.events
            accounts.append(_account(given, form, stream, tally))
            problems.extend(_doubts(given, tally))
    unable = [Blind(one.ref, one.level, one.reason, one.facts) for one in rules.unable]
    blind = tuple(matcher.blind())
    found = findings.done()
    problems.extend(findings.crowded())
    fired = {one.rule.id for one in found}
    return ScanResult(
        findings=found,
        blind=(*unable, *blind),
        inputs=tuple(accounts),
        problems=tuple(problems),
        rules=matcher.plan.rules - sum(one.rule.id not in fired for one in blind),
        fired=len(fired),
        started=now,
        seconds=monotonic() - started,
        timezone=str(jobs[0].zone) if jobs else "UTC",
    )


def batches(
    stream: Stream, form: Format, job: Job, tally: Tally, wanted: frozenset[str] = frozenset()
) -> Iterator[EventBatch]:
    """The batches of one input, in order, with every record counted in `tally`. Raises ReadingError.

    `wanted`: native columns that are kept, however many others there are.
    """
    parser = form.parser(Context(reference=stream.input.modified, zone=job.zone))
    logsource = _logsource(job.logsource, form)
    origin = Origin(job.source, stream.input.name, stream.fingerprint, job.zone)

    def batch(parsed: Parsed) -> EventBatch:
        tally.add(parsed)
        made = EventBatch(parsed, origin, logsource, table(form.table), form.column, form.json, wanted)
        tally.notes["F23"] += made.unindexed
        tally.span(made)
        return made

    try:
        for chunk in FRAMINGS[form.framing](stream):
            tally.cut += len(chunk.cut)
            yield batch(parser.feed(chunk))
    finally:
        # What an open event had gathered before a break in the input still counts.
        last = parser.finish()
        tally.notes.update(parser.notes)
        rest = batch(last) if last.records else None
    if rest is not None:
        yield rest


def _logsource(said: LogSource | None, form: Format) -> LogSource:
    """What an input is for rules: what was said of it, and for the rest what its format tells."""
    told = LogSource(product=form.product, service=form.service)
    if said is None:
        return told
    if said.product not in (None, told.product):
        return said
    return LogSource(told.product, said.category, said.service or told.service)


def _account(given: Input, form: Format, stream: Stream, tally: Tally) -> InputAccount:
    return InputAccount(
        file=given.name,
        format=form.name,
        size=given.size or stream.consumed,
        read=stream.produced,
        records=tally.records,
        events=tally.events,
        blank=tally.blank,
        cut=tally.cut,
        repaired=tally.repaired,
        rejected=dict(sorted(tally.rejected.items())),
        notes={code: count for code, count in sorted(tally.notes.items()) if count},
        first=as_datetime(tally.first),
        last=as_datetime(tally.last),
    )


def _doubts(given: Input, tally: Tally) -> Iterator[Problem]:
    """What an input's reader should know: what was rejected, and what had to be assumed."""
    for code, count in sorted(tally.rejected.items()):
        yield Problem(Place(given.name), code, {"count": count}, Severity.WARNING)
    for code, count in sorted(tally.notes.items()):
        if count:
            severity = Severity.WARNING if code in NOT_UNDERSTOOD else Severity.NOTE
            yield Problem(Place(given.name), code, {"count": count}, severity)
    if tally.cut:
        yield Problem(Place(given.name), "F22", {"count": tally.cut}, Severity.WARNING)


@dataclass(slots=True)
class _Open:
    """A finding while its events are still being counted."""

    rule: Rule
    group: Mapping[str, str]
    count: int
    first: int
    last: int
    earliest: tuple[int, str, bytes, int, str]
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
            offset = min(batch.offsets[row] for row in rows[times == first])
            ties = [int(row) for row in rows[times == first] if batch.offsets[row] == offset]
            event, row = min((batch.event_id(row), row) for row in ties)
            earliest = (first, batch.origin.source, batch.origin.fingerprint, offset, event)
            if known is None or earliest < known.earliest:
                why = evidence(rule.condition, batch, row)
                sample = _sample(batch, row, event, first)
                if known is None:
                    self.groups[rule.ref.id] += 1
                    self.open[identity] = _Open(rule, group, len(rows), first, last, earliest, why, sample)
                    return
                known.earliest, known.evidence, known.sample = earliest, why, sample
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
    return Sample(identity, batch.origin.file, batch.records[row], as_datetime(time), fields)


def _bounded(one: Evidence) -> Evidence:
    return Evidence(one.part, one.field, one.column, _short(one.value), _short(one.pattern))


def _short(value: str) -> str:
    if len(value) <= LONGEST:
        return value
    end = LONGEST - 1
    # Half of an identity code could not be told to be one, and masked, later on.
    cut = next((start for start, after in identity_codes(value[: end + 64]) if start < end < after), end)
    return value[:cut] + "…"
