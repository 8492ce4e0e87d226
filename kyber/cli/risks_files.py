"""What every command about risks begins and ends with: a workspace's register in; what was edited written and told."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from difflib import get_close_matches
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer

from kyber.cli.console import day_here, plain, root_of, say, tell_problems
from kyber.cli.reading import no_collector
from kyber.errors import UsageError

if TYPE_CHECKING:
    from kyber.action import Action
    from kyber.amend import Edit
    from kyber.render.sheet import Sheet
    from kyber.risks.control import Control
    from kyber.risks.edits import Place
    from kyber.risks.register import RiskRegister
    from kyber.risks.risk import Risk
    from kyber.text import Words
    from kyber.workspace import Workspace

    _R = TypeVar("_R", Risk, Control, Action)


WIDTH: Final = 140
"""How wide a table is where there is no terminal."""
NARROW: Final = 80
"""A terminal that is narrower shows the lines broken."""


class Origin(StrEnum):
    """Where a risk was met."""

    INTERVIEW = "interview"
    WORKSHOP = "workshop"
    INCIDENT = "incident"
    AUDIT = "audit"
    EXERCISE = "exercise"
    LOG = "log"


def ids(folder: str) -> Sequence[str]:
    """The ids that the files of a folder of the workspace around here begin with, for the shell to complete."""
    from kyber.amend import ids_in_names
    from kyber.workspace import folder_of

    root = folder_of(Path())
    return sorted(ids_in_names(file.name for file in (root / folder).glob("*.yaml"))) if root else ()


def table(sheet: "Sheet", output: Path | None = None) -> str:
    """A table as text: as wide as the terminal, or as a file has it."""
    from kyber.render.sheet import text_of

    return text_of(sheet, WIDTH if output is not None else terminal_width())


def terminal_width() -> int:
    """How wide a table on standard output may be."""
    return max(shutil.get_terminal_size((WIDTH, 24)).columns, NARROW)


def json_record(record: Any) -> str:
    """A record as one line of JSON, personal identity codes masked."""
    from kyber.privacy import mask
    from kyber.render.safe import every_text, json_line

    return json_line(every_text(record, mask))


def risk_ids(incomplete: str) -> list[str]:
    """The risks of the workspace around here, for the shell to complete."""
    return [id_ for id_ in ids("risks") if id_.startswith(incomplete)]


def _controls(incomplete: str) -> list[str]:
    return [id_ for id_ in ids("controls") if id_.startswith(incomplete)]


def _actions(incomplete: str) -> list[str]:
    return [id_ for id_ in ids("actions") if id_.startswith(incomplete)]


def owners(incomplete: str) -> list[str]:
    """The roles and people of the workspace around here, for the shell to complete."""
    from kyber.people import FILE, People
    from kyber.register import read_all
    from kyber.workspace import folder_of

    root = folder_of(Path())
    found = read_all(root, FILE, People)[0] if root else ()
    return [id_ for one in found for _, id_, _ in one.ids() if id_.startswith(incomplete)]


RiskId = Annotated[
    str,
    typer.Argument(metavar="RISK", help="The risk's id, such as R-001.", autocompletion=risk_ids, show_default=False),
]
MaybeControlId = Annotated[
    str | None,
    typer.Argument(metavar="[CONTROL]", help="The control's id.", autocompletion=_controls, show_default=False),
]
MaybeActionId = Annotated[
    str | None, typer.Argument(metavar="[ACTION]", help="The action's id.", autocompletion=_actions, show_default=False)
]
By = Annotated[
    str | None,
    typer.Option(
        "--by",
        metavar="WHO",
        help="Who: a role or person of people.yaml; else the person with git's user.email.",
        autocompletion=owners,
        show_default=False,
    ),
]
On = Annotated[str, typer.Option("--on", metavar="DAY", help="The day, as 2026-03-31; else today.", show_default=False)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would change, and write nothing.")]


@dataclass(frozen=True)
class Desk:
    """A workspace, its register of risks, and the day."""

    here: "Workspace"
    register: "RiskRegister"
    today: date

    @cached_property
    def words(self) -> "Words":
        from kyber.text import words_for

        return words_for(self.here.settings.language)

    def risk(self, id_: str) -> "Risk":
        """The risk with an id, in any case. Raises UsageError."""
        return _one(id_, self.register.risks, "risk")

    def control(self, id_: str) -> "Control":
        """The control with an id, in any case. Raises UsageError."""
        return _one(id_, self.register.controls, "control")

    def action(self, id_: str) -> "Action":
        """The action with an id, in any case. Raises UsageError."""
        return _one(id_, self.register.actions, "action")

    def place(self) -> "Place":
        """The workspace, and the ids that were ever used in it."""
        from kyber.amend import ids_in_names
        from kyber.git import used_names
        from kyber.join import NUMBERED
        from kyber.risks.edits import Place

        root, register = self.here.root, self.register
        names = [*used_names(root, *NUMBERED), *(file.name for one in NUMBERED for file in (root / one).glob("*"))]
        known = [*(one.id for one in register.risks), *(one.id for one in register.controls)]
        return Place(root, frozenset({*ids_in_names(names), *known, *(one.id for one in register.actions)}))

    def by(self, given: str | None) -> str:
        """Who acts: a role or a person of people.yaml; by default who git says works here. Raises UsageError."""
        from kyber.cli.identity import who

        if given is not None:
            return self.owner(given)
        found = who(self.here.root, self.register.people)
        if self.register.people.called(found) is None:
            raise UsageError(
                f"git says that {found} works here, who is not in people.yaml: name a role or person with --by"
            )
        return found

    def owner(self, text: str) -> str:
        """The id of a role or person by id, title, name or address. Raises UsageError where there is not just one."""
        people = self.register.people
        if (found := people.called(text)) is not None:
            return found
        known = [id_ for _, id_, _ in people.ids()]
        if not known:
            raise UsageError(f"{text} is not known: people.yaml has neither roles nor people yet; add them there first")
        near = get_close_matches(text.casefold(), known, n=3, cutoff=0.4)
        hint = f"did you mean {', '.join(near)}?" if near else f"there are {', '.join(known)}"
        raise UsageError(f"there is no role or person {text} in people.yaml; {hint}")

    def day(self, text: str) -> date:
        """A day as it is written, or today. Raises UsageError."""
        if not text:
            return self.today
        try:
            day = date.fromisoformat(text)
        except ValueError:
            raise UsageError(f"--on {text}: write a day as 2026-03-31") from None
        if day > self.today:
            raise UsageError(f"--on {text}: this day is yet to come")
        return day


def desk(workspace: Path | None) -> Desk:
    """The workspace's register; what cannot be read of it is told on standard error. Raises WorkspaceError."""
    from kyber.problem import Severity
    from kyber.risks.register import load_register
    from kyber.workspace import at

    here = at(root_of(workspace or Path()))
    today = day_here(here, datetime.now(UTC))
    with no_collector():
        register, problems = load_register(here.root, here.settings, today)
    found = Desk(here, register, today)
    tell_problems([one for one in problems if one.severity is Severity.ERROR], found.words)
    return found


def write(desk: Desk, edits: "Sequence[Edit]", *, dry_run: bool) -> None:
    """Write what was edited, or show how it would differ; and say which files."""
    from kyber.amend import apply

    if dry_run:
        for one in edits:
            _differences(desk, one)
        say(desk.words("risks.dry-run"))
        return
    apply(edits)
    for one in edits:
        say(f"  {plain(_name(desk, one.file))}")


def _differences(desk: Desk, edit: "Edit") -> None:
    import difflib

    name = str(_name(desk, edit.file))
    old = edit.file.read_text(encoding="utf-8") if edit.file.exists() else ""
    for line in difflib.unified_diff(
        old.splitlines(), edit.text.splitlines(), name if old else "/dev/null", name, lineterm="", n=1
    ):
        say(plain(line))


def _name(desk: Desk, file: Path) -> Path:
    return file.relative_to(desk.here.root) if file.is_relative_to(desk.here.root) else file


def _one(id_: str, found: "Sequence[_R]", kind: str) -> "_R":
    same = [one for one in found if one.id.casefold() == id_.strip().casefold()]
    if len(same) == 1:
        return same[0]
    if same:
        files = ", ".join(Path(one.at.file).name for one in same)
        raise UsageError(f"the id {same[0].id} stands in several files: {files}; `kyber check` says more")
    near = get_close_matches(id_.upper(), [one.id for one in found], n=3, cutoff=0.5)
    hint = f"; there is {', '.join(near)}" if near else f"; there is no {kind} yet" if not found else ""
    raise UsageError(f"there is no {kind} {id_}{hint}")
