"""`kyber continuity impact|recovery|simulate|graph`: what stops with a service, and how soon services are back."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from kyber.cli.console import Where, plain, say
from kyber.cli.continuity_files import ContinuityDesk, ServiceId, desk, services
from kyber.cli.desk import json_record, table
from kyber.cli.files import check_output, check_picture, form_of, write_out
from kyber.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kyber.render.sheet import Sheet

RUNS: Final = 1_000
FEWEST_RUNS: Final = 100
MOST_RUNS: Final = 100_000
SEED: Final = 20_260_101
# RUNS and SEED as in kyber.continuity.restoring, which loads numpy; a test holds them against each other.

BY_ENDING: Final = {".csv": "csv", ".md": "markdown", ".jsonl": "jsonl", ".txt": "table"}
MaybeServiceId = Annotated[
    str | None,
    typer.Argument(
        metavar="[SERVICE]", help="The service's id; else all.", autocompletion=services, show_default=False
    ),
]


class Form(StrEnum):
    """The forms in which the table of recovery is shown."""

    TABLE = "table"
    CSV = "csv"
    MARKDOWN = "markdown"
    JSONL = "jsonl"


def impact(
    service: ServiceId,
    json: Annotated[bool, typer.Option("--json", help="JSON lines, for another program; times in seconds.")] = False,
    workspace: Where = None,
) -> None:
    """Show what stops when a service stops: by generation, with how work goes on and who tells whom."""
    from kyber.continuity.worded import impact_notes, impact_records, impact_sheet

    at = desk(workspace)
    graph, one = at.register.graph, at.service(service)
    if json:
        for record in impact_records(graph, one.id):
            say(json_record(record))
        return
    _show(impact_sheet(graph, at.register.people, one.id, at.words))
    say()
    _say(impact_notes(graph, one.id, at.words))


def recovery(
    service: MaybeServiceId = None,
    form: Annotated[
        Form | None, typer.Option("--format", "-f", help="The form; else by the ending of -o, or a table.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="JSON lines, for another program; times in seconds.")] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write to a file.")] = None,
    workspace: Where = None,
) -> None:
    """Show how soon each service can be back with all that it needs, against its objective; or how one is reckoned."""
    from kyber.continuity.worded import recovery_lines, recovery_notes, recovery_record, recovery_sheet
    from kyber.render.sheet import csv_of, markdown_of

    at = desk(workspace)
    one = None if service is None else at.service(service)
    form = Form(form_of(form, json, output, BY_ENDING))
    check_output(output, at.here)
    if form is Form.JSONL:
        ids = list(at.register.graph.services) if one is None else [one.id]
        write_out(output, "".join(f"{json_record(recovery_record(at.register, id_))}\n" for id_ in ids))
        return
    if one is not None:
        if form is not Form.TABLE:
            raise UsageError(f"one service is shown as text or as --json, not as {form}")
        lines = recovery_lines(at.register, one.id, at.words)
        write_out(output, "".join(f"{_harmless(line)}\n" for line in lines))
        return
    sheet = _masked(recovery_sheet(at.register, at.words))
    if form is not Form.TABLE:
        write_out(output, csv_of(sheet) if form is Form.CSV else markdown_of(sheet))
        return
    if sheet.rows:
        write_out(output, table(sheet, output))
    if output is None:
        _say(recovery_notes(at.register, at.words))


def simulate(
    chosen: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SERVICE…",
            help="The services, with all that they need; else all.",
            autocompletion=services,
            show_default=False,
        ),
    ] = None,
    crew: Annotated[
        int | None,
        typer.Option(
            "--crew",
            min=1,
            metavar="N",
            help="How many people there are; else as many as it takes.",
            show_default=False,
        ),
    ] = None,
    runs: Annotated[
        int, typer.Option("--runs", min=FEWEST_RUNS, max=MOST_RUNS, help="How often everything is restored.")
    ] = RUNS,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="What chance starts from: the same seed gives the same numbers.")
    ] = SEED,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on one line; times in seconds.")] = False,
    workspace: Where = None,
) -> None:
    """Simulate restoring everything with so many people: when each service is back, and how often in time.

    The times are those of the services' field `restore`; without it, how long restoring takes counts for certain.
    """
    from kyber.continuity.restoring import MOST, all_needed, restore
    from kyber.continuity.worded import restoration_notes, restoration_record, restoration_sheet

    at = desk(workspace)
    graph = at.register.graph
    ids = [at.service(one).id for one in chosen or ()]
    count = len(all_needed(graph, ids) if ids else graph.services)
    if count * runs > MOST:
        raise UsageError(f"{count} services, {runs:,} times, are too much: --runs {MOST // count}, or fewer")
    found = restore(graph, ids, crew, runs, seed)
    if json:
        say(json_record(restoration_record(graph, found)))
        return
    if found.order:
        _show(restoration_sheet(graph, found, at.words))
        say()
    _say(restoration_notes(found, at.words))
    if short := [one.id for one in found.order if one.id in graph.incomplete]:
        _say([at.words.many("graph.simulate.incomplete", len(short), ids=tuple(short))])


def graph(
    service: Annotated[
        str,
        typer.Option(
            "--service",
            metavar="ID",
            help="Only what this service rests on, and what rests on it.",
            autocompletion=services,
            show_default=False,
        ),
    ] = "",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Draw it into an SVG file; else onto standard output."),
    ] = None,
    workspace: Where = None,
) -> None:
    """Draw the services and what they need as SVG, with those marked that cannot be back in time."""
    from kyber.continuity.drawn import drawing
    from kyber.privacy import mask
    from kyber.render.graphs import svg
    from kyber.render.safe import every_text

    at = desk(workspace)
    check_output(output, at.here)
    check_picture(output)
    one = at.service(service) if service else None
    found = drawing(at.register, _title(at, one.name if one else None), one.id if one else None, at.words)
    write_out(output, svg(every_text(found, mask)))


def _title(at: ContinuityDesk, name: str | None) -> str:
    organisation = at.here.settings.organisation
    if name is None:
        return at.words("graph.title.all", organisation=organisation)
    return at.words("graph.title.one", service=name, organisation=organisation)


def _show(sheet: "Sheet") -> None:
    write_out(None, table(_masked(sheet)))


def _say(lines: "Iterable[str]") -> None:
    for line in lines:
        say(_harmless(line))


def _harmless(line: str) -> str:
    from kyber.privacy import mask

    return plain(mask(line))


def _masked(sheet: "Sheet") -> "Sheet":
    from kyber.privacy import mask
    from kyber.render.safe import every_text

    return every_text(sheet, mask)
