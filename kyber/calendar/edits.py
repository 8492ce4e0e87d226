"""What people do with tasks of the annual clock, as edits of their files: nothing is written here."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from kyber import amend
from kyber.action import Action
from kyber.amend import AmendError, Edit
from kyber.calendar.form import Marked
from kyber.calendar.occurrences import Occurrence, next_open, occurrences, open_on
from kyber.calendar.register import Calendar
from kyber.calendar.task import FOLDER, PREFIX, Task
from kyber.register import Path_


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A row of a form of which nothing follows, and why: a key of `clock.form`."""

    row: Marked
    why: str
    reason: str = ""
    """What was said where the edit was refused."""


def add(root: Path, used: Set[str], fields: Mapping[str, object]) -> tuple[str, Edit]:
    """A new task, and the id that it is given. Raises AmendError."""
    id_ = amend.next_id(PREFIX, used)
    return id_, amend.new(root, FOLDER, Task, {"id": id_, **fields})


def done(task: Task, on: date, by: str, evidence: str | None, due: date | None) -> tuple[date, Edit]:
    """A task that was done, and the day that it was done for: the one that is named, or else the one that is open.

    Raises AmendError where there is no such day, none that is open has come into its lead time, or it was done for it
    already.
    """
    found = _occurrence(task, due) if due is not None else open_on(task, on)
    if found is None and due is not None:
        raise AmendError(f"{task.id} has no day {due}: see `kyber calendar`")
    if found is None:
        following = next_open(task, on)
        hint = f"; --for {following.day} says that the next time is done already" if following else ""
        raise AmendError(f"nothing of {task.id} is open on {on}{hint}")
    if found.done is not None:
        raise AmendError(f"{task.id} was done for {found.day} on {found.done.on} already")
    return found.day, amend.amend(_file(task), Task, [_time(task, 0, found.day, on, by, evidence)])


def finished(action: Action, on: date, evidence: str | None) -> Edit:
    """An action that is done. Raises AmendError where it is over already."""
    if not action.is_open:
        raise AmendError(f"{action.id} is {action.status} already")
    return amend.amend(_file(action), Action, _finished(action, on, evidence))


def from_form(calendar: Calendar, rows: Sequence[Marked], by: str) -> tuple[tuple[Edit, ...], tuple[LeftOut, ...]]:
    """The edits that a form asks for, one a file, and the rows of which nothing can follow."""
    tasks, actions = calendar.task, {one.id: one for one in calendar.actions}
    taken: dict[tuple[str, str], list[Marked]] = {}
    edits, left = [], []
    for row in rows:
        before = taken.get((row.kind, row.id), ())
        if row.kind == "task" and row.id in tasks:
            why = _unfit(tasks[row.id], row)
        elif row.kind == "action" and row.id in actions:
            why = "" if actions[row.id].is_open and not before else "already"
        else:
            why = "elsewhere"
        if any(one.due == row.due for one in before):
            why = "already"
        if not why and (row.on is None or row.on > calendar.today):
            why = "no-day"
        if why:
            left.append(LeftOut(row, why))
        else:
            taken.setdefault((row.kind, row.id), []).append(row)
    for (kind, id_), found in taken.items():
        try:
            if kind == "task":
                times = [_time(tasks[id_], at, one.due, one.on, by, one.evidence) for at, one in enumerate(found)]
                edits.append(amend.amend(_file(tasks[id_]), Task, times))
            else:
                edits.append(
                    amend.amend(_file(actions[id_]), Action, _finished(actions[id_], found[0].on, found[0].evidence))
                )
        except AmendError as error:
            left += (LeftOut(row, "refused", str(error)) for row in found)
    return tuple(edits), tuple(left)


def _time(
    task: Task, at: int, due: date, on: date | None, by: str, evidence: str | None
) -> tuple[Path_, Mapping[str, object]]:
    """One more time that a task was done, the `at`th of those that are added at once."""
    entry = {"on": on, "by": by, "for": due, **({"evidence": evidence} if evidence else {})}
    return ("done", len(task.done) + at), entry


def _finished(action: Action, on: date | None, evidence: str | None) -> list[tuple[Path_, object]]:
    changes: list[tuple[Path_, object]] = [(("status",), "done"), (("done_on",), on)]
    return changes + ([(("evidence", len(action.evidence)), evidence)] if evidence else [])


def _unfit(task: Task, row: Marked) -> str:
    """Why a row about a task can come to nothing; empty where it can."""
    found = _occurrence(task, row.due)
    return "gone" if found is None else "already" if found.done is not None else ""


def _occurrence(task: Task, day: date) -> Occurrence | None:
    return next(iter(occurrences(task, day, day)), None)


def _file(record: Task | Action) -> Path:
    return Path(record.at.file)
