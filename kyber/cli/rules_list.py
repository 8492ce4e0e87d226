"""`kyber rules list`: the rules in force, and whether each can look, out."""

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from kyber.cli.console import Where, around, tell_problems
from kyber.cli.files import check_output, form_of, write_out
from kyber.cli.findings import TABLE_WIDTH, Picture
from kyber.cli.rules_files import RulePaths, rule_paths
from kyber.cli.rules_standing import DAYS, Days
from kyber.cli.scan import Limit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kyber.cli.rules_standing import Gathered
    from kyber.logs.standing import Entry
    from kyber.text import Words


class Form(StrEnum):
    """The forms in which rules are listed."""

    TABLE = "table"
    JSONL = "jsonl"
    CSV = "csv"


class Which(StrEnum):
    """Where rules stand."""

    RUNS = "runs"
    BLIND = "blind"
    UNABLE = "unable"
    UNKNOWN = "unknown"
    OVERRIDDEN = "overridden"


BY_ENDING: Final = {".jsonl": Form.JSONL, ".ndjson": Form.JSONL, ".json": Form.JSONL, ".csv": Form.CSV}

Families = Annotated[
    list[Picture] | None, typer.Option("--family", help="Only this family; may be repeated.", show_default=False)
]
Least = Annotated[Limit, typer.Option(help="Leave out rules below this level.")]
Products = Annotated[
    list[str] | None,
    typer.Option("--product", metavar="NAME", help="Only rules of this product; may be repeated.", show_default=False),
]
Techniques = Annotated[
    list[str] | None,
    typer.Option(
        "--technique",
        metavar="ID",
        help="Only rules of this ATT&CK technique or one below it, as T1110; may be repeated.",
        show_default=False,
    ),
]


def list_(
    text: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TEXT...",
            help="Only rules in whose title, name, id, description or file all these texts stand.",
            show_default=False,
        ),
    ] = None,
    rules: RulePaths = None,
    family: Families = None,
    level: Least = Limit.INFORMATIONAL,
    product: Products = None,
    technique: Techniques = None,
    tag: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN", help="Only rules with such a tag, with * and ?; may be repeated.", show_default=False
        ),
    ] = None,
    status: Annotated[
        list[Which] | None, typer.Option(help="Only rules that stand so; may be repeated.", show_default=False)
    ] = None,
    days: Days = DAYS,
    form: Annotated[
        Form | None, typer.Option("--format", "-f", help="The form of the list; else by the ending of -o, or a table.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Short for --format jsonl.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the list to a file.")
    ] = None,
    workspace: Where = None,
) -> None:
    """List the rules in force, with whether each can look at what is stored, why not, and when it last fired.

    Whether a rule can look is judged as a scan would, by what is stored of the last days. Where nothing is stored, the
    register of sources tells only that a rule has none; the rest is not known until a scan.
    """
    from kyber.cli.listed import csv_rows, jsonl
    from kyber.cli.rules_standing import gathered
    from kyber.finding import Family
    from kyber.level import Level
    from kyber.logs.sigma.heading import Choice
    from kyber.privacy import mask
    from kyber.render.safe import every_text
    from kyber.text import words_for

    here, now = around(workspace), datetime.now(UTC)
    words = words_for(here.settings.language if here else "en")
    form = Form(form_of(form, json, output, BY_ENDING))
    check_output(output, here)
    found = gathered(here, rules or rule_paths(here), days, now)
    choice = Choice(
        families=tuple(Family(one) for one in family or ()),
        level=Level.of(level),
        products=tuple(product or ()),
        techniques=tuple(technique or ()),
        tags=tuple(tag or ()),
        words=tuple(text or ()),
    )
    entries = [
        one
        for one in found.entries
        if choice.takes(one.heading) and (not status or str(one.standing.state) in {str(which) for which in status})
    ]
    order = list(Family)
    entries.sort(key=lambda one: (order.index(one.heading.family), -one.heading.level, one.heading.title))
    entries = every_text(entries, mask)
    match form:
        case Form.TABLE:
            write_out(output, _table(entries, found, here is not None, words, output))
        case Form.JSONL:
            write_out(output, jsonl(entries, words))
        case Form.CSV:
            write_out(output, csv_rows(entries, words))
    tell_problems(found.problems, words)


def _table(
    entries: "Sequence[Entry]", found: "Gathered", has_register: bool, words: "Words", output: Path | None
) -> str:
    """The list as text: as wide, and as coloured, as the terminal, or for a file."""
    from rich.console import Console

    from kyber.cli.listed import show, summary

    console = Console() if output is None else Console(width=TABLE_WIDTH, color_system=None, force_terminal=False)
    with console.capture() as text:
        show(entries, words, console)
        for line in summary(entries, found.known.seen, has_register, words):
            console.print(line, highlight=False, markup=False, soft_wrap=True)
    return "".join(f"{line.rstrip()}\n" for line in text.get().splitlines())
