"""What `kyber calendar` and `kyber tasks` begin with: a workspace's annual clock in, and who is meant by an owner."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kyber.cli.console import ExitCode
from kyber.cli.desk import Desk, ids, open_at, owners, tell_errors
from kyber.cli.reading import no_collector

if TYPE_CHECKING:
    from kyber.calendar.register import Calendar
    from kyber.clock import Due


class Ring(StrEnum):
    """The rings of the annual clock."""

    MANAGEMENT = "management"
    RISKS = "risks"
    CONTINUITY = "continuity"
    LOGS = "logs"
    PRIVACY = "privacy"
    TRAINING = "training"


TaskId = Annotated[
    str,
    typer.Argument(
        metavar="TASK", help="The id of a task, such as T-001, or of an action.", autocompletion=ids("calendar")
    ),
]
Who = Annotated[
    str,
    typer.Option(
        "--owner",
        metavar="WHO",
        help="Only of this role or person; the roles that a person holds count.",
        autocompletion=owners,
        show_default=False,
    ),
]
AsOf = Annotated[
    str,
    typer.Option("--on", metavar="DAY", help="The day to look from, as 2026-03-31; else today.", show_default=False),
]
Strict = Annotated[bool, typer.Option("--strict", help="End with 1 where anything is late, for a nightly job.")]


@dataclass(frozen=True)
class ClockDesk(Desk):
    """A workspace, its annual clock, and the day to look from."""

    calendar: "Calendar"

    def of(self, who: str) -> "Sequence[Due]":
        """What falls due for a role or person; for everybody where nobody is named. Raises UsageError."""
        from kyber.calendar.listing import owners_of

        if not who:
            return self.calendar.dues
        wanted = owners_of(self.people, self.owner(who), self.today)
        return [one for one in self.calendar.dues if one.owner in wanted]


def clock(workspace: Path | None, on: str = "", year: int | None = None) -> ClockDesk:
    """The annual clock of a workspace as of a day, with what falls due in the year after it and in `year`.

    What cannot be read of the registers is told on standard error. Raises UsageError.
    """
    from kyber.calendar.checks import AHEAD
    from kyber.join import calendar, read_workspace
    from kyber.people import People

    here, today = open_at(workspace)
    today = Desk(here, People(), today).day(on, ahead=True)
    with no_collector():
        snapshot, problems = read_workspace(here.root, today)
        found = calendar(snapshot, max(AHEAD.after(today), date(year or today.year, 12, 31)))
    desk = ClockDesk(here, snapshot.people, today, found)
    tell_errors(desk, problems)
    return desk


def strictly(strict: bool, found: "Sequence[Due]", today: date) -> None:
    """Ends with 1 where something is late and that is asked for."""
    from kyber.clock import State

    if strict and any(one.state(today) is State.LATE for one in found):
        raise typer.Exit(ExitCode.FOUND)
