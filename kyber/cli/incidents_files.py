"""What commands about incidents begin with: the workspace's incidents and the moment; and how clocks are shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from kyber.cli.console import Colour, paint, say
from kyber.cli.desk import Desk, ids, one_of, open_at, tell_errors
from kyber.errors import UsageError

if TYPE_CHECKING:
    from kyber.incident import Clock, Incident
    from kyber.text import Words

Id = Annotated[
    str,
    typer.Argument(
        metavar="ID", help="The incident's id, such as I-001.", autocompletion=ids("incidents"), show_default=False
    ),
]
At = Annotated[
    str,
    typer.Option(
        "--at",
        metavar="TIME",
        help="When, as 2026-11-03T12:30 in the workspace's time zone, or 2h ago; else now.",
        show_default=False,
    ),
]
COLOURS: Final = {
    "met": Colour.GOOD,
    "late": Colour.DOUBT,
    "running": Colour.DOUBT,
    "missed": Colour.BAD,
    "not-applicable": Colour.QUIET,
}
SIGNS: Final = {"met": "✓", "late": "✓!", "running": "…", "missed": "✗", "not-applicable": "–"}
"""Signs beside the words for where a clock stands."""


MOST_HOURS: Final = 72
"""What is longer is told in days."""


@dataclass(frozen=True)
class IncidentDesk(Desk):
    """A workspace, its incidents, and the moment."""

    incidents: "Sequence[Incident]"
    now: datetime

    @cached_property
    def services(self) -> "Mapping[str, str]":
        """The names of the services in the register, by id."""
        from kyber.continuity.service import GLOB, Service
        from kyber.register import read_all

        return {one.id: one.name for one in read_all(self.here.root, GLOB, Service)[0]}

    def incident(self, id_: str) -> "Incident":
        """The incident with an id, in any case. Raises UsageError."""
        return one_of(id_, self.incidents, "incident")

    def clocks(self, one: "Incident") -> "Sequence[Clock]":
        from kyber.incident import clocks

        return clocks(one, self.now, self.here.settings.zone)

    def moment(self, text: str, option: str) -> datetime:
        """A moment as it is written, or now, in the workspace's zone; none that is to come. Raises UsageError."""
        from kyber.logs.search.when import Clock

        zone = self.here.settings.zone
        if not text:
            return self.now.astimezone(zone)
        try:
            start = Clock(self.now, zone).since(text.removesuffix(" ago")).start
        except ValueError as error:
            raise UsageError(f"{option}: {error}") from None
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=start or 0)
        if moment > self.now:
            raise UsageError(f"{option} {text}: this time is yet to come")
        return moment.astimezone(zone)

    def shown(self, moment: datetime) -> str:
        """A moment in the workspace's zone."""
        return f"{moment.astimezone(self.here.settings.zone):%Y-%m-%d %H:%M}"


def desk(workspace: Path | None) -> IncidentDesk:
    """The workspace's incidents; what cannot be read of them is told on standard error. Raises WorkspaceError."""
    from kyber.incident import GLOB, Incident
    from kyber.people import FILE, People
    from kyber.register import read_all

    here, today = open_at(workspace)
    people, problems = read_all(here.root, FILE, People)
    incidents, found = read_all(here.root, GLOB, Incident)
    made = IncidentDesk(here, people[0] if people else People(), today, incidents, datetime.now(UTC))
    tell_errors(made, (*problems, *found))
    return made


def show_clocks(at: IncidentDesk, one: "Incident") -> None:
    say()
    for clock in at.clocks(one):
        state = clock.state.value
        said = f"  {SIGNS[state]:<2} {notification(at, clock.duty)}: {left(clock, at.words)}"
        if clock.due is not None:
            said += f" ({at.words('incidents.due', due=at.shown(clock.due))})"
        say(paint(said, COLOURS[state]))


def notification(at: IncidentDesk, duty: Any) -> str:
    return at.words(f"incidents.notification.{duty.regime}.{duty.stage}")


def left(clock: "Clock", words: "Words") -> str:
    """Where a clock stands, with the hours left or past."""
    if clock.left is None:
        return words(f"incidents.clock.{clock.state.value}")
    hours = int(abs(clock.left))
    if hours > MOST_HOURS:
        return words.many(f"incidents.clock.{clock.state.value}-days", hours // 24)
    return words.many(f"incidents.clock.{clock.state.value}", hours)


def line(text: str) -> str:
    return " ".join(text.encode(errors="replace").decode().split())
