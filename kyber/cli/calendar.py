"""`kyber calendar`: a year in, all that falls due in it out, as a table, a wheel or files for calendars."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from kyber.cli.clock_files import AsOf, ClockDesk, Ring, Strict, Who, clock, strictly
from kyber.cli.console import Where, plain, say
from kyber.cli.desk import json_record, table
from kyber.cli.files import check_output, form_of, write_below, write_out
from kyber.errors import UsageError

if TYPE_CHECKING:
    from kyber.clock import Due


class Form(StrEnum):
    """The forms in which a year is shown."""

    TABLE = "table"
    SVG = "svg"
    ICS = "ics"
    MD = "md"
    JSON = "json"


BY_ENDING: Final = {".svg": "svg", ".ics": "ics", ".md": "md", ".json": "json", ".jsonl": "json", ".txt": "table"}
NOBODY: Final = "nobody"
"""The name of the file for what has no owner."""


def calendar(
    year: Annotated[
        int | None, typer.Argument(metavar="[YEAR]", help="The year; else this one.", min=2000, max=2199)
    ] = None,
    owner: Who = "",
    ring: Annotated[Ring | None, typer.Option(help="Only of this ring.", show_default=False)] = None,
    form: Annotated[
        Form | None, typer.Option("--format", "-f", help="The form; else by the ending of -o, or a table.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write to a file; a folder, made if need be, gets a calendar file per owner.",
        ),
    ] = None,
    on: AsOf = "",
    strict: Strict = False,
    workspace: Where = None,
) -> None:
    """Show the annual clock: all that falls due in a year, in every domain, and what of it was done."""
    from kyber.calendar.listing import by_month, in_year, record, summary, wheel
    from kyber.render.sheet import markdown_of
    from kyber.render.wheel import svg

    per_owner = output is not None and _is_folder(output, form)
    chosen = Form.ICS if per_owner and form is None else Form(form_of(form, False, output, BY_ENDING))
    if per_owner and chosen is not Form.ICS:
        raise UsageError(f"{output} is a folder: only `--format ics` writes a file per owner")
    at = clock(workspace, on, year)
    if output is not None and not per_owner:
        check_output(output, at.here)
    year = year or at.today.year
    found = [one for one in in_year(at.of(owner), year, at.today) if ring is None or one.ring == ring]
    organisation = at.here.settings.organisation
    if chosen is Form.ICS:
        _write_ics(at, found, output, owner, per_owner=per_owner)
    elif chosen is Form.SVG:
        write_out(output, svg(wheel(found, at.people, at.words, year, at.today, organisation)))
    elif chosen is Form.JSON:
        write_out(output, "".join(f"{json_record(record(one, at.today))}\n" for one in found))
    else:
        sheet = by_month(found, at.people, at.words, year, at.today)
        if chosen is Form.MD:
            title = plain(at.words("clock.title", year=year, organisation=organisation))
            write_out(output, f"# {title}\n\n{markdown_of(sheet)}")
        else:
            write_out(output, table(sheet, output) if found else "")
            if output is None:
                say(at.words("clock.tasks.as-of", day=at.today, counts=summary(found, at.words, at.today)))
    strictly(strict, found, at.today)


def _is_folder(output: Path, form: Form | None) -> bool:
    """Whether a folder is meant: one that is there, or for calendar files one that is not, by a name without ending."""
    return output.is_dir() or (form in (None, Form.ICS) and not output.suffix and not output.exists())


def _write_ics(at: ClockDesk, found: "Sequence[Due]", output: Path | None, owner: str, *, per_owner: bool) -> None:
    """One file for all that was asked for, or in a folder one for each owner."""
    from kyber.amend import slug
    from kyber.calendar.ics import ics

    organisation = at.here.settings.organisation

    def made(some: "Sequence[Due]", who: str) -> bytes:
        name = at.words("clock.tasks.title", who=at.people.shown(who) if who else at.words("clock.tasks.everyone"))
        return ics(some, organisation, name, at.words, at.today)

    if output is None or not per_owner:
        write_out(output, made(found, at.owner(owner) if owner else "").decode())
        return
    parted: dict[str, list[Due]] = {}
    for one in found:
        parted.setdefault(f"{slug(one.owner or '') or NOBODY}.ics", []).append(one)
    files = {name: made(some, some[0].owner or "") for name, some in sorted(parted.items())}
    write_below(output, files)
    for name in files:
        say(f"  {plain(output / name)}")
