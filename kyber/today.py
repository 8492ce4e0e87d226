"""The day on one screen: registers, kept findings and when somebody last looked in; what is new, due and late out."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from kyber.clock import Due, State
from kyber.finding import Finding, Touched
from kyber.incident import Clock, Incident, clocks
from kyber.incident import State as ClockState
from kyber.kept import KeptFinding
from kyber.level import Level
from kyber.people import People
from kyber.privacy import mask
from kyber.problem import Problem, Severity
from kyber.text import Words
from kyber.thread import urgency

CLOCKS_SHOWN: Final = 2
FINDINGS_SHOWN: Final = 4
PROBLEMS_SHOWN: Final = 2
DUES_SHOWN: Final = 4
NAMED: Final = 8
"""Ids of risks or sources that are named in a line; of more, the number."""
COMMANDS: Final = 3
INDENT: Final = "  "


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A statutory clock of an incident that was not met yet."""

    incident: Incident
    clock: Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Today:
    """What one person, or everybody, is to see today.

    `since`: when they last looked, or how far back is looked instead; `first`: whether this is the first time.
    `findings`: those first found since then that wait for somebody, what threatens the most critical services first;
    `waiting`: all that do. `risks`: the ids of those whose files changed. `problems`: those that were not there.
    """

    organisation: str
    day: date
    who: str
    since: datetime
    first: bool
    running: tuple[Running, ...] = ()
    findings: tuple[Finding, ...] = ()
    touched: Mapping[str, Touched]
    waiting: int = 0
    risks: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    late: tuple[Due, ...] = ()
    due: tuple[Due, ...] = ()
    silent: tuple[str, ...] = ()
    rules: int = 0
    blind: int = 0


def running(incidents: Iterable[Incident], now: datetime, zone: Any) -> tuple[Running, ...]:
    """The clocks that run, or ran out, of incidents that are open; what is due first comes first."""
    found = [
        Running(incident=one, clock=clock)
        for one in incidents
        if one.is_open
        for clock in clocks(one, now, zone)
        if clock.state in (ClockState.RUNNING, ClockState.MISSED)
    ]
    return tuple(sorted(found, key=lambda one: (one.clock.left or 0.0, one.incident.id)))


def new_findings(
    waiting: Iterable[KeptFinding], since: datetime, touched: Mapping[str, Touched]
) -> tuple[Finding, ...]:
    """The findings that were first found since a moment: critical ones first, then by what they threaten."""
    found = [one.finding for one in waiting if one.first_seen > since]
    return tuple(
        sorted(
            found,
            key=lambda one: (one.level < Level.CRITICAL, urgency(touched[one.id]), -one.level, one.rule.title, one.id),
        )
    )


def mine(dues: Iterable[Due], owners: Collection[str] | None, state: State, today: date) -> tuple[Due, ...]:
    """What is in a state on a day and waits for one of these owners; None: for anybody."""
    return tuple(one for one in dues if (owners is None or one.owner in owners) and one.state(today) is state)


def prints(problems: Iterable[Problem], root: Path) -> Mapping[str, Problem]:
    """Problems by what they are known again by: code, file and facts, whatever line they stand in now."""
    found: dict[str, Problem] = {}
    for one in problems:
        file = Path(one.place.file)
        name = file.relative_to(root).as_posix() if file.is_relative_to(root) else file.name
        facts = sorted((key, str(value)) for key, value in one.facts.items())
        found[sha256(repr((one.code, name, facts)).encode()).hexdigest()[:16]] = one
    return found


def commands(one: Today) -> tuple[str, ...]:
    """What to do next, as commands, the most pressing first."""
    found = [f"kyber incident show {each.incident.id}" for each in one.running[:1]]
    if one.findings:
        found.append(f"kyber findings show {one.findings[0].id[:8]}")
    elif one.waiting:
        found.append("kyber findings list --sort threat")
    if one.late:
        found.append("kyber tasks")
    if any(each.severity is Severity.ERROR for each in one.problems):
        found.append("kyber check")
    if one.silent:
        found.append("kyber logs status")
    if one.problems and "kyber check" not in found:
        found.append("kyber check")
    return tuple(found[:COMMANDS])


# --- in words --------------------------------------------------------------------------------------------------------


def lines(one: Today, people: People, words: Words, when: str) -> list[str]:
    """The screen, a heading or a row a line; `when` is `since` as people read it. Identity codes are masked."""
    who = people.shown(one.who) if one.who else words("today.everybody")
    said = [words("today.title", organisation=one.organisation, day=one.day, who=who)]
    said.append(words("today.first" if one.first else "today.since", when=when))
    said += _running(one, words)
    said += _new(one, words)
    watch = []
    if one.blind:
        watch.append(words.many("today.blind", one.blind, rules=words.number(one.rules)))
    if one.silent:
        watch.append(words.many("today.silent", len(one.silent), sources=_some(one.silent)))
    if watch:
        said.append("; ".join(watch))
    said += _dues(one.late, "late", people, words)
    said += _dues(one.due, "due", people, words)
    if found := commands(one):
        said += ["", words("today.next"), *(f"{INDENT}{each}" for each in found)]
    return [mask(line) for line in said]


def _running(one: Today, words: Words) -> list[str]:
    if not one.running:
        return []
    said = ["", words.many("today.running", len(one.running))]
    for each in one.running[:CLOCKS_SHOWN]:
        duty, state = each.clock.duty, each.clock.state
        left = words.many(f"incidents.clock.{state.value}", int(abs(each.clock.left or 0)))
        what = words(f"incidents.notification.{duty.regime}.{duty.stage}")
        said.append(f"{INDENT}{each.incident.id}  {left}: {what} · {each.incident.title}")
    return [*said, *_more(len(one.running) - CLOCKS_SHOWN, words)]


def _new(one: Today, words: Words) -> list[str]:
    said = [""]
    if one.findings:
        levels = Counter(each.level for each in one.findings)
        named = tuple(f"{words(f'findings.level.{level}')} {words.number(levels[level])}" for level in _worst(levels))
        said.append(words.many("today.findings", len(one.findings), levels=named))
        for each in one.findings[:FINDINGS_SHOWN]:
            touched = one.touched[each.id]
            where = f" → {', '.join(touched.services)}" if touched.services else ""
            level = words(f"findings.level.{each.level}")
            said.append(f"{INDENT}{each.id[:8]}  {level}: {each.rule.title_in(words.language)}{where}")
        said += _more(len(one.findings) - FINDINGS_SHOWN, words)
    else:
        said.append(words("today.no-findings"))
    if one.waiting > len(one.findings):
        said.append(words.many("today.waiting", one.waiting))
    if one.risks:
        said.append(words.many("today.risks", len(one.risks), risks=_some(one.risks)))
    if one.problems:
        codes = Counter(each.code for each in one.problems)
        named = tuple(f"{code} × {count}" if count > 1 else code for code, count in sorted(codes.items()))
        said.append(words.many("today.problems", len(one.problems), codes=_some(named)))
        order = {severity: at for at, severity in enumerate(Severity)}
        for problem in sorted(one.problems, key=lambda each: (order[each.severity], each.code))[:PROBLEMS_SHOWN]:
            said.append(f"{INDENT}{problem.code} {words.problem(problem)[0]}")
    return said


def _dues(found: Sequence[Due], what: str, people: People, words: Words) -> list[str]:
    if not found:
        return ["", words(f"today.nothing-{what}")] if what == "due" else []
    said = ["", words.many(f"today.{what}", len(found))]
    for one in found[:DUES_SHOWN]:
        owner = people.shown(one.owner) if one.owner else words("today.nobody")
        said.append(f"{INDENT}{one.due}  {words(f'clock.kind.{one.kind}')} {one.id} {one.title} ({owner})")
    return [*said, *_more(len(found) - DUES_SHOWN, words)]


def _more(many: int, words: Words) -> list[str]:
    return [f"{INDENT}{words.many('today.more', many)}"] if many > 0 else []


def _some(names: Sequence[str]) -> str:
    return " ".join(names[:NAMED]) + (" …" if len(names) > NAMED else "")


def _worst(levels: Iterable[Level]) -> list[Level]:
    return sorted(levels, reverse=True)


def record(one: Today, root: Path) -> Mapping[str, Any]:
    """The same for another program."""
    return {
        "day": one.day.isoformat(),
        "who": one.who or None,
        "since": one.since.isoformat(),
        "first": one.first,
        "clocks": [
            {
                "incident": each.incident.id,
                "regime": each.clock.duty.regime,
                "stage": each.clock.duty.stage,
                "state": each.clock.state.value,
                "due": each.clock.due.isoformat() if each.clock.due else None,
                "hours_left": None if each.clock.left is None else round(each.clock.left, 1),
            }
            for each in one.running
        ],
        "findings": [each.id for each in one.findings],
        "waiting": one.waiting,
        "risks": list(one.risks),
        "problems": [
            {"code": each.code, "severity": each.severity.value, "file": _named(each, root), "line": each.place.line}
            for each in one.problems
        ],
        "late": [_due(each) for each in one.late],
        "due": [_due(each) for each in one.due],
        "silent": list(one.silent),
        "rules": {"all": one.rules, "blind": one.blind},
        "next": list(commands(one)),
    }


def _due(one: Due) -> Mapping[str, Any]:
    return {"due": one.due.isoformat(), "kind": one.kind, "id": one.id, "title": one.title, "owner": one.owner}


def _named(one: Problem, root: Path) -> str:
    file = Path(one.place.file)
    return file.relative_to(root).as_posix() if file.is_relative_to(root) else one.place.file
