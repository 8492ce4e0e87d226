"""Rules tried on what there is: rules and stored events, or files, in; how often each would have fired, out.

The way is that of a scan, and what fires are the findings that a scan would make. Nothing is kept: no finding, no
cursor, no mark of what was scanned. Each rule alerts on its own here, also where a correlation counts it.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Final

from kyber.finding import Blind, Finding, Hidden, RuleRef, ScanResult
from kyber.level import Level
from kyber.logs.batch import EventBatch
from kyber.logs.correlating import correlated, gatherer
from kyber.logs.enrich import Enrichment, enriched
from kyber.logs.hearing import answered, hear
from kyber.logs.parse import Job, Progress
from kyber.logs.scan import NOTHING_KNOWN, scan, scan_stored
from kyber.logs.sigma.asking import Asking, micros, sourced
from kyber.logs.sigma.correlation import Correlation
from kyber.logs.sigma.rule import Rule, RuleSet
from kyber.logs.store import ALL, Period, Store
from kyber.problem import Problem

DAY: Final = 86_400_000_000
MAX_NIGHTS: Final = 400
"""Days, the latest, at whose end it is judged what was silent."""
BUSIEST: Final = 5
"""Values of each field of the groups that are told of."""
SELDOM: Final = 1
"""Findings a week up to which a rule fires seldom."""
MAX_COVERED: Final = 36_600
"""Days that one input can cover: clocks that were never set make of a log one of many years."""
OFTEN: Final = 7
"""Findings a week from which on a rule fires often: one a day."""


ENOUGH: Final = 3
"""Days with events from which on it is told how often a rule fires."""


class Pace(StrEnum):
    """How often a rule fires: not at all, at most SELDOM a week, less than OFTEN, or more; `too-few-days`: it fires, on
    too few days to tell how often; `blind`: it cannot look."""

    NEVER = "never"
    SELDOM = "seldom"
    SOMETIMES = "sometimes"
    OFTEN = "often"
    TOO_FEW_DAYS = "too-few-days"
    BLIND = "blind"


@dataclass(frozen=True, slots=True)
class OneDay:
    """What fell on one UTC day: findings that began on it, and their events."""

    findings: int
    events: int


@dataclass(frozen=True, slots=True)
class Busy:
    """A value of a field that findings are grouped by, and what there was of it."""

    value: str
    findings: int
    events: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtest:
    """How often one rule would have fired.

    `days`: by UTC day, those with a finding; `covered`: the days of which there are events. `undated`: findings without
    any time. `busiest`: by field of the group. `first`, `last`: of its findings. `blind`: why it could not have fired.
    `hidden`: events that filters took out, by filter; the findings are without them. `silence`: it asks who was silent,
    which was judged at the end of each of `covered`, whether or not there are events of it.
    """

    rule: RuleRef
    level: Level
    findings: int
    events: int
    days: Mapping[date, OneDay]
    covered: tuple[date, ...]
    undated: int = 0
    busiest: Mapping[str, tuple[Busy, ...]] = field(default_factory=dict)
    first: datetime | None = None
    last: datetime | None = None
    blind: Blind | None = None
    hidden: tuple[tuple[Hidden, int], ...] = ()
    silence: bool = False

    @property
    def weekly(self) -> float:
        """Findings a week, over the days of which there are events."""
        return 7 * self.findings / len(self.covered) if self.covered else 0.0

    @property
    def pace(self) -> Pace:
        """What to think of it."""
        if self.blind is not None and not self.findings:
            return Pace.BLIND
        if not self.findings:
            return Pace.NEVER
        if len(self.covered) < ENOUGH:
            return Pace.TOO_FEW_DAYS
        if self.weekly <= SELDOM:
            return Pace.SELDOM
        return Pace.SOMETIMES if self.weekly < OFTEN else Pace.OFTEN


@dataclass(frozen=True, slots=True)
class Backtests:
    """The backtests, in the order in which the rules were named; what was read, and what is to be mended."""

    backtests: tuple[Backtest, ...]
    events: int
    covered: tuple[date, ...]
    problems: tuple[Problem, ...]


Known = Rule | Correlation


def chosen(rules: RuleSet, ids: Collection[str]) -> RuleSet:
    """The rules and correlations of these ids with all that they build on, each of which alerts on its own."""
    needed = set(ids)
    above = []
    for one in reversed(rules.correlations):  # each comes after those that it builds on
        if one.ref.id in needed:
            above.append(replace(one, generate=True))
            needed.update(one.rules)
    return RuleSet(
        rules=tuple(one for one in rules.rules if one.ref.id in needed),
        unable=tuple(one for one in rules.unable if one.ref.id in needed),
        problems=(),
        filters=tuple(replace(one, must_fire=()) for one in rules.filters),
        correlations=tuple(reversed(above)),
    )


def backtest_stored(
    store: Store,
    rules: RuleSet,
    ids: Sequence[str],
    now: datetime,
    zone: tzinfo,
    *,
    period: Period = ALL,
    progress: Callable[[Progress], None] = lambda _: None,
    known: Enrichment = NOTHING_KNOWN,
    asking: Asking | None = None,
) -> Backtests:
    """How often the rules would have fired over what is stored of a period; it should begin and end with UTC days.

    What asks for silence alone is judged at the end of each day from the first on of which something is stored, to the
    end of the period or `now`. Raises StoreError.
    """
    asking = asking or Asking(now)
    mine = chosen(rules, ids)
    days = sorted({_day(part.day) for part in store.parts(period) if part.day[:1].isdigit()})
    heard = answered(mine)
    quiet = {one.ref.id for one in heard}
    others = replace(mine, correlations=tuple(one for one in mine.correlations if one.ref.id not in quiet))
    end = min(micros(now), period.end or micros(now))
    asking = replace(asking, as_of=_moment(end))
    result = scan_stored(
        store, others, now, zone, period=period, progress=progress, known=known, asking=asking, remember=False
    )

    def prepared(batch: EventBatch) -> EventBatch:
        return sourced(enriched(batch, known))

    silences, told, judged = list[Finding](), dict[str, date](), tuple(days)
    blind: tuple[Blind, ...] = ()
    if heard:
        with store.reading():
            of_silence, nights = replace(mine, correlations=heard), _nights(days, end)
            silences, told, blind = _silences(store, of_silence, nights, asking, prepared)
            judged = tuple(dict.fromkeys(_night(_moment(one)) for one in nights))
    result = replace(result, findings=(*result.findings, *silences), blind=(*result.blind, *blind))
    return _tested(mine, ids, result, tuple(days), told, judged)


def backtest_files(
    jobs: Sequence[Job],
    rules: RuleSet,
    ids: Sequence[str],
    now: datetime,
    *,
    progress: Callable[[Progress], None] = lambda _: None,
    known: Enrichment = NOTHING_KNOWN,
    asking: Asking | None = None,
    workers: int = 1,
) -> Backtests:
    """How often the rules would have fired over what the jobs read; silence is judged as a scan judges it."""
    mine = chosen(rules, ids)
    result = scan(jobs, mine, now, progress, known, asking=asking or Asking(), workers=workers)
    times = [(one.first, one.last) for one in result.inputs if one.first is not None and one.last is not None]
    covered: set[date] = set()
    for begin, end in times:
        first, last = begin.astimezone(UTC).date(), end.astimezone(UTC).date()
        covered.update(_from(first, min(last, date.fromordinal(first.toordinal() + MAX_COVERED))))
    quiet = {one.ref.id for one in answered(mine)}
    told = {one.id: _night(one.last) for one in result.findings if one.rule.id in quiet and one.last}
    days = tuple(sorted(covered))
    return _tested(mine, ids, result, days, told, days)


def _nights(days: Sequence[date], end: int) -> list[int]:
    """The ends of the days from the first of some on to a time, the latest, and that time."""
    first = (days[0].toordinal() - _EPOCH + 1) * DAY if days else end
    return [*range(max(first, (end // DAY - MAX_NIGHTS) * DAY), end, DAY), end]


def _silences(
    store: Store,
    rules: RuleSet,
    nights: Sequence[int],
    asking: Asking,
    prepared: Callable[[EventBatch], EventBatch],
) -> tuple[list[Finding], dict[str, date], tuple[Blind, ...]]:
    """The silences that there were at some times, each once as it was found last, and the day at which it was found
    first; and what could not look at any time.

    Of those who were never heard only the last time counts: before, nobody can have expected them.
    """
    found: dict[str, Finding] = {}
    told: dict[str, date] = {}
    blind: dict[str, Blind] = {}
    seeing: set[str] = set()
    for night in nights:
        at = replace(asking, as_of=_moment(night))
        past = hear(store, rules, asking.awaited, night, prepared)
        said = correlated(rules, gatherer(rules, at, _moment(night)).done(), at, (), now=_moment(night), past=past)
        unable = {one.rule.id: one for one in said.blind}
        blind |= unable
        seeing |= {one.ref.id for one in rules.correlations} - set(unable)
        for one in said.findings:
            if one.sample.time is not None or night == nights[-1]:
                found[one.id] = one
                told.setdefault(one.id, _night(_moment(night)))
    return list(found.values()), told, tuple(one for id_, one in blind.items() if id_ not in seeing)


def _tested(
    rules: RuleSet,
    ids: Sequence[str],
    result: ScanResult,
    covered: tuple[date, ...],
    told: Mapping[str, date],
    judged: tuple[date, ...],
) -> Backtests:
    """`told`: of silences, by the id of the finding, the day on which they were found; `judged`: the days on which
    it was looked for them."""
    silence = {one.ref.id for one in answered(rules)}
    every: list[Known] = [*rules.rules, *rules.correlations]
    named = {one.ref.id: (one.ref, one.level) for one in every} | {
        one.ref.id: (one.ref, one.level) for one in rules.unable
    }
    blind = {one.rule.id: one for one in result.blind}
    made = []
    for id_ in ids:
        ref, level = named[id_]
        mine = [one for one in result.findings if one.rule.id == id_]
        below = {id_, *_below(rules, id_)}
        hidden = [(one, sum(one.rules.get(rule, 0) for rule in below)) for one in result.hidden]
        made.append(
            Backtest(
                rule=ref,
                level=level,
                findings=len(mine),
                events=sum(one.count for one in mine),
                days=_days(mine, told),
                covered=judged if id_ in silence else covered,
                undated=sum(one.first is None for one in mine),
                busiest=busiest(mine),
                first=min((one.first for one in mine if one.first), default=None),
                last=max((one.last for one in mine if one.last), default=None),
                blind=blind.get(id_),
                hidden=tuple((one, count) for one, count in hidden if count),
                silence=id_ in silence,
            )
        )
    events = sum(one.events for one in result.inputs)
    return Backtests(tuple(made), events, covered, result.problems)


def _below(rules: RuleSet, id_: str) -> Iterator[str]:
    """The ids of all that a correlation builds on."""
    for one in rules.correlations:
        if one.ref.id == id_:
            for rule in one.rules:
                yield rule
                yield from _below(rules, rule)


def _from(first: date, last: date) -> Iterator[date]:
    """The days from one to another, both included."""
    yield from (date.fromordinal(day) for day in range(first.toordinal(), last.toordinal() + 1))


def _days(findings: Iterable[Finding], told: Mapping[str, date]) -> dict[date, OneDay]:
    """Findings and events by the UTC day on which findings begin; of silences, on which they were found."""
    count: Counter[date] = Counter()
    events: Counter[date] = Counter()
    for one in findings:
        day = told.get(one.id) or (one.first and one.first.astimezone(UTC).date())
        if day is not None:
            count[day] += 1
            events[day] += one.count
    return {day: OneDay(count[day], events[day]) for day in sorted(count)}


def busiest(findings: Iterable[Finding]) -> dict[str, tuple[Busy, ...]]:
    """The values that most findings are about, by field of the group."""
    count: dict[str, Counter[str]] = {}
    events: dict[str, Counter[str]] = {}
    for one in findings:
        for name, value in one.group.items():
            count.setdefault(name, Counter())[value] += 1
            events.setdefault(name, Counter())[value] += one.count
    return {
        name: tuple(
            Busy(value, many, events[name][value])
            for value, many in sorted(values.items(), key=lambda one: (-one[1], -events[name][one[0]], one[0]))[
                :BUSIEST
            ]
        )
        for name, values in sorted(count.items())
    }


_EPOCH: Final = date(1970, 1, 1).toordinal()


def _night(moment: datetime) -> date:
    """The day that ends at a time, or in which it lies."""
    return (moment - timedelta(microseconds=1)).astimezone(UTC).date()


def _day(text: str) -> date:
    return date.fromisoformat(text)


def _moment(time: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time)
