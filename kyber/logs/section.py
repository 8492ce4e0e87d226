"""This domain's part of the report: findings, and what rules and sources can see, in; rows, a picture, numbers out."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Final
from zoneinfo import ZoneInfo

from kyber.digest import Silence
from kyber.document import Block, Bullets, Chart, Line, Paragraph, Row, linked, row, said
from kyber.duration import Duration
from kyber.finding import Family, Finding
from kyber.level import Level
from kyber.logs.coverage import counted
from kyber.logs.standing import Entry, Looked, State
from kyber.render.money import day, whole_day
from kyber.render.parts import table_of
from kyber.render.weeks import Weeks, svg
from kyber.text import Words

RULES: Final = 40
"""How many rules the table of findings names."""
WEEKS: Final = 26
"""How many weeks the picture has."""
NONE: Final = "–"


@dataclass(frozen=True, kw_only=True)
class LogView:
    """What the report knows of logs."""

    findings: tuple[Finding, ...]
    """Those that nobody judged false."""
    open: frozenset[str]
    """The ids of those that wait for somebody."""
    false: int
    """How many were judged false."""
    entries: tuple[Entry, ...] | None
    """The rules; None where they were not looked at."""
    seen: Looked | None
    """By what was judged whether rules can see; None where nothing is stored."""
    sources: int
    """How many log sources are registered."""
    silent: tuple[Silence, ...] | None
    """The sources that are silent; None where nothing is stored."""
    start: date
    end: date
    """The period, as far as it has come."""
    before: tuple[date, date]
    """As many days before it."""
    since: date
    """From which day on anything was looked at."""
    zone: ZoneInfo
    risks: Mapping[str, Sequence[str]]
    """The ids of the risks that a rule's findings bear on, by the rule's id."""
    services: Mapping[str, Sequence[str]]
    """The ids of the services that a rule's findings touch, by the rule's id."""
    anchors: Mapping[str, str]
    names: Mapping[str, str]
    """What services are called, by their ids."""
    words: Words

    @cached_property
    def days(self) -> Mapping[str, date]:
        """The day of each finding with a time, by its id."""
        found: dict[str, date] = {}
        for one in self.findings:
            when = one.first or one.last
            if when is not None:
                found[one.id] = when.astimezone(self.zone).date()
        return found

    @property
    def is_comparable(self) -> bool:
        """Whether the days before the period were looked at, so that what was found then can be compared."""
        return self.since <= self.before[0]

    @cached_property
    def now(self) -> tuple[Finding, ...]:
        """The findings of the period."""
        return self.between(self.start, self.end)

    @cached_property
    def earlier(self) -> tuple[Finding, ...]:
        """The findings of as many days before."""
        return self.between(*self.before)

    def between(self, start: date, end: date) -> tuple[Finding, ...]:
        """The findings of these days, both included."""
        days = self.days
        return tuple(one for one in self.findings if one.id in days and start <= days[one.id] <= end)


def values(view: LogView) -> Iterator[tuple[str, str]]:
    """What the next report compares itself with."""
    families = Counter(one.family for one in view.now)
    for family in Family:
        yield f"findings.{family}", str(families[family])
    yield "findings.serious", str(len(serious(view.now)))
    if view.is_comparable:
        yield "findings.serious.before", str(len(serious(view.earlier)))
    if view.entries is not None:
        states = Counter(one.standing.state for one in counted(view.entries))
        yield "rules.run", str(states[State.RUNS])
        yield "rules.blind", str(states[State.BLIND] + states[State.UNABLE])
    if view.silent is not None:
        yield "sources.silent", str(len(view.silent))


def serious(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Those of the two highest levels."""
    return tuple(one for one in findings if one.level >= Level.HIGH)


def families(view: LogView) -> tuple[Block, ...]:
    """The findings of the period in the three families, against as many days before."""
    words = view.words
    now, before = Counter(one.family for one in view.now), Counter(one.family for one in view.earlier)
    grave = Counter(one.family for one in serious(view.now))
    waiting = Counter(one.family for one in view.now if one.id in view.open)
    rows = tuple(
        row(
            words(f"findings.family.{family}"),
            words(
                f"report.trend.{_trend(now[family], before[family]) if view.is_comparable else 'unknown'}",
                now=words.number(now[family]),
                before=words.number(before[family]),
            ),
            words("report.grave", serious=words.number(grave[family]), waiting=words.number(waiting[family])),
        )
        for family in Family
    )
    heads = ("family", "trend", "serious")
    blocks: list[Block] = [table_of("families", heads, rows, words, {"family": 2, "trend": 3, "serious": 2})]
    if older := len(view.open) - sum(waiting.values()):
        blocks.append(Paragraph(said(words.many("report.findings.older", older))))
    return tuple(blocks)


def _trend(now: int, before: int) -> str:
    """More or fewer by at least a quarter and five; else the same."""
    if abs(now - before) < max(5, before / 4):
        return "same"
    return "up" if now > before else "down"


def by_week(view: LogView) -> Chart:
    """The findings of the last weeks, by family."""
    words = view.words
    monday = view.end - timedelta(days=view.end.weekday())
    starts = [monday - timedelta(weeks=at) for at in reversed(range(WEEKS))]
    counts: dict[date, Counter[Family]] = defaultdict(Counter)
    for one in view.findings:
        if (day := view.days.get(one.id)) is not None and starts[0] <= day <= view.end:
            counts[day - timedelta(days=day.weekday())][one.family] += 1
    first = next((at for at, start in enumerate(starts) if counts.get(start)), WEEKS - 1)
    starts = starts[min(first, WEEKS - 4) :]
    title, names = words("report.weeks.title"), tuple(words(f"findings.family.{family}") for family in Family)
    told = [
        words(
            "report.weeks.one",
            week=_week(start),
            counts=tuple(
                f"{name} {words.number(counts[start][family])}" for name, family in zip(names, Family, strict=True)
            ),
        )
        for start in starts
    ]
    drawn = Weeks(
        title=title,
        names=names,
        weeks=tuple(map(_week, starts)),
        counts=tuple(tuple(counts[start][family] for family in Family) for start in starts),
        axis=words("report.weeks.axis"),
        begins=next((at for at, start in enumerate(starts) if start <= view.start < start + timedelta(weeks=1)), None),
        period=words("report.weeks.period"),
        described=" ".join(told),
    )
    return Chart(title=title, svg=svg(drawn), described=drawn.described)


def _week(monday: date) -> str:
    year, week, _ = monday.isocalendar()
    return f"{year}-W{week:02}"


def by_rule(view: LogView) -> tuple[Block, ...]:
    """What was found in the period, by rule: the most serious first, with the risks and services it bears on."""
    words = view.words
    found: dict[str, list[Finding]] = defaultdict(list)
    for one in view.now:
        found[one.rule.id].append(one)
    order = sorted(
        found.values(),
        key=lambda some: (-max(one.level for one in some), -len(some), some[0].rule.title, some[0].rule.id),
    )
    rows = tuple(_rule(view, some) for some in order[:RULES])
    right = frozenset(("many", "days", "waiting"))
    heads = ("rule", "level", "family", "many", "days", "waiting", "risks", "services")
    blocks: list[Block] = [
        by_week(view),
        table_of("rules", heads, rows, words, {"rule": 5, "risks": 2, "services": 2}, right),
    ]
    if len(order) > RULES:
        blocks.append(Paragraph(said(words.many("report.findings.more-rules", len(order) - RULES)), "note"))
    if view.false:
        blocks.append(Paragraph(said(words.many("report.findings.false", view.false)), "note"))
    return tuple(blocks)


def _rule(view: LogView, some: Sequence[Finding]) -> Row:
    words, rule = view.words, some[0].rule
    days = {view.days[one.id] for one in some}
    return row(
        rule.title_in(words.language),
        words(f"findings.level.{max(one.level for one in some)}"),
        words(f"findings.family.{some[0].family}"),
        words.number(len(some)),
        words.number(len(days)),
        words.number(sum(one.id in view.open for one in some)),
        _links(view, "risk", view.risks.get(rule.id, ())),
        _links(view, "service", view.services.get(rule.id, ())),
        anchor=view.anchors.get(f"rule-{rule.id}", ""),
    )


def _links(view: LogView, kind: str, ids: Sequence[str]) -> Line:
    names = view.names if kind == "service" else {}
    return linked((names.get(id_, id_), view.anchors.get(f"{kind}-{id_}", "")) for id_ in ids)


# --- what can be seen ------------------------------------------------------------------------------------------------


def sight(view: LogView) -> Iterator[str]:
    """Silent sources and rules that cannot fire, one sentence each."""
    words = view.words
    if view.silent is None:
        yield words("report.cover.nothing-stored")
    elif view.silent:
        names = tuple(one.source for one in view.silent[:6])
        yield words.many("report.cover.silent", len(view.silent), ids=names)
    else:
        yield words("report.cover.none-silent")
    if view.silent is None and not view.sources:
        yield words("report.cover.rules-unknown")
    elif view.entries is not None:
        states = Counter(one.standing.state for one in counted(view.entries))
        blind = states[State.BLIND] + states[State.UNABLE]
        yield words.many("report.cover.rules", states[State.RUNS], blind=words.number(blind))


def blindness(view: LogView) -> tuple[Block, ...]:
    """Why rules cannot fire, and which sources are silent."""
    words = view.words
    blocks: list[Block] = []
    if view.seen is not None:
        days = view.seen.days
        dated = [date.fromisoformat(one) for one in days if one[:1].isdigit()]
        first, last = (day(one, words) for one in (dated[0], dated[-1])) if dated else (NONE, NONE)
        text = words("report.cover.judged", first=first, last=last, events=words.number(view.seen.events))
        blocks.append(Paragraph(said(text)))
    reasons: Counter[str] = Counter()
    for one in counted(view.entries or ()):
        if one.standing.state in (State.BLIND, State.UNABLE):
            reasons[one.standing.reason] += 1
    lines = []
    for reason, many in sorted(reasons.items(), key=lambda found: (-found[1], found[0])):
        key = f"blind.{reason}.rules"
        lines.append(said(words.many(key if words.has(key) else f"report.blind.{_other(reason)}", many)))
    if lines:
        blocks.append(Bullets(tuple(lines)))
    rows = tuple(
        row(one.name, one.source, _last(view, one), words.duration(Duration.parse(one.expected)))
        for one in view.silent or ()
    )
    blocks.append(table_of("silent", ("source", "id", "last-event", "expected"), rows, words, {"source": 3}))
    return tuple(blocks)


def _other(reason: str) -> str:
    return reason if reason in ("no-source", "unreadable") else "other"


def _last(view: LogView, one: Silence) -> str:
    return whole_day(one.last.astimezone(view.zone).date(), view.words) if one.last else view.words("continuity.never")
