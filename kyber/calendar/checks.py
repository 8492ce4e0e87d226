"""The checks of the annual clock: plain functions in a list, each a calendar in, what is to be mended out."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date
from typing import Final

from kyber.calendar.duties import DUTIES, Duty
from kyber.calendar.occurrences import days, never
from kyber.calendar.register import Calendar
from kyber.calendar.rule import may_skip
from kyber.calendar.task import Task
from kyber.clock import Due, State
from kyber.duration import Duration
from kyber.problem import Place, Problem, Severity
from kyber.register import out_of_order
from kyber.text import Key

MOST: Final = 10
"""What one owner can be expected to see to in a month: more than two a week is no plan any more."""
AHEAD: Final = Duration.parse("12 months")
"""How far ahead a month may be overloaded."""
MONTHLY: Final = Duration.parse("31 d")
"""What comes round as often as this cannot wait for a holiday to end."""
NAMED: Final = 3
"""How many of the days that were missed are named."""
SAID: Final = frozenset(
    (
        "risk-review",
        "control-test",
        "action",
        "acceptance",
        "impact-analysis",
        "plan-review",
        "offline-copy",
        "exercise",
        "filter-end",
    )
)
"""The kinds that have a check of their own, so that K60 does not say the same again."""


def check_missed(calendar: Calendar) -> Iterator[Problem]:
    """K60: what should have been done by now, said once for all the times that it was not."""
    late: dict[tuple[str, str, Place], list[date]] = {}
    for one in calendar.dues:
        if not _is_said(one) and one.state(calendar.today) is State.LATE:
            late.setdefault((one.kind, one.id, one.place), []).append(one.due)
    for (kind, id_, place), days_ in late.items():
        named = (*days_[:NAMED], *(("…",) if len(days_) > NAMED else ()))
        facts = {"id": id_, "what": Key(f"clock.kind.{kind}"), "due": named}
        yield Problem(place, "K60", facts, Severity.WARNING)


def check_owners(calendar: Calendar) -> Iterator[Problem]:
    """K61: tasks that are nobody's, or that stop when somebody is away."""
    for one in _running(calendar):
        lacking = None
        if one.owner is None:
            lacking = "owner"
        elif (one.duties or _is_monthly(one)) and not _has_deputy(calendar, one, one.owner):
            lacking = "deputy"
        if lacking is not None:
            yield Problem(one.at, "K61", {"id": one.id, "why": Key(f"clock.lacks.{lacking}")}, Severity.WARNING)


def check_duties(calendar: Calendar) -> Iterator[Problem]:
    """K62: duties in law that no task is there for; where there are no tasks at all, that is said once."""
    if not calendar.tasks:
        if calendar.is_wanted:
            yield _unmet(calendar, "all", tuple(dict.fromkeys(_ground(duty) for duty in DUTIES.values())), "reference")
        return
    met = {duty for one in _running(calendar) for duty in one.duties}
    for id_, duty in DUTIES.items():
        if id_ not in met:
            yield _unmet(calendar, "one", (Key(f"clock.duty.{id_}"), _ground(duty)), duty.mark)


def check_load(calendar: Calendar) -> Iterator[Problem]:
    """K63: months in which one owner has more to do than can be expected."""
    last = AHEAD.after(calendar.today)
    waiting = [one for one in calendar.dues if one.waits(calendar.today) and calendar.today <= one.due <= last]
    counts = Counter((one.owner, f"{one.due:%Y-%m}") for one in waiting if one.owner is not None)
    places = {id_: place for _, id_, place in calendar.people.ids()}
    for (owner, month), count in sorted(counts.items()):
        if count > MOST and owner in places:
            facts = {"owner": owner, "month": month, "count": count, "most": MOST}
            yield Problem(places[owner], "K63", facts, Severity.NOTE)


def check_days(calendar: Calendar) -> Iterator[Problem]:
    """K06: days in the wrong order, or in the future. K07, K81: days that the rule does not have, or may pass
    over; rules that never come."""
    for one in calendar.tasks:
        if one.until is not None and one.until < one.starts:
            yield from out_of_order(one, ("until",), one.until, first=one.starts)
        elif may_skip(one.rule, one.starts):
            facts = {"field": "starts", "value": one.starts, "expected": "BYMONTHDAY=-1, 1–28"}
            yield Problem(one.where("starts"), "K07", facts)
        elif never(one):
            facts = {"field": "rule", "value": one.rule.rrule or "–", "expected": Key("kind.rrule-never")}
            yield Problem(one.where("rule"), "K81", facts)
        known = set(days(one, max((done.for_ for done in one.done if done.for_), default=one.starts)))
        for at, done in enumerate(one.done):
            yield from out_of_order(one, ("done", at, "on"), done.on, last=calendar.today)
            if one.renew_from == "rule" and done.for_ is not None and _is_strange(one, done.for_, known):
                near = sorted(known, key=lambda day, asked=done.for_: abs(day - asked))[:2]  # type: ignore[misc]
                facts = {"field": f"done.{at}.for", "value": done.for_, "expected": tuple(sorted(near)) or "–"}
                yield Problem(one.where("done", at, "for"), "K07", facts, Severity.WARNING)


CHECKS: Final[tuple[Callable[[Calendar], Iterator[Problem]], ...]] = (
    check_missed,
    check_owners,
    check_duties,
    check_load,
    check_days,
)
"""Every check of the annual clock. A new check is a new line."""


def check_calendar(calendar: Calendar) -> Iterator[Problem]:
    """All that is to be mended in the annual clock, check by check."""
    return (problem for check in CHECKS for problem in check(calendar))


def _is_said(one: Due) -> bool:
    """Whether a check of its own says that it is late."""
    return one.kind in SAID or one.kind.startswith("incident-")


def _running(calendar: Calendar) -> Iterator[Task]:
    return (one for one in calendar.tasks if one.until is None or one.until >= calendar.today)


def _is_monthly(task: Task) -> bool:
    return task.rule.period.approximate_seconds <= MONTHLY.approximate_seconds


def _has_deputy(calendar: Calendar, task: Task, owner: str) -> bool:
    """Whether somebody else can step in: the task's deputy, or those of the role that owns it."""
    people, today = calendar.people, calendar.today
    role = next((one for one in people.roles if one.id == owner), None)
    deputies = (*((task.deputy,) if task.deputy else ()), *(role.deputies if role else ()))
    holders = {person.id for person in people.held_by(owner, today)}
    return any({person.id for person in people.held_by(one, today)} - holders for one in deputies)


def _ground(duty: Duty) -> Key:
    return Key(f"clock.ground.{duty.ground}")


def _unmet(calendar: Calendar, which: str, duty: tuple[str, ...], mark: str) -> Problem:
    facts = {"lack": Key(f"clock.unmet.{which}"), "duty": duty, "mark": Key(f"clock.mark.{mark}")}
    severity = Severity.NOTE if mark == "reference" else Severity.WARNING
    return Problem(calendar.folder, "K62", facts, severity)


def _is_strange(task: Task, day: date, known: set[date]) -> bool:
    return day >= task.starts and day not in known
