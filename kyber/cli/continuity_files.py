"""What every command about continuity begins with: a workspace's register in, and the service, plan or exercise."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from kyber.cli.desk import Desk, ids, one_of, open_at, stems, tell_errors, terminal_width
from kyber.cli.reading import no_collector

if TYPE_CHECKING:
    from kyber.continuity.exercise import Exercise
    from kyber.continuity.listing import Heads
    from kyber.continuity.plan import Plan
    from kyber.continuity.register import ContinuityRegister
    from kyber.continuity.service import Service

WIDE: Final = 110
"""A terminal that is narrower shows fewer columns of a list."""

services = stems("continuity/services")
plans = ids("continuity/plans")
exercises = ids("continuity/exercises")

ServiceId = Annotated[
    str, typer.Argument(metavar="SERVICE", help="The service's id.", autocompletion=services, show_default=False)
]
PlanId = Annotated[
    str,
    typer.Argument(metavar="PLAN", help="The plan's id, such as P-001.", autocompletion=plans, show_default=False),
]
ExerciseId = Annotated[
    str,
    typer.Argument(
        metavar="EXERCISE", help="The exercise's id, such as E-001.", autocompletion=exercises, show_default=False
    ),
]


@dataclass(frozen=True)
class ContinuityDesk(Desk):
    """A workspace, its register of continuity, and the day."""

    register: "ContinuityRegister"

    def service(self, id_: str) -> "Service":
        """The service with an id, in any case. Raises UsageError."""
        return one_of(id_, self.register.services, "service")

    def plan(self, id_: str) -> "Plan":
        """The plan with an id, in any case. Raises UsageError."""
        return one_of(id_, self.register.plans, "plan")

    def exercise(self, id_: str) -> "Exercise":
        """The exercise with an id, in any case. Raises UsageError."""
        return one_of(id_, self.register.exercises, "exercise")


def heads_shown() -> "Heads":
    """The columns of a list that a terminal has room for."""
    from kyber.continuity.listing import ON_A_NARROW_ONE, ON_A_TERMINAL

    return ON_A_TERMINAL if terminal_width() >= WIDE else ON_A_NARROW_ONE


def desk(workspace: Path | None) -> ContinuityDesk:
    """The workspace's register; what cannot be read of it is told on standard error. Raises WorkspaceError."""
    from kyber.continuity.register import load_continuity

    here, today = open_at(workspace)
    with no_collector():
        register, problems = load_continuity(here.root, here.settings, today)
    found = ContinuityDesk(here, register.people, today, register)
    tell_errors(found, problems)
    return found
