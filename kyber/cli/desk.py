"""What every command about registers begins and ends with: a workspace in; what was edited written and told."""

import shutil
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Protocol, TypeVar

import typer

from kyber.cli.console import day_here, plain, root_of, say, tell_problems
from kyber.errors import UsageError

if TYPE_CHECKING:
    from kyber.amend import Edit
    from kyber.people import People
    from kyber.problem import Place, Problem
    from kyber.render.sheet import Sheet
    from kyber.text import Words
    from kyber.workspace import Workspace


class _HasId(Protocol):
    @property
    def id(self) -> str: ...

    @property
    def at(self) -> "Place": ...


_R = TypeVar("_R", bound=_HasId)

WIDTH: Final = 140
"""How wide a table is where there is no terminal."""
NARROW: Final = 80
"""A terminal that is narrower shows the lines broken."""


def ids(folder: str) -> Callable[[str], list[str]]:
    """What completes the ids that the files of a folder of the workspace around here begin with."""

    def complete(incomplete: str) -> list[str]:
        from kyber.amend import ids_in_names
        from kyber.workspace import folder_of

        root = folder_of(Path())
        names = [file.name for file in (root / folder).glob("*.yaml")] if root else []
        return [id_ for id_ in sorted(ids_in_names(names)) if id_.startswith(incomplete)]

    return complete


def stems(folder: str) -> Callable[[str], list[str]]:
    """What completes the names of the files of a folder of the workspace around here."""

    def complete(incomplete: str) -> list[str]:
        from kyber.workspace import folder_of

        root = folder_of(Path())
        names = sorted(file.stem for file in (root / folder).glob("*.yaml")) if root else []
        return [name for name in names if name.startswith(incomplete)]

    return complete


def table(sheet: "Sheet", output: Path | None = None) -> str:
    """A table as text: as wide as the terminal, or as a file has it."""
    from kyber.render.sheet import text_of

    return text_of(sheet, WIDTH if output is not None else terminal_width())


def terminal_width() -> int:
    """How wide a table on standard output may be."""
    return max(shutil.get_terminal_size((WIDTH, 24)).columns, NARROW)


def wrapped(line: str, width: int, beside: int = 0) -> Sequence[str]:
    """A line as several where it is too long; the later ones begin below its letter `beside`, or as it does."""
    from rich.cells import cell_len

    if cell_len(line) <= width:
        return (line,)
    return textwrap.wrap(line, width, subsequent_indent=" " * (beside or len(line) - len(line.lstrip())))


def json_record(record: Any) -> str:
    """A record as one line of JSON, personal identity codes masked."""
    from kyber.privacy import mask
    from kyber.render.safe import every_text, json_line

    return json_line(every_text(record, mask))


def owners(incomplete: str) -> list[str]:
    """The roles and people of the workspace around here, for the shell to complete."""
    from kyber.people import FILE, People
    from kyber.register import read_all
    from kyber.workspace import folder_of

    root = folder_of(Path())
    found = read_all(root, FILE, People)[0] if root else ()
    return [id_ for one in found for _, id_, _ in one.ids() if id_.startswith(incomplete)]


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
    """A workspace, its people, and the day."""

    here: "Workspace"
    people: "People"
    today: date

    @cached_property
    def words(self) -> "Words":
        from kyber.text import words_for

        return words_for(self.here.settings.language)

    def used(self) -> frozenset[str]:
        """The ids that were ever used in the workspace, in any branch that git knows."""
        from kyber.amend import ids_in_names
        from kyber.git import used_names
        from kyber.join import NUMBERED

        root = self.here.root
        now = (file.name for one in NUMBERED for file in (root / one).glob("*"))
        return frozenset(ids_in_names([*used_names(root, *NUMBERED), *now]))

    def by(self, given: str | None) -> str:
        """Who acts: a role or a person of people.yaml; by default who git says works here. Raises UsageError."""
        from kyber.cli.identity import who

        if given is not None:
            return self.owner(given)
        found = who(self.here.root, self.people)
        if self.people.called(found) is None:
            raise UsageError(
                f"git says that {found} works here, who is not in people.yaml: name a role or person with --by"
            )
        return found

    def owner(self, text: str) -> str:
        """The id of a role or person by id, title, name or address. Raises UsageError where there is not just one."""
        if (found := self.people.called(text)) is not None:
            return found
        known = [id_ for _, id_, _ in self.people.ids()]
        if not known:
            raise UsageError(f"{text} is not known: people.yaml has neither roles nor people yet; add them there first")
        near = get_close_matches(text.casefold(), known, n=3, cutoff=0.4)
        hint = f"did you mean {', '.join(near)}?" if near else f"there are {', '.join(known)}"
        raise UsageError(f"there is no role or person {text} in people.yaml; {hint}")

    def day(self, text: str, *, ahead: bool = False, option: str = "--on") -> date:
        """A day as it is written, or today; one that is yet to come only where `ahead`. Raises UsageError, which names
        the option."""
        if not text:
            return self.today
        try:
            day = date.fromisoformat(text)
        except ValueError:
            raise UsageError(f"{option} {text}: write a day as 2026-03-31") from None
        if day > self.today and not ahead:
            raise UsageError(f"{option} {text}: this day is yet to come")
        return day


def open_at(workspace: Path | None) -> "tuple[Workspace, date]":
    """The workspace that was named, or the one around here, and the day there. Raises WorkspaceError."""
    from kyber.workspace import at

    here = at(root_of(workspace or Path()))
    return here, day_here(here, datetime.now(UTC))


def tell_errors(desk: Desk, problems: "Sequence[Problem]") -> None:
    """On standard error, what of a register could not be read."""
    from kyber.problem import Severity

    tell_problems([one for one in problems if one.severity is Severity.ERROR], desk.words)


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


def one_of(id_: str, found: "Sequence[_R]", kind: str) -> "_R":
    """The record with an id, in any case. Raises UsageError."""
    same = [one for one in found if one.id.casefold() == id_.strip().casefold()]
    if len(same) == 1:
        return same[0]
    if same:
        files = ", ".join(Path(one.at.file).name for one in same)
        raise UsageError(f"the id {same[0].id} stands in several files: {files}; `kyber check` says more")
    known = {one.id.casefold(): one.id for one in found}
    near = [known[each] for each in get_close_matches(id_.casefold(), known, n=3, cutoff=0.5)]
    hint = f"; there is {', '.join(near)}" if near else f"; there is no {kind} yet" if not found else ""
    raise UsageError(f"there is no {kind} {id_}{hint}")


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
