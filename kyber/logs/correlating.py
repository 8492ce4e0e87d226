"""The correlations of one scan: what was gathered in, findings, blind rules and problems out.

A scan of everything correlates what it gathered. A scan of some stored days looks at the days around them, too, until
each burst that it tells of is the one that a scan of everything would find.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from kyber.finding import Blind, Finding, NearWindow
from kyber.logs.batch import EventBatch
from kyber.logs.hearing import answered, hear
from kyber.logs.sigma.absence import Past
from kyber.logs.sigma.asking import Asking, Awaited, micros, reaches
from kyber.logs.sigma.correlate import MAX_FINDINGS, NOTHING_PAST, Burst, Correlator
from kyber.logs.sigma.match import Matcher
from kyber.logs.sigma.near_window import near_windows
from kyber.logs.sigma.occurrences import Gatherer, Occurrences
from kyber.logs.sigma.plan import plan
from kyber.logs.sigma.rule import RuleSet
from kyber.logs.store import Period, Store
from kyber.logs.values import NO_TIME
from kyber.problem import Problem, Severity

if TYPE_CHECKING:
    from kyber.logs.source import LogSource
    from kyber.logs.store.narrow import Narrow

MAX_AROUND: Final = 1_000
"""Days of the store that are looked at, beside those that were asked for, to be sure of a burst."""

DAY: Final = 86_400_000_000
_EPOCH: Final = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Correlated:
    """What correlations have to say."""

    findings: tuple[Finding, ...] = ()
    blind: tuple[Blind, ...] = ()
    problems: tuple[Problem, ...] = ()
    near: tuple[NearWindow, ...] = ()


def awaited(sources: "Iterable[LogSource]") -> tuple[Awaited, ...]:
    """From where events are expected: the active sources of the register."""
    from kyber.logs.source import SourceStatus  # only who has a register needs what reads it

    return tuple(
        Awaited(
            one.id,
            one.hosts,
            one.logsource.product and one.logsource.product.lower(),
            None if one.expected_every is None else round(one.expected_every.approximate_seconds * 1_000_000),
            one.logsource.category and one.logsource.category.lower(),
            one.logsource.service and one.logsource.service.lower(),
        )
        for one in sources
        if one.status is SourceStatus.ACTIVE
    )


def gatherer(rules: RuleSet, asking: Asking, now: datetime) -> Gatherer:
    """What gathers for the correlations of a scan; to be given what is matched, wherever that is."""
    return Gatherer(rules.correlations, asking.limit, micros(asking.as_of or now))


def correlated(
    rules: RuleSet,
    found: Occurrences,
    asking: Asking,
    blind: Iterable[Blind],
    *,
    now: datetime | None = None,
    told: Callable[[Burst], bool] = lambda _: True,
    near: bool = False,
    past: Past = NOTHING_PAST,
) -> Correlated:
    """All of it. `blind`: the rules that could not have matched. `now`: when absence is judged, where nobody says; None
    for the time of the latest event. `told`: whether a burst is to be told of. `near`: also look for windows that came
    near. `past`: what is known besides what was gathered."""
    if not rules.correlations:
        return Correlated()
    correlator = _correlator(rules, found, asking, now, past)
    unseeing = tuple(correlator.blind({one.rule.id: one for one in blind}))
    away = {one.rule.id for one in unseeing}
    bursts: defaultdict[str, list[Burst]] = defaultdict(list)
    for one in correlator.bursts():
        if told(one) and not (one.absent and one.correlation.ref.id in away):
            bursts[one.correlation.ref.id].append(one)
    findings: list[Finding] = []
    problems = list(correlator.problems())
    for listed in bursts.values():
        if len(listed) > MAX_FINDINGS:
            listed.sort(key=lambda one: (one.last, one.begin))
            facts = {"count": len(listed) - MAX_FINDINGS, "limit": MAX_FINDINGS}
            problems.append(Problem(listed[0].correlation.place, "R27", facts, Severity.WARNING))
        findings += map(correlator.finding, listed[-MAX_FINDINGS:])
    windows = tuple(near_windows(correlator, told)) if near else ()
    return Correlated(tuple(findings), unseeing, tuple(problems), windows)


def _correlator(
    rules: RuleSet, found: Occurrences, asking: Asking, now: datetime | None, past: Past = NOTHING_PAST
) -> Correlator:
    as_of = asking.as_of or now
    moment = micros(as_of) if as_of is not None else found.latest if found.latest != NO_TIME else None
    needed = [rule for rule in rules.rules if rule.ref.id in found.needs]
    return Correlator(rules.correlations, found, needed, moment, asking.awaited, past)


# --- scans of some stored days ---------------------------------------------------------------------------------------


class Around:
    """A scan of some of what is stored, and the days around it that its correlations have to look at."""

    def __init__(
        self,
        store: Store,
        rules: RuleSet,
        asking: Asking,
        now: datetime,
        period: Period,
        days: Sequence[str] | None,
        narrow: "Narrow | None" = None,
    ) -> None:
        """`narrow`: holds all that the rules match, but those that are only asked for silence; see `Part.read`."""
        self.store, self.rules, self.asking, self.now, self.period = store, rules, asking, now, period
        self.narrow = narrow
        self.named = None if days is None else frozenset(map(_number, filter(_dated, days)))
        self.undated = days is not None and not all(map(_dated, days))
        kept = store.parts() if rules.correlations else ()
        self.stored = sorted({_number(one.day) for one in kept if _dated(one.day)})
        self.matcher: Matcher | None = None
        self.problems: tuple[Problem, ...] = ()
        self.past = NOTHING_PAST

    def look(self, into: Gatherer, prepared: Callable[[EventBatch], EventBatch]) -> Occurrences:
        """Gather from the days around until what is told of is certain. `prepared`: a batch, ready to be matched."""
        as_of = micros(self.asking.as_of or self.now)
        self.past = hear(self.store, self.rules, self.asking.awaited, as_of, prepared)
        if not self.rules.correlations or not self.stored:
            return into.done()
        looked = set(self._asked())
        extra = 0
        wanted = self._margins(looked)
        step = 1
        while True:
            new = sorted(wanted - looked)
            if extra + len(new) > MAX_AROUND:
                first = self.rules.correlations[0].place
                self.problems = (Problem(first, "R28", {"limit": MAX_AROUND}, Severity.WARNING),)
                new = new[-(MAX_AROUND - extra) :] if extra < MAX_AROUND else []
            self._gather(new, into, prepared)
            looked.update(new)
            extra += len(new)
            found = into.done()
            if self.problems:
                return found
            wanted = self._uncertain(found, looked, step)
            if not wanted - looked:
                return found
            step *= 2

    def tells(self, burst: Burst) -> bool:
        """Whether a burst belongs to what was asked for: of days, it touches one; of a period, it ends in it."""
        if self.named is not None:
            first, last = burst.begin // DAY, burst.last // DAY
            odd = self.undated and last not in self.stored
            return burst.absent or odd or any(first <= day <= last for day in self.named)
        start, end = self.period.start, self.period.end
        return (start is None or burst.last >= start) and (end is None or burst.last < end)

    def blind(self, blind: Iterable[Blind]) -> tuple[Blind, ...]:
        """Of the rules that were blind for what was asked for, those that were so for the days around it, too."""
        if self.matcher is None:
            return tuple(blind)
        around = {one.rule.id for one in self.matcher.blind()}
        return tuple(one for one in blind if one.rule.id in around)

    def _asked(self) -> Iterator[int]:
        """The stored days that were asked for."""
        start, end = self.period.start, self.period.end
        for day in self.stored:
            if self.named is not None:
                if day in self.named:
                    yield day
            elif (start is None or (day + 1) * DAY > start) and (end is None or day * DAY < end):
                yield day

    def _margins(self, asked: Iterable[int]) -> set[int]:
        """The stored days that a firing in what was asked for, or an absence, may have to do with."""
        far = reaches(self.rules.correlations)
        back = max(far[one.ref.id] + one.timespan for one in self.rules.correlations)
        forth = max(one.timespan for one in self.rules.correlations)
        spans = [(day * DAY - back, (day + 1) * DAY + forth) for day in asked]
        heard = {one.ref.id for one in answered(self.rules)}
        absence = [far[one.ref.id] for one in self.rules.correlations if one.of_absence and one.ref.id not in heard]
        if absence:
            as_of = micros(self.asking.as_of or self.now)
            spans.append((as_of - max(absence), as_of))
        return {day for low, high in spans for day in self._between(low, high)}

    def _between(self, low: int, high: int) -> Iterator[int]:
        return (day for day in self.stored if low < (day + 1) * DAY and day * DAY <= high)

    def _gather(self, days: Sequence[int], into: Gatherer, prepared: Callable[[EventBatch], EventBatch]) -> None:
        if not days:
            return
        if self.matcher is None:
            asked = {rule for rule, need in into.needs.items() if not need.latest}  # `past` holds what is silent
            needed = [rule for rule in self.rules.rules if rule.ref.id in asked]
            self.matcher = Matcher(plan(needed, self.rules.filters))
        for part in self.store.parts(days=[_name(day) for day in days]):
            for given in part.read(self.narrow):
                batch = prepared(given)
                into.see(batch)
                for match in self.matcher.matches(batch):
                    into.add(match, batch)

    def _uncertain(self, found: Occurrences, looked: set[int], step: int) -> set[int]:
        """The days that have to be looked at yet, and as many before them as `step`."""
        correlator = _correlator(self.rules, found, self.asking, self.now, self.past)
        wanted: set[int] = set()
        for one in correlator.bursts():
            if one.silence is None and self.tells(one):
                lacking = set(self._between(one.since, one.until)) - looked
                if lacking:
                    low, high = min(lacking), max(lacking)
                    wanted |= lacking
                    wanted |= {day for day in self.stored if low - step <= day <= high + step and day not in looked}
        return wanted


def _dated(day: str) -> bool:
    return day[:1].isdigit()


def _number(day: str) -> int:
    return (date.fromisoformat(day) - _EPOCH).days


def _name(day: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)).date().isoformat()
