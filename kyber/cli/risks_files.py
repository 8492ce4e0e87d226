"""What every command about risks begins with: a workspace's register in, and the risk, control or action asked for."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kyber.cli.desk import Desk, ids, one_of, open_at, tell_errors
from kyber.cli.reading import no_collector

if TYPE_CHECKING:
    from kyber.action import Action
    from kyber.risks.control import Control
    from kyber.risks.edits import Place
    from kyber.risks.register import RiskRegister
    from kyber.risks.risk import Risk


class Origin(StrEnum):
    """Where a risk was met."""

    INTERVIEW = "interview"
    WORKSHOP = "workshop"
    INCIDENT = "incident"
    AUDIT = "audit"
    EXERCISE = "exercise"
    LOG = "log"


risk_ids = ids("risks")
RiskId = Annotated[
    str,
    typer.Argument(metavar="RISK", help="The risk's id, such as R-001.", autocompletion=risk_ids, show_default=False),
]
MaybeControlId = Annotated[
    str | None,
    typer.Argument(metavar="[CONTROL]", help="The control's id.", autocompletion=ids("controls"), show_default=False),
]
MaybeActionId = Annotated[
    str | None,
    typer.Argument(metavar="[ACTION]", help="The action's id.", autocompletion=ids("actions"), show_default=False),
]


@dataclass(frozen=True)
class RiskDesk(Desk):
    """A workspace, its register of risks, and the day."""

    register: "RiskRegister"

    def risk(self, id_: str) -> "Risk":
        """The risk with an id, in any case. Raises UsageError."""
        return one_of(id_, self.register.risks, "risk")

    def control(self, id_: str) -> "Control":
        """The control with an id, in any case. Raises UsageError."""
        return one_of(id_, self.register.controls, "control")

    def action(self, id_: str) -> "Action":
        """The action with an id, in any case. Raises UsageError."""
        return one_of(id_, self.register.actions, "action")

    def place(self) -> "Place":
        """The workspace, and the ids that were ever used in it."""
        from kyber.risks.edits import Place

        register = self.register
        known = {one.id for kind in (register.risks, register.controls, register.actions) for one in kind}
        return Place(self.here.root, self.used() | known)


def desk(workspace: Path | None, *, only_risks: bool = False) -> RiskDesk:
    """The workspace's register; what cannot be read of it is told on standard error. Raises WorkspaceError.

    `only_risks`: without controls, actions and approvals.
    """
    from kyber.risks.register import load_register

    here, today = open_at(workspace)
    with no_collector():
        register, problems = load_register(here.root, here.settings, today, only_risks=only_risks)
    found = RiskDesk(here, register.people, today, register)
    tell_errors(found, problems)
    return found
