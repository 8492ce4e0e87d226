"""When a task is to be done, and when it was: tasks in, their occurrences out. None is stored; all follow from rules.

A time that it was done belongs to the occurrence whose day it names (`for`); where it names none, to the nearest one
that is open and that had come into its lead time by then. One that names a day that is not of the rule, because the
rule was another one then, stands for itself.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

from kyber.calendar.task import Done, Task
from kyber.clock import Due
from kyber.duration import Duration

_TIMES: Final = 12
_WHOLE: Final = Duration.parse("28 years")
"""Years in which all weekdays and leap years have come."""


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One time that a task is to be done."""

    day: date
    done: Done | None = None
    passed: bool = False
    """Whether a later one was done."""


def occurrences(task: Task, start: date, end: date) -> tuple[Occurrence, ...]:
    """Those from `start` to `end`, both included, by day. Of one that is renewed from when it was last done, only the
    next one is known."""
    found = list(_renewed(task)) if task.renew_from == "last_done" else list(_by_rule(task, end))
    last = max((day for day, done in found if done is not None), default=date.min)
    return tuple(
        Occurrence(day, done, passed=day < last) for day, done in sorted(found, key=_day) if start <= day <= end
    )


def dues(tasks: Iterable[Task], end: date) -> Iterator[Due]:
    """All that the tasks had to be done for, or have, until `end`."""
    for task in tasks:
        for one in occurrences(task, date.min, end):
            yield Due(
                ring=task.ring,
                kind="task",
                id=task.id,
                title=task.title,
                owner=task.owner,
                deputy=task.deputy,
                due=one.day,
                lead=task.lead_time,
                done=one.done.on if one.done else None,
                passed=one.passed,
                place=task.where("rule"),
            )


def open_on(task: Task, on: date) -> Occurrence | None:
    """The occurrence that is done when the task is done on a day: the nearest open one that has come into its lead
    time; None where there is none."""
    found = [one for one in occurrences(task, date.min, task.lead_time.after(on)) if one.done is None]
    return min(found, key=lambda one: _distance(one.day, on), default=None)


def passed_over(task: Task, day: date) -> int:
    """How many earlier times stay undone where the task is done for a day, and wait for nobody from then on."""
    earlier = occurrences(task, date.min, day)
    return sum(one.day < day and one.done is None and not one.passed for one in earlier)


def next_open(task: Task, on: date) -> Occurrence | None:
    """The first occurrence from a day on that is open."""
    return next((one for one in occurrences(task, on, _after(task, on)) if one.done is None), None)


def days(task: Task, end: date) -> Iterator[date]:
    """The days of the rule, from the first one until `end`."""
    last = end if task.until is None else min(end, task.until)
    return task.rule.days(task.starts, task.starts, last)


def never(task: Task) -> bool:
    """Whether the task has no day at all, as where the phase of its rule is never met."""
    return next(days(task, _after(task, task.starts)), None) is None


def _by_rule(task: Task, end: date) -> Iterator[tuple[date, Done | None]]:
    reached = (task.lead_time.after(one.on) for one in task.done)
    asked = set(days(task, max((end, *reached, *(one.for_ for one in task.done if one.for_)))))
    taken: dict[date, Done] = {}
    for one in sorted(task.done, key=lambda one: (one.for_ is None, one.on)):  # those that name a day come first
        if one.for_ is not None:
            taken.setdefault(one.for_, one)
            continue
        last = task.lead_time.after(one.on)
        near = min(
            (day for day in asked if day <= last and day not in taken),
            key=lambda day, on=one.on: _distance(day, on),  # type: ignore[misc]
            default=one.on,
        )
        taken.setdefault(near, one)
    for day in asked | taken.keys():
        yield day, taken.get(day)


def _renewed(task: Task) -> Iterator[tuple[date, Done | None]]:
    due = next(days(task, _after(task, task.starts)), None)
    for one in sorted(task.done, key=lambda one: one.on):
        yield one.for_ or due or one.on, one
        due = task.rule.moved(task.rule.period.after(one.on))
    if due is not None and (task.until is None or due <= task.until):
        yield due, None


def _after(task: Task, day: date) -> date:
    """A day by which the rule has come round once, whatever months and weekdays it leaves out."""
    for _ in range(_TIMES):
        day = task.rule.period.after(day)
    return _WHOLE.after(day)


def _distance(day: date, on: date) -> tuple[int, date]:
    return abs((day - on).days), day


def _day(found: tuple[date, Done | None]) -> date:
    return found[0]
