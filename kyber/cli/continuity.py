"""`kyber continuity`: services, plans and exercises, looked at."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from kyber.cli.beside import beside, told
from kyber.cli.console import Where, plain, say
from kyber.cli.continuity_edit import add, bia
from kyber.cli.continuity_edit import app as plan_app
from kyber.cli.continuity_exercise import app as exercise_app
from kyber.cli.continuity_files import ContinuityDesk, desk, exercises, heads_shown, plans, services
from kyber.cli.continuity_graph import graph, impact, recovery, simulate
from kyber.cli.continuity_maturity import assess, development, maturity
from kyber.cli.continuity_print import print_, script
from kyber.cli.desk import json_record, one_of, table, terminal_width, wrapped
from kyber.cli.files import check_output, write_out
from kyber.cli.sheets import Form, chosen, write_list
from kyber.errors import UsageError

if TYPE_CHECKING:
    from kyber.continuity.listing import Heads
    from kyber.render.sheet import Sheet

app = typer.Typer(no_args_is_help=True, help="Continuity: services, what they need, plans and exercises.")


class Kind(StrEnum):
    """What can be listed."""

    SERVICES = "services"
    PLANS = "plans"
    EXERCISES = "exercises"


BAR: Final = 20


def _ids(incomplete: str) -> list[str]:
    return [*services(incomplete), *plans(incomplete), *exercises(incomplete)]


@app.command("list")
def list_(
    kind: Annotated[Kind, typer.Argument(metavar="[KIND]", help="services, plans or exercises.")] = Kind.SERVICES,
    critical: Annotated[bool, typer.Option("--critical", help="Only services of criticality 1 and 2.")] = False,
    form: Annotated[
        Form | None, typer.Option("--format", "-f", help="The form; else by the ending of -o, or a table.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="JSON lines, for another program.")] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write to a file.")] = None,
    workspace: Where = None,
) -> None:
    """List the services, the most critical first; or the plans, or the exercises, the latest first.

    A time that is marked with ! does not hold: what the service needs takes longer, or more work may be lost.
    """
    at = desk(workspace)
    form = chosen(form, json, output)
    check_output(output, at.here)
    is_seen = form is Form.TABLE and output is None
    sheet, records = _listed(at, kind, critical, heads_shown() if is_seen else None)
    if not sheet.rows and is_seen:
        say(at.words(f"continuity.none.{kind}"))
        return
    write_list(form, lambda: sheet, records, output, at.words(f"continuity.kind.{kind}"))
    if is_seen and kind is Kind.SERVICES:
        _below(at, critical)


@app.command()
def show(
    one: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="The id of a service, a plan or an exercise.",
            autocompletion=_ids,
            show_default=False,
        ),
    ],
    json: Annotated[bool, typer.Option("--json", help="JSON, for another program.")] = False,
    workspace: Where = None,
) -> None:
    """Show one service, plan or exercise whole, with what follows from the others."""
    from kyber.continuity import listing
    from kyber.continuity.exercise import Exercise
    from kyber.continuity.plan import Plan
    from kyber.continuity.service import Service
    from kyber.privacy import mask

    at = desk(workspace)
    register, words = at.register, at.words
    known: list[Service | Plan | Exercise] = [*register.services, *register.plans, *register.exercises]
    found = one_of(one, known, "service, plan or exercise")
    lines: Iterable[tuple[str, str]]
    record: Mapping[str, Any]
    if isinstance(found, Service):
        others = beside(at, found.id)
        title, record = found.name, {**listing.service_record(register, found), "thread": others.record()}
        lines = (*listing.service_lines(register, found, words), *told(others, words))
    elif isinstance(found, Plan):
        title, record = found.title, listing.plan_record(register, found)
        lines = listing.plan_lines(register, found, words)
    else:
        title, record = found.title, listing.exercise_record(found)
        lines = listing.exercise_lines(register, found, words)
    if json:
        say(json_record(record))
        return
    say(plain(f"{found.id}  {mask(title)}"))
    say()
    file = (words("continuity.label.file"), str(Path(found.at.file).relative_to(at.here.root)))
    shown = [*lines, file]
    widest = max(len(label) for label, _ in shown) + 1
    before = ""
    for label, text in shown:
        head = f"  {(label + ':') if label != before else '':<{widest}} "
        for part in wrapped(plain(head + text), terminal_width(), len(head)):
            say(part)
        before = label


@app.command()
def status(
    json: Annotated[bool, typer.Option("--json", help="JSON lines, for another program.")] = False,
    workspace: Where = None,
) -> None:
    """Show how far the services have come: analysed, planned for, exercised, measured; and what each lacks."""
    from kyber.continuity.steps import Stand, reached, stands
    from kyber.render.sheet import Column, Sheet

    at = desk(workspace)
    found, words = stands(at.register), at.words
    if json:
        for one in found:
            say(json_record({"id": one.service.id, "step": one.step, "lacks": list(one.lacks)}))
        return
    if not found:
        say(words("continuity.none.services"))
        return
    done = reached(found)
    widest = max(len(words(f"continuity.step.{step}")) for step in done)
    for step, count in done.items():
        bar = "█" * round(BAR * count / len(found))
        say(f"{words(f'continuity.step.{step}'):<{widest}}  {count:>3}/{len(found):<3} {bar}")
    waiting: dict[tuple[str, str], list[Stand]] = {}
    steps = list(done)
    for one in sorted(found, key=lambda each: steps.index(each.step) if each.step else 0):
        if one.step is not None:
            lacks = ", ".join(words(f"continuity.lacks.{each}") for each in one.lacks)
            waiting.setdefault((words(f"continuity.step.{one.step}"), lacks), []).append(one)
    if waiting:
        say()
        heads = ("step", "lacks", "services")
        sheet = Sheet(
            tuple(Column(words(f"continuity.head.{head}"), weight=head != "step") for head in heads),
            tuple((step, lacks, " ".join(one.service.id for one in of)) for (step, lacks), of in waiting.items()),
        )
        write_out(None, table(sheet))


for _command in (add, bia, impact, recovery, simulate, graph, assess, maturity, development):
    app.command()(_command)
app.command("print")(print_)
app.add_typer(plan_app, name="plan")
app.add_typer(exercise_app, name="exercise")
exercise_app.command()(script)


def _listed(
    at: ContinuityDesk, kind: Kind, critical: bool, shown: "Heads"
) -> "tuple[Sheet, Callable[[], Sequence[Mapping[str, Any]]]]":
    from kyber.continuity import listing
    from kyber.continuity.service import by_criticality

    register, words = at.register, at.words
    if critical and kind is not Kind.SERVICES:
        raise UsageError("--critical goes with services")
    if kind is Kind.PLANS:
        plans = sorted(register.plans, key=lambda one: one.id)
        sheet = listing.plans_listed(register, plans, words, shown)
        return sheet, lambda: [listing.plan_record(register, one) for one in plans]
    if kind is Kind.EXERCISES:
        held = sorted(register.exercises, key=lambda one: (one.date, one.id), reverse=True)
        sheet = listing.exercises_listed(register, held, words, shown)
        return sheet, lambda: [listing.exercise_record(one) for one in held]
    chosen = [one for one in by_criticality(register.services) if one.is_critical or not critical]
    sheet = listing.services_listed(register, chosen, words, shown)
    return sheet, lambda: [listing.service_record(register, one) for one in chosen]


def _below(at: ContinuityDesk, critical: bool) -> None:
    register, words = at.register, at.words
    shown = [one for one in register.services if one.is_critical or not critical]
    late = sum(bool(register.recoveries[one.id].gap) for one in shown)
    unknown = sum(one.bia is None for one in shown)
    said = [words.many("continuity.count", len(shown))]
    if late:
        said.append(words.many("continuity.late", late))
    if unknown:
        said.append(words.many("continuity.not-analysed", unknown))
    say()
    say(", ".join(said))
