"""`kyber tasks`: what waits for whom, as a table, a page or a form to fill in; tasks added, and said to be done."""

from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from kyber.cli.clock_files import AsOf, ClockDesk, Ring, Strict, TaskId, Who, clock, strictly
from kyber.cli.console import ExitCode, Where, plain, say
from kyber.cli.desk import By, DryRun, On, json_record, one_of, owners, table, write
from kyber.cli.files import check_output, form_of, write_out, write_whole
from kyber.errors import UsageError

if TYPE_CHECKING:
    from kyber.amend import Edit
    from kyber.clock import Due

app = typer.Typer()


class Form(StrEnum):
    """The forms in which what waits is shown."""

    TABLE = "table"
    XLSX = "xlsx"
    HTML = "html"
    MD = "md"
    JSON = "json"


class Every(StrEnum):
    """How often a task comes round."""

    YEAR = "year"
    QUARTER = "quarter"
    MONTH = "month"


class RenewFrom(StrEnum):
    """What the next time follows."""

    RULE = "rule"
    LAST_DONE = "last_done"


BY_ENDING: Final = {
    ".xlsx": "xlsx",
    ".html": "html",
    ".md": "md",
    ".json": "json",
    ".jsonl": "json",
    ".txt": "table",
}
COMMANDS: Final = {
    "risk-review": "`kyber risks review {id}`",
    "acceptance": "`kyber risks accept {id}`",
    "approval": "`kyber risks approve`",
    "impact-analysis": "`kyber continuity bia {id}`",
    "plan-review": "`kyber continuity plan review {id}`",
    "offline-copy": "`kyber continuity plan copy {id}`",
    "exercise": "`kyber continuity exercise plan`",
    "exercise-held": "`kyber continuity exercise hold {id}`",
    "introduction": "`kyber introduction done {id}`",
    "incident": "`kyber incident notify {id} --done`",
}
"""By kind, or how it begins, what says that it is done; of other kinds it is written into their file."""
DAYS: Final = 90
"""How many days ahead what is coming is shown."""


@app.callback(invoke_without_command=True)
def tasks(
    ctx: typer.Context,
    owner: Who = "",
    days: Annotated[int, typer.Option(metavar="DAYS", help="How many days ahead to look.", min=0, max=365)] = DAYS,
    form: Annotated[
        Form | None, typer.Option("--format", "-f", help="The form; else by the ending of -o, or a table.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="JSON lines, for another program.")] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write to a file.")] = None,
    on: AsOf = "",
    strict: Strict = False,
    workspace: Where = None,
) -> None:
    """What waits for whom, over every domain, what is late first; and the tasks of the annual clock.

    As XLSX it is a form to fill in, for those who use no terminal: `kyber tasks import` reads it back.
    """
    if ctx.invoked_subcommand is not None:
        return
    asked = form_of(form, json, output, BY_ENDING)
    chosen = Form.JSON if asked == "jsonl" else Form(asked)
    if chosen is Form.XLSX and output is None:
        raise UsageError("a form needs a file: -o tasks.xlsx")
    at = clock(workspace, on)
    check_output(output, at.here)
    found = _waiting(at, owner, days)
    _show(at, found, chosen, output, owner)
    strictly(strict, found, at.today)


def _waiting(at: ClockDesk, owner: str, days: int) -> "Sequence[Due]":
    """What waits until so many days from now, what is late first."""
    from kyber.clock import State

    near = [one for one in at.of(owner) if one.waits(at.today) and (one.due - at.today).days <= days]
    return sorted(near, key=lambda one: one.state(at.today) is not State.LATE)


def _show(at: ClockDesk, found: "Sequence[Due]", form: Form, output: Path | None, owner: str) -> None:
    from kyber.calendar.listing import record, summary, waiting
    from kyber.render.sheet import markdown_of

    words, today = at.words, at.today
    who = at.people.shown(at.owner(owner)) if owner else words("clock.tasks.everyone")
    title = words("clock.tasks.title", who=who)
    note = words("clock.tasks.as-of", day=today, counts=summary(found, words, today))
    if form is Form.JSON:
        write_out(output, "".join(f"{json_record(record(one, today))}\n" for one in found))
    elif form is Form.XLSX and output is not None:
        from kyber.calendar.form import form as form_for
        from kyber.render.xlsx import bytes_of

        write_whole(output, bytes_of(form_for(found, at.people, words, today, title)))
        say(words("clock.form.note"))
    elif form is Form.HTML:
        from kyber.render.page import page_of

        write_out(output, page_of(waiting(found, at.people, words, today), title, note, words.language))
    elif form is Form.MD:
        write_out(output, f"# {plain(title)}\n\n{markdown_of(waiting(found, at.people, words, today))}")
    else:
        write_out(output, table(waiting(found, at.people, words, today), output) if found else "")
        if output is None:
            say(note)


@app.command()
def done(
    task: TaskId,
    on: On = "",
    due: Annotated[
        str,
        typer.Option(
            "--for",
            metavar="DAY",
            help="The day that it was to be done by; else the one that is open.",
            show_default=False,
        ),
    ] = "",
    evidence: Annotated[str | None, typer.Option(metavar="TEXT", help="What shows it.", show_default=False)] = None,
    by: By = None,
    dry_run: DryRun = False,
    workspace: Where = None,
) -> None:
    """Say that a task of the annual clock, or an action, was done."""
    from kyber.calendar.edits import done as made_done
    from kyber.calendar.occurrences import passed_over

    at = clock(workspace)
    if _is_elsewhere(at, task):
        _finish(at, task, on, due, evidence, dry_run=dry_run)
        return
    one = one_of(task, at.calendar.tasks, "task")
    asked = _day(due, "--for") if due else None
    day, edit = made_done(one, at.day(on), at.by(by), evidence, asked)
    write(at, [edit], dry_run=dry_run)
    say(plain(at.words("clock.tasks.done", id=one.id, title=one.title, day=at.day(on), due=day)))
    if over := passed_over(one, day):
        say(at.words.many("clock.tasks.passed-over", over))
    _tell_next(at, edit)


@app.command()
def add(
    title: Annotated[str, typer.Argument(metavar="TITLE", help="The task in a few words.")],
    ring: Annotated[Ring, typer.Option(help="The ring it stands in.")],
    owner: Annotated[
        str, typer.Option(metavar="WHO", help="The role or person who sees to it.", autocompletion=owners)
    ],
    output: Annotated[str, typer.Option(metavar="TEXT", help="What there is when it is done.")],
    basis: Annotated[
        list[str], typer.Option(metavar="TEXT", help="Why: the law, the decision, the guide. Repeat for more.")
    ],
    rrule: Annotated[
        str, typer.Option(metavar="RRULE", help="When, in the words of RFC 5545.", show_default=False)
    ] = "",
    every: Annotated[Every, typer.Option(help="How often.")] = Every.YEAR,
    month: Annotated[
        int | None, typer.Option(metavar="NUMBER", help="The month of the year, or of the quarter.", show_default=False)
    ] = None,
    day: Annotated[
        int | None,
        typer.Option(metavar="NUMBER", help="The day of the month; else its last working day.", show_default=False),
    ] = None,
    lead_time: Annotated[str, typer.Option(metavar="TIME", help="How long before it is time to begin.")] = "4 w",
    deputy: Annotated[
        str, typer.Option(metavar="WHO", help="Who stands in.", autocompletion=owners, show_default=False)
    ] = "",
    duty: Annotated[
        list[str] | None,
        typer.Option(metavar="DUTY", help="A duty in law that it is there for. Repeat for more.", show_default=False),
    ] = None,
    renew_from: Annotated[RenewFrom, typer.Option(help="What the next time follows.")] = RenewFrom.RULE,
    starts: Annotated[
        str, typer.Option(metavar="DAY", help="The first day on which it can fall due; else today.", show_default=False)
    ] = "",
    dry_run: DryRun = False,
    workspace: Where = None,
) -> None:
    """Add a task to the annual clock, with an id that was never used before."""
    from kyber.calendar.edits import add as added

    at = clock(workspace)
    rule: object = rrule or {
        name: value
        for name, value in (("every", every.value if every is not Every.YEAR else None), ("month", month), ("day", day))
        if value is not None
    }
    fields = {
        "title": title,
        "ring": ring.value,
        "owner": at.owner(owner),
        "deputy": at.owner(deputy) if deputy else None,
        "rule": rule,
        "starts": _day(starts, "--starts") if starts else at.today,
        "renew_from": renew_from.value if renew_from is RenewFrom.LAST_DONE else None,
        "lead_time": lead_time,
        "output": output,
        "basis": basis,
        "duties": duty or None,
    }
    _, edit = added(at.here.root, at.used() | at.calendar.task.keys(), fields)
    write(at, [edit], dry_run=dry_run)
    _tell_next(at, edit)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A form that `kyber tasks -o FILE.xlsx` wrote.")],
    by: By = None,
    dry_run: DryRun = False,
    workspace: Where = None,
) -> None:
    """Read a form that was filled in: its tasks and actions are marked done. Ends with 1 where a row was left out."""
    from kyber.calendar.edits import from_form
    from kyber.calendar.form import is_form, marked
    from kyber.risks.table import tables_in
    from kyber.text import Key

    try:
        content = file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    sheets = [one for one in tables_in(content, str(file)) if is_form(one.rows)]
    if not sheets:
        raise UsageError(f"{file} is no form of `kyber tasks -o FILE.xlsx`: its column for the day is not there")
    at = clock(workspace)
    found = list(marked(sheets[0].rows))
    edits, left = from_form(at.calendar, found, at.by(by))
    write(at, edits, dry_run=dry_run)
    say(at.words.many("clock.form.read", len(found) - len(left)))
    for one in left:
        row = one.row
        kind = Key(f"clock.kind.{row.kind}") if at.words.has(f"clock.kind.{row.kind}") else row.kind
        why = at.words(f"clock.form.{one.why}", kind=kind, id=row.id, due=row.due, reason=one.reason)
        say(plain(f"{file}:{row.row}: {why}"), error=True)
    if left:
        raise typer.Exit(ExitCode.FOUND)


def _is_elsewhere(at: ClockDesk, id_: str) -> bool:
    """Whether an id is that of something that is no task."""
    others = [*(one.id for one in at.calendar.actions), *(one.id for one in at.calendar.dues if one.kind != "task")]
    wanted, tasks = id_.strip().casefold(), {one.id.casefold() for one in at.calendar.tasks}
    return wanted not in tasks and wanted in {one.casefold() for one in others}


def _finish(at: ClockDesk, id_: str, on: str, due: str, evidence: str | None, *, dry_run: bool) -> None:
    """Mark an action done; of what else falls due, say which command does it. Raises UsageError."""
    from kyber.calendar.edits import finished

    wanted = id_.strip().casefold()
    if not any(one.id.casefold() == wanted for one in at.calendar.actions):
        found = [one for one in at.calendar.dues if one.id.casefold() == wanted]
        ways = dict.fromkeys(_way(at, one) for one in found)
        raise UsageError(f"{found[0].id} is no task of the annual clock; say that it is done {' or '.join(ways)}")
    action = one_of(id_, at.calendar.actions, "action")
    if due:
        raise UsageError(f"--for {due}: {action.id} is an action, which is done once")
    write(at, [finished(action, at.day(on), evidence)], dry_run=dry_run)
    say(plain(at.words("clock.tasks.action-done", id=action.id, title=action.title, day=at.day(on))))


def _way(at: ClockDesk, one: "Due") -> str:
    """How it is said that something other than a task was done."""
    command = COMMANDS.get(one.kind) or COMMANDS.get(one.kind.partition("-")[0])
    return f"with {command.format(id=one.id)}" if command else f"in {Path(one.place.file).relative_to(at.here.root)}"


def _tell_next(at: ClockDesk, edit: "Edit") -> None:
    """When the task comes round next, as its file has it now."""
    from kyber.calendar.occurrences import next_open
    from kyber.calendar.task import Task
    from kyber.register import read

    task, _ = read(edit.text.encode(), str(edit.file), Task)
    following = next_open(task, at.today) if task is not None else None
    if task is not None and following is not None:
        say(plain(at.words("clock.tasks.next", id=task.id, title=task.title, day=following.day)))


def _day(text: str, option: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{option} {text}: write a day as 2026-03-31") from None
