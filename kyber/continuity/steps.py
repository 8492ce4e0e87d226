"""How far each service has come: analysed, planned for, exercised, measured; derived, never stored."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from kyber.continuity.exercise import YEARLY
from kyber.continuity.register import ContinuityRegister
from kyber.continuity.service import Service, by_criticality, lacking


class Step(StrEnum):
    """What is done for a service, in its order."""

    ANALYSIS = "analysis"
    PLAN = "plan"
    EXERCISE = "exercise"
    MEASURED = "measured"


@dataclass(frozen=True, slots=True)
class Stand:
    """A service, the first step that it has not taken (None: all are), and what it lacks for that, by key."""

    service: Service
    step: Step | None
    lacks: tuple[str, ...]


def stands(register: ContinuityRegister) -> tuple[Stand, ...]:
    """Where each service stands, the most critical first."""
    return tuple(_stand(register, one) for one in by_criticality(register.services))


def reached(found: Sequence[Stand]) -> Mapping[Step, int]:
    """How many services have taken each step, and those before it."""
    steps = list(Step)
    return {step: sum(one.step is None or steps.index(one.step) > at for one in found) for at, step in enumerate(steps)}


def _stand(register: ContinuityRegister, one: Service) -> Stand:
    for step, lacks in _LACKS.items():
        if missing := lacks(register, one):
            return Stand(one, step, missing)
    return Stand(one, None, ())


def _for_analysis(register: ContinuityRegister, one: Service) -> tuple[str, ...]:
    if one.bia is None:
        return ("bia",)
    missing = tuple(lacking(one))
    return (*missing, "bia-again") if YEARLY.after(one.bia.last) < register.today else missing


def _for_plan(register: ContinuityRegister, one: Service) -> tuple[str, ...]:
    plans = register.plans_of(one)
    if not one.is_critical and not plans:
        return ()
    if not plans:
        return ("plan",)
    return () if any(each.approved for each in plans) else ("approval",)


def _for_exercise(register: ContinuityRegister, one: Service) -> tuple[str, ...]:
    if not one.is_critical and not register.plans_of(one):
        return ()
    last = register.last_exercise(one)
    return () if last is not None and YEARLY.after(last.date) >= register.today else ("exercise",)


def _for_measured(register: ContinuityRegister, one: Service) -> tuple[str, ...]:
    if not one.is_critical or register.measured(one) is not None:
        return ()
    capability = one.capability
    return () if capability is not None and capability.basis == "measured" else ("measured",)


_LACKS: Final[Mapping[Step, Callable[[ContinuityRegister, Service], tuple[str, ...]]]] = {
    Step.ANALYSIS: _for_analysis,
    Step.PLAN: _for_plan,
    Step.EXERCISE: _for_exercise,
    Step.MEASURED: _for_measured,
}
