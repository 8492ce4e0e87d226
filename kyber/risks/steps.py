"""The life cycle of a list of risks: a register in, how far each risk has come and what it lacks to go on, out.

The steps are those of a first round, from interviews to normal practice. None is stored: all follow from the risks and
the approvals.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from kyber.duration import Duration
from kyber.risks.approval import latest, state_of
from kyber.risks.register import RiskRegister
from kyber.risks.risk import Risk, lacking

YEARLY: Final = Duration.parse("12 months")
"""How long an approval of the list holds."""


class Step(StrEnum):
    """How far a risk has come; in this order."""

    PRELIMINARY = "preliminary"
    WORKSHOP = "workshop"
    ANALYSED = "analysed"
    DEFINED = "defined"
    APPROVED = "approved"
    PRACTICE = "practice"


STEPS: Final = tuple(Step)


@dataclass(frozen=True, slots=True)
class Stand:
    """How far a risk has come, and what it lacks for the next step: keys of `risks.lacks.*`; nothing at the end."""

    risk: Risk
    step: Step
    lacks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Phase:
    """How many of the risks have come as far as a step, or further."""

    step: Step
    done: int
    of: int


def stands(register: RiskRegister) -> tuple[Stand, ...]:
    """Where each risk that is not closed stands, the largest first."""
    return tuple(stand(register, one) for one in register.prioritised() if one.is_open)


def phases(found: tuple[Stand, ...]) -> tuple[Phase, ...]:
    """The steps, each with how many risks have come as far."""
    return tuple(
        Phase(step, sum(STEPS.index(one.step) >= at for one in found), len(found)) for at, step in enumerate(STEPS)
    )


def stand(register: RiskRegister, one: Risk) -> Stand:
    """Where a risk stands: the last step before the first one that it lacks something for."""
    step = Step.PRELIMINARY
    for following, asks in _ASKS.items():
        if missing := asks(register, one):
            return Stand(one, step, missing)
        step = following
    return Stand(one, step, ())


def _for_workshop(_: RiskRegister, one: Risk) -> tuple[str, ...]:
    return () if one.current is not None or one.assessments else ("estimate",)


def _for_analysis(_: RiskRegister, one: Risk) -> tuple[str, ...]:
    found = one.current
    if found is None:
        return ("estimate",)
    return found.unexplained()


def _for_definition(_: RiskRegister, one: Risk) -> tuple[str, ...]:
    return (*lacking(one), *(("opening",) if one.status == "preliminary" and not lacking(one) else ()))


def _for_approval(register: RiskRegister, one: Risk) -> tuple[str, ...]:
    approval = latest(register.approvals)
    approved = approval.of(one.id) if approval else None
    if approved is None:
        return ("approval",)
    return () if approved.state == state_of(one) else ("new-approval",)


def _for_practice(register: RiskRegister, one: Risk) -> tuple[str, ...]:
    missing = []
    approval = latest(register.approvals)
    if approval is not None and YEARLY.after(approval.on) < register.today:
        missing.append("yearly-approval")
    if register.is_overdue(one):
        missing.append("review-now")
    if one.treatment == "mitigate" and not one.controls and not one.actions:
        missing.append("controls")
    return tuple(missing)


_ASKS: Final[Mapping[Step, Callable[[RiskRegister, Risk], tuple[str, ...]]]] = {
    Step.WORKSHOP: _for_workshop,
    Step.ANALYSED: _for_analysis,
    Step.DEFINED: _for_definition,
    Step.APPROVED: _for_approval,
    Step.PRACTICE: _for_practice,
}
"""What each step asks for. A new step is a new line."""
