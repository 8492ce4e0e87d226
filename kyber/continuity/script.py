"""What the facilitator of an exercise has in hand: an exercise, a plan or a risk and the register in, a script out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from kyber.continuity.card import Stamp, Who, called, services_of
from kyber.continuity.exercise import Exercise, Inject, Kind
from kyber.continuity.plan import Plan
from kyber.continuity.register import ContinuityRegister
from kyber.continuity.service import Service


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """A risk as far as an exercise plays it, in the words of its owner."""

    id: str
    title: str
    told: tuple[str, ...] = ()
    """Its cause, event and consequence, as far as they are written down."""
    services: tuple[str, ...] = ()
    """The ids of the services that it touches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """All that leading one exercise takes."""

    organisation: str
    id: str
    """Of what it was made from: an exercise, a plan or a risk."""
    title: str
    kind: Kind
    exercise: Exercise | None
    """The exercise, where it was made from one."""
    lead: Who | None
    participants: tuple[Who, ...]
    plans: tuple[Plan, ...]
    doers: Mapping[str, Who]
    """Who does the steps of the plans, by what these say."""
    services: tuple[Service, ...]
    risks: tuple[Played, ...]
    injects: tuple[Inject, ...]
    """The exercise's own, as time goes on; those without a time at the end."""
    stamp: Stamp

    @property
    def day(self) -> date | None:
        return self.exercise.date if self.exercise else None


def script_of_exercise(
    exercise: Exercise, register: ContinuityRegister, played: Sequence[Played], stamp: Stamp
) -> Script:
    """The script of an exercise. Without plans of its own it plays those of its services, and the other way round."""
    services = tuple(register.service[id_] for id_ in exercise.services if id_ in register.service)
    plans = tuple(register.plan[id_] for id_ in exercise.plans if id_ in register.plan)
    return _script(
        exercise.id,
        exercise.title,
        register,
        stamp,
        exercise=exercise,
        plans=plans or _plans_of(services, register),
        services=services,
        risks=tuple(played),
    )


def script_of_plan(plan: Plan, register: ContinuityRegister, stamp: Stamp) -> Script:
    """The script of a tabletop exercise that goes through one plan."""
    return _script(plan.id, plan.title, register, stamp, plans=(plan,))


def script_of_risk(played: Played, register: ContinuityRegister, stamp: Stamp) -> Script:
    """The script of a tabletop exercise in which a risk comes true, over the plans of the services that it touches."""
    services = tuple(register.service[id_] for id_ in played.services if id_ in register.service)
    plans = _plans_of(services, register)
    return _script(played.id, played.title, register, stamp, plans=plans, services=services, risks=(played,))


def _script(
    id_: str,
    title: str,
    register: ContinuityRegister,
    stamp: Stamp,
    *,
    plans: tuple[Plan, ...],
    services: tuple[Service, ...] = (),
    risks: tuple[Played, ...] = (),
    exercise: Exercise | None = None,
) -> Script:
    def who(text: str) -> Who:
        return called(text, register.people, register.today)

    doers = {step.who: who(step.who) for plan in plans for step in plan.steps}
    named = tuple(map(who, exercise.participants)) if exercise else ()
    return Script(
        organisation=register.settings.organisation,
        id=id_,
        title=title,
        kind=exercise.type if exercise else "tabletop",
        exercise=exercise,
        lead=who(exercise.lead) if exercise else None,
        participants=named or tuple(dict.fromkeys(doers.values())),
        plans=plans,
        doers=doers,
        services=services or tuple(dict.fromkeys(one for plan in plans for one in services_of(plan, register))),
        risks=risks,
        injects=tuple(sorted(exercise.injects, key=_moment)) if exercise else (),
        stamp=stamp,
    )


def _plans_of(services: Sequence[Service], register: ContinuityRegister) -> tuple[Plan, ...]:
    return tuple(dict.fromkeys(plan for service in services for plan in register.plans_of(service)))


def _moment(inject: Inject) -> float:
    return inject.after.approximate_seconds if inject.after else float("inf")
