"""A ScanResult in, the counts and groups that its forms show out."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Final

from kyber.finding import Blind, Family, Finding, Hidden, InputAccount, RuleRef, ScanResult
from kyber.level import Level
from kyber.text import Words

LEVELS: Final = tuple(sorted(Level, reverse=True))
"""The levels in the order they are shown: what matters most comes first."""
MAX_BUCKETS: Final = 62
"""How many columns a timeline may have before its step grows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatTotal:
    """The inputs of one format, added up. `first` and `last` are UTC."""

    format: str
    inputs: int
    size: int
    records: int
    events: int
    rejected: int
    first: datetime | None
    last: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFindings:
    """The findings of one rule, in the order they came. `count` counts their events."""

    rule: RuleRef
    level: Level
    findings: tuple[Finding, ...]
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BlindReason:
    """The rules that were blind for one reason, the most serious first.

    `lacking` counts what they lacked (a field, a placeholder, a feature), the most frequent first; empty where the
    reason names nothing.
    """

    reason: str
    rules: tuple[Blind, ...]
    lacking: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One host or user, the number of its findings and their events, and the highest level among them."""

    name: str
    findings: int
    events: int
    level: Level


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """One stretch of a timeline: from its first day up to the day before `until`."""

    start: date
    until: date
    counts: Mapping[Level, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Findings by level over time, without gaps. `step` is day, week, month or years; `undated` have no time at all."""

    step: str
    buckets: tuple[Bucket, ...]
    undated: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a scan comes to in numbers. `fired` and `silent` add up to the rules that ran; `events_found` may count an
    event once for each rule it matched."""

    formats: tuple[FormatTotal, ...]
    total: FormatTotal
    rejected: Mapping[str, int]
    levels: Mapping[Level, int]
    families: Mapping[Family, int]
    events_found: int
    fired: int
    silent: int
    blind: int


def summary(result: ScanResult) -> Summary:
    """The counts of a scan."""
    formats = sorted({account.format for account in result.inputs})
    rejected: Counter[str] = Counter()
    for account in result.inputs:
        rejected.update(account.rejected)
    levels = Counter(finding.level for finding in result.findings)
    families = Counter(finding.family for finding in result.findings)
    return Summary(
        formats=tuple(
            _total(name, [account for account in result.inputs if account.format == name]) for name in formats
        ),
        total=_total("", result.inputs),
        rejected=dict(rejected.most_common()),
        levels={level: levels[level] for level in LEVELS},
        families={family: families[family] for family in Family},
        events_found=sum(finding.count for finding in result.findings),
        fired=result.fired,
        silent=result.rules - result.fired,
        blind=len(result.blind),
    )


def nothing_found(result: ScanResult, words: Words) -> list[str]:
    """What there is to say where a result shows no finding: whether there is none, or none that was asked for."""
    if not result.left_out:
        return [words.many("findings.none-new", result.known) if result.known else words("findings.none")]
    said = [words.many("findings.left-out", result.left_out)]
    return [*said, words.many("findings.known", result.known)] if result.known else said


def filter_told(hidden: Hidden, words: Words) -> str:
    """What a filter hid, who answers for it and how long it holds, in one line."""
    by, until = hidden.owner, hidden.expires
    owner = words("findings.filter-owner", owner=by) if by else words("findings.filter-without-owner")
    end = words("findings.show.until", until=until) if until else words("findings.filter-without-end")
    return f"{words.many('findings.hidden', hidden.count)} · {owner} · {end}"


def by_rule(findings: Iterable[Finding]) -> tuple[RuleFindings, ...]:
    """The findings gathered by rule: by level, then in the order in which each rule first appears."""
    groups: dict[tuple[Level, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.level, finding.rule.id), []).append(finding)
    gathered = (
        RuleFindings(rule=of[0].rule, level=level, findings=tuple(of), count=sum(finding.count for finding in of))
        for (level, _), of in groups.items()
    )
    return tuple(sorted(gathered, key=lambda group: -group.level))


def by_reason(blind: Iterable[Blind]) -> tuple[BlindReason, ...]:
    """The blind rules gathered by reason, the most frequent first."""
    groups: dict[str, list[Blind]] = {}
    for rule in blind:
        groups.setdefault(rule.reason, []).append(rule)
    return tuple(
        BlindReason(
            reason=reason,
            rules=tuple(sorted(rules, key=lambda rule: (-rule.level, rule.rule.title))),
            lacking=dict(Counter(lacking(rule) for rule in rules if rule.facts).most_common()),
        )
        for reason, rules in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    )


def titled_in(blind: Sequence[Blind], language: str) -> tuple[Blind, ...]:
    """Blind rules, of which the correlations name the rule that they wait for by its title in a language."""
    titles: dict[object, str] = {one.rule.title: one.rule.title_in(language) for one in blind}
    return tuple(
        replace(one, facts={name: titles.get(fact, fact) for name, fact in one.facts.items()})
        if one.reason == "rule-blind"
        else one
        for one in blind
    )


def lacking(blind: Blind) -> str:
    """What a blind rule lacked, in one line; empty where its reason names nothing."""
    return ", ".join(
        ", ".join(map(str, fact)) if isinstance(fact, tuple | list) else str(fact) for fact in blind.facts.values()
    )


def standings(findings: Iterable[Finding], field: str, most: int) -> tuple[Standing, ...]:
    """The values of one group field (host.name, user.name) that stand out: by level, then by number of findings."""
    groups: dict[str, list[Finding]] = {}
    for finding in findings:
        if name := finding.group.get(field):
            groups.setdefault(name, []).append(finding)
    every = [
        Standing(
            name=name,
            findings=len(of),
            events=sum(finding.count for finding in of),
            level=max(finding.level for finding in of),
        )
        for name, of in groups.items()
    ]
    return tuple(sorted(every, key=lambda one: (-one.level, -one.findings, -one.events, one.name))[:most])


def timeline(findings: Sequence[Finding]) -> Timeline:
    """The findings by the day they began, in the finest step that takes no more than MAX_BUCKETS columns."""
    dated = [(finding.first.astimezone(UTC).date(), finding.level) for finding in findings if finding.first]
    undated = len(findings) - len(dated)
    if not dated:
        return Timeline(step="day", buckets=(), undated=undated)
    step, starts = _starts(min(day for day, _ in dated), max(day for day, _ in dated))
    counts: list[Counter[Level]] = [Counter() for _ in starts[:-1]]
    for day, level in dated:
        counts[bisect_right(starts, day, hi=len(starts) - 1) - 1][level] += 1
    buckets = tuple(
        Bucket(start=start, until=until, counts={level: count[level] for level in LEVELS})
        for start, until, count in zip(starts, starts[1:], counts, strict=False)
    )
    return Timeline(step=step, buckets=buckets, undated=undated)


def _total(name: str, accounts: Sequence[InputAccount]) -> FormatTotal:
    return FormatTotal(
        format=name,
        inputs=len(accounts),
        size=sum(account.size for account in accounts),
        records=sum(account.records for account in accounts),
        events=sum(account.events for account in accounts),
        rejected=sum(sum(account.rejected.values()) for account in accounts),
        first=min((account.first for account in accounts if account.first), default=None),
        last=max((account.last for account in accounts if account.last), default=None),
    )


def _starts(first: date, last: date) -> tuple[str, list[date]]:
    """The step's name, and the first day of each of its buckets with the day after the last one at the end."""
    if (last - first).days < MAX_BUCKETS:
        return "day", _days(first, (last - first).days + 1, 1)
    monday = _sooner(first, first.weekday())
    if (last - monday).days < MAX_BUCKETS * 7:
        return "week", _days(monday, (last - monday).days // 7 + 1, 7)
    months = (last.year - first.year) * 12 + last.month - first.month + 1
    if months <= MAX_BUCKETS:
        return "month", [_month(first.year * 12 + first.month - 1 + add) for add in range(months + 1)]
    years = 1
    while last.year // years - first.year // years >= MAX_BUCKETS:
        years *= 10
    return "years", [_month(12 * year) for year in _multiples(first.year, last.year, years)]


def _multiples(first: int, last: int, step: int) -> list[int]:
    return [number * step for number in range(first // step, last // step + 2)]


def _days(start: date, count: int, step: int) -> list[date]:
    return [_later(start, add * step) for add in range(count + 1)]


# Times come from logs and reach from year 1 to year 9999; a step beyond either end stops there.
def _later(day: date, days: int) -> date:
    return date.max if (date.max - day).days < days else day + timedelta(days)


def _sooner(day: date, days: int) -> date:
    return date.min if (day - date.min).days < days else day - timedelta(days)


def _month(number: int) -> date:
    year, month = divmod(number, 12)
    return date.min if year < 1 else date.max if year > date.max.year else date(year, month + 1, 1)
