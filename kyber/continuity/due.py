"""What falls due for continuity: impact analyses, plans and their copies, exercises, tests of restoring backups."""

from collections.abc import Iterator
from datetime import date
from typing import Final

from kyber.clock import LEAD, Due, again
from kyber.continuity.exercise import YEARLY, Exercise
from kyber.continuity.plan import Plan
from kyber.continuity.register import ContinuityRegister
from kyber.continuity.service import Service
from kyber.duration import Duration

LONG_BEFORE: Final = Duration.parse("60 d")
"""How long before an exercise it is time to prepare it."""


def dues(register: ContinuityRegister) -> Iterator[Due]:
    """All that waits for services, plans and exercises, and what of it was last done."""
    for service in register.services:
        yield from _of_service(service)
    for plan in register.plans:
        yield from _of_plan(register, plan)
    for exercise in register.exercises:
        yield _of_exercise(exercise)


def _of_service(one: Service) -> Iterator[Due]:
    if one.bia is not None:
        yield from _again(one, "impact-analysis", one.owner, one.bia.last, YEARLY, "bia")
    if one.backup is not None and one.backup.last_restore_test is not None:
        owner = one.tech_owner or one.owner
        yield from _again(one, "restore-test", owner, one.backup.last_restore_test, YEARLY, "backup")


def _of_plan(register: ContinuityRegister, one: Plan) -> Iterator[Due]:
    reviewed = one.review.last or (one.approved.on if one.approved else None)
    if reviewed is not None:
        reviewer = one.review.reviewer or one.owner
        yield from _again(one, "plan-review", reviewer, reviewed, one.review.interval, "review")
    if one.offline_copy is not None and one.offline_copy.checked_on is not None:
        yield from _again(one, "offline-copy", one.owner, one.offline_copy.checked_on, YEARLY, "offline_copy")
    last = register.last_exercise(one)
    if last is not None and not any(not each.is_held for each in register.exercises_of(one)):
        yield _due(one, "exercise", one.owner, last.interval.after(last.date), "id", lead=LONG_BEFORE)


def _of_exercise(one: Exercise) -> Due:
    return Due(
        ring="continuity",
        kind="exercise-held",
        id=one.id,
        title=one.title,
        owner=one.lead,
        due=one.date,
        lead=LONG_BEFORE,
        done=one.date if one.is_held else None,
        place=one.where("date"),
    )


def _again(one: Service | Plan, kind: str, owner: str | None, last: date, every: Duration, field: str) -> Iterator[Due]:
    """What was done last, and its next time."""
    return again(_due(one, kind, owner, every.after(last), field), last)


def _due(one: Service | Plan, kind: str, owner: str | None, due: date, field: str, *, lead: Duration = LEAD) -> Due:
    title = one.name if isinstance(one, Service) else one.title
    return Due(
        ring="continuity", kind=kind, id=one.id, title=title, owner=owner, due=due, lead=lead, place=one.where(field)
    )
