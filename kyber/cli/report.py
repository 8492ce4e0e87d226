"""`kyber report`: a workspace in, the report for management out; old reports rendered again and compared."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from kyber.cli.console import Where, plain, say
from kyber.cli.files import check_output, form_of, write_below, write_out, write_whole
from kyber.errors import UsageError

if TYPE_CHECKING:
    from kyber.document import Document


class Form(StrEnum):
    """The forms of a report."""

    HTML = "html"
    PDF = "pdf"
    DOCX = "docx"
    MD = "md"
    JSON = "json"


class Language(StrEnum):
    """The languages of a report."""

    FI = "fi"
    SV = "sv"
    EN = "en"


BY_ENDING: Final = {".html": "html", ".pdf": "pdf", ".docx": "docx", ".md": "md", ".json": "json"}
SHOWN: Final = frozenset({Form.MD, Form.JSON})
"""What goes to standard output where no file is named."""

FormOption = Annotated[
    Form | None, typer.Option("--format", "-f", help="The form; else by the ending of -o, or HTML.", show_default=False)
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Write here; else into the folder `reports`; md and json to standard output.",
    ),
]

app = typer.Typer(help="The report for management: made, rendered again, compared.", rich_markup_mode=None)


@app.callback(invoke_without_command=True)
def report(
    context: typer.Context,
    of: Annotated[
        str,
        typer.Option(
            "--period", metavar="PERIOD", help="2026-Q4, 2026-11, 2026; or month, quarter or year: those of the day."
        ),
    ] = "quarter",
    as_of: Annotated[
        str,
        typer.Option(
            "--as-of", metavar="DAY", help="The day to look from, as 2026-03-31; else today.", show_default=False
        ),
    ] = "",
    language: Annotated[
        Language | None,
        typer.Option("--language", help="The language; else that of the workspace.", show_default=False),
    ] = None,
    form: FormOption = None,
    output: Output = None,
    since: Annotated[
        str,
        typer.Option(
            "--since",
            metavar="FILE",
            help="The saved report to compare with, or `last`; else the last one, if any.",
            show_default=False,
        ),
    ] = "",
    save: Annotated[
        bool, typer.Option("--save/--no-save", help="Keep the report as JSON in the folder `reports`.")
    ] = True,
    confidential: Annotated[
        bool, typer.Option("--confidential", help="With the entries that are marked secret.")
    ] = False,
    label: Annotated[
        str,
        typer.Option("--label", metavar="TEXT", help="How confidential the report is, in words.", show_default=False),
    ] = "",
    compared: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            "--compare",
            metavar="BEFORE.json AFTER.json",
            help="Write no report, but what changed between two saved ones, as `kyber report compare` does.",
            show_default=False,
        ),
    ] = None,
    workspace: Where = None,
) -> None:
    """Write the report for management of a period: one page, and the annexes behind it."""
    if context.invoked_subcommand is not None:
        return
    if compared is not None:
        compare(*compared, language)
        return
    from kyber.cli.desk import Desk, open_at
    from kyber.cli.reading import no_collector
    from kyber.cli.reported import FOLDER, OPEN, Asked, given, saved_name
    from kyber.people import People
    from kyber.render.document_json import dumps
    from kyber.render.money import day
    from kyber.report.period import period
    from kyber.report.sections import document
    from kyber.text import words_for

    here, today = open_at(workspace)
    today = Desk(here, People(), today).day(as_of, option="--as-of") if as_of else today
    words = words_for(language or here.settings.language)
    chosen = _form(form, output)
    check_output(output, here)
    if output is None and not save and chosen not in SHOWN:
        raise UsageError(f"--no-save: nothing is written into {FOLDER}; name a file with -o")
    asked = Asked(
        period=period(of, today),
        today=today,
        words=words,
        since=since,
        label=label,
        scope="confidential" if confidential else OPEN,
    )
    with no_collector():
        found = given(here, asked)
        made = document(found)
        rendered = _rendered(made, chosen)
        kept = (rendered if chosen is Form.JSON else dumps(made)) if save else b""
    folder = here.root / FOLDER
    name = saved_name(made, folder, kept) if save else ""
    if save:
        write_below(folder, {f"{name}.json": kept})
    if output is None and chosen in SHOWN:
        write_out(None, rendered.decode())
        return
    file = output or folder / f"{name}.{chosen}"
    if output is None:
        write_below(folder, {file.name: rendered})
    else:
        write_whole(output, rendered)
    for line in _in_short(made):
        say(plain(line))
    if found.withheld:
        say(plain(words.many("report.withheld", found.withheld, option="--confidential")))
    told = {"name": dict(made.values)["period.name"], "day": day(made.as_of, words)}
    say(plain(words("report.written", **told, file=file)))
    if save:
        say(plain(words("report.saved", file=folder / f"{name}.json")))


@app.command()
def render(
    old: Annotated[Path, typer.Argument(metavar="OLD.json", help="A report that was saved.", show_default=False)],
    form: FormOption = None,
    output: Output = None,
) -> None:
    """Write a saved report again, in any form, exactly as it was."""
    from kyber.cli.reported import read_report

    made = read_report(old)
    chosen = _form(form, output)
    check_output(output, None, [("the saved report", [old])])
    if output is None and chosen not in SHOWN:
        output = old.with_suffix(f".{chosen}")
    rendered = _rendered(made, chosen)
    if output is None:
        write_out(None, rendered.decode())
        return
    write_whole(output, rendered)
    say(plain(output))


@app.command()
def compare(
    before: Annotated[Path, typer.Argument(metavar="BEFORE.json", help="The earlier report.", show_default=False)],
    after: Annotated[Path, typer.Argument(metavar="AFTER.json", help="The later report.", show_default=False)],
    language: Annotated[
        Language | None,
        typer.Option("--language", help="The language; else that of the later report.", show_default=False),
    ] = None,
) -> None:
    """Say in plain words what changed from one saved report to another."""
    from kyber.cli.reported import read_report
    from kyber.report.compare import SUBJECTS, changes
    from kyber.report.direction import sentence
    from kyber.text import words_for

    first, second = read_report(before), read_report(after)
    words = words_for(language or second.language)
    was, is_ = dict(first.values), dict(second.values)
    say(plain(sentence(was, is_, first.as_of, words)))
    every = changes(was, is_, words)
    for subject in SUBJECTS:
        if some := [one for one in every if one.subject == subject]:
            say()
            say(words(f"report.subject.{subject}"))
            for one in some:
                say(plain(f"  {one.text}"))
    if not every:
        say(words("report.changes.none"))


def _form(form: Form | None, output: Path | None) -> Form:
    if form is None and output is None:
        return Form.HTML
    found = form_of(form, False, output, BY_ENDING)
    if found == "table":
        raise UsageError(f"{output}: name the file {', '.join(BY_ENDING)}, or say --format")
    return Form(found)


def _rendered(made: "Document", form: Form) -> bytes:
    match form:
        case Form.JSON:
            from kyber.render.document_json import dumps

            return dumps(made)
        case Form.PDF:
            from kyber.render import document_pdf

            return document_pdf.document(made)
        case Form.DOCX:
            from kyber.render import document_docx

            return document_docx.document(made)
        case Form.MD:
            from kyber.render.document_markdown import text_of

            return text_of(made).encode()
        case Form.HTML:
            from kyber.render.document_html import page

            return page(made).encode()


def _in_short(made: "Document") -> list[str]:
    """The sentence that says it all, and the decisions that are asked for."""
    from kyber.document import Paragraph, Table

    lines = [made.title]
    for section in made.sections:
        for block in section.blocks if section.id in ("direction", "decisions") else ():
            match block:
                case Paragraph(kind="lead"):
                    lines.append("".join(piece.text for piece in block.line))
                case Table():
                    lines += [
                        f"  {at}. {''.join(piece.text for piece in row.cells[0])}"
                        for at, row in enumerate(block.rows, 1)
                    ]
    return lines
