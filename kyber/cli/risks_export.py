"""`kyber risks export`: the register in, a workbook, a table or a document for other programs out."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from kyber.cli.console import Where, say
from kyber.cli.desk import json_record, owners
from kyber.cli.files import check_output, write_out, write_whole
from kyber.cli.risks_files import desk
from kyber.errors import UsageError

if TYPE_CHECKING:
    from kyber.risks.register import RiskRegister
    from kyber.risks.risk import Risk
    from kyber.text import Words


class Form(StrEnum):
    """The forms in which the register leaves."""

    XLSX = "xlsx"
    CSV = "csv"
    JSON = "json"
    MD = "md"
    OSCAL = "oscal"


BY_ENDING: Final[Mapping[str, Form]] = {
    ".xlsx": Form.XLSX,
    ".csv": Form.CSV,
    ".json": Form.JSON,
    ".jsonl": Form.JSON,
    ".md": Form.MD,
}
SHORT: Final = ("id", "current", "title", "status", "owner", "category", "treatment")
"""The columns of a Markdown table, by where they begin."""


def export(
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write to this file; a workbook needs one."),
    ] = None,
    form: Annotated[
        Form | None,
        typer.Option(
            "--format",
            help="A workbook, a table, JSON lines, or OSCAL's plan of action and milestones; else by the file's name.",
            show_default=False,
        ),
    ] = None,
    owner: Annotated[
        str | None,
        typer.Option(
            metavar="ROLE",
            autocompletion=owners,
            help="Only what this role or person answers for; a workbook is then a form for their review.",
            show_default=False,
        ),
    ] = None,
    workspace: Where = None,
) -> None:
    """Export the register of risks: as a workbook that imports back, per owner as a form for reviews, or for others."""
    from kyber.risks.workbook import of_owner

    at, now = desk(workspace), datetime.now(UTC)
    register, words = at.register, at.words
    chosen = form or _by_ending(output)
    check_output(output, at.here)
    risks = register.prioritised() if owner is None else of_owner(register, owner)
    if not risks:
        raise UsageError(words("risklist.nothing"))
    if chosen is Form.XLSX:
        from kyber.render.xlsx import bytes_of
        from kyber.risks.workbook import book_of

        if output is None:
            raise UsageError("a workbook needs a file to go to: --output FILE.xlsx; or choose another --format")
        write_whole(output, bytes_of(book_of(register, words, now, owner)))
    else:
        write_out(output, _FORMS[chosen](register, risks, words, now))
    if output is not None:
        say(words("risklist.written", file=output, risks=words.number(len(risks))))


def _by_ending(output: Path | None) -> Form:
    if output is None:
        return Form.XLSX
    if output.suffix.lower() not in BY_ENDING:
        raise UsageError(f"{output}: name it {', '.join(BY_ENDING)}, or say the --format")
    return BY_ENDING[output.suffix.lower()]


def _rows(register: "RiskRegister", risks: "Sequence[Risk]", words: "Words") -> list[tuple[tuple[str, ...], list[str]]]:
    """The columns: where each begins, and its heading and texts."""
    from kyber.risks.opening import text_of
    from kyber.risks.workbook import book_of, columns_of

    page = book_of(register, words, datetime.now(UTC)).pages[0]
    wanted = {one.id for one in risks}
    rows = [row for row in page.rows if row[0] in wanted]
    columns = columns_of("risk", register, words)
    return [
        (column.path, [column.head, *("" if row[at] is None else text_of(row[at]) for row in rows)])
        for at, column in enumerate(columns)
    ]


def _csv(register: "RiskRegister", risks: "Sequence[Risk]", words: "Words", _: datetime) -> str:
    from kyber.privacy import mask
    from kyber.render.safe import cell

    stream = io.StringIO()
    columns = [texts for _, texts in _rows(register, risks, words)]
    csv.writer(stream, lineterminator="\n").writerows(
        [cell(mask(text)) for text in row] for row in zip(*columns, strict=True)
    )
    return stream.getvalue()


def _markdown(register: "RiskRegister", risks: "Sequence[Risk]", words: "Words", _: datetime) -> str:
    from kyber.privacy import mask
    from kyber.render.safe import plain

    columns = [texts for path, texts in _rows(register, risks, words) if len(path) == 1 and path[0] in SHORT]
    head, *rows = [
        "| " + " | ".join(_marked(plain(mask(" ".join(text.split())))) for text in row) + " |"
        for row in zip(*columns, strict=True)
    ]
    return "\n".join([head, "|" + "---|" * len(columns), *rows, ""])


def _marked(text: str) -> str:
    return "".join(f"\\{letter}" if letter in "\\`*_{}[]<>|#" else letter for letter in text)


def _json(register: "RiskRegister", risks: "Sequence[Risk]", _: "Words", __: datetime) -> str:
    records = (
        {**one.model_dump(mode="json", by_alias=True, exclude_defaults=True), "level": register.level(one)}
        for one in risks
    )
    return "".join(f"{json_record(record)}\n" for record in records)


def _oscal(register: "RiskRegister", risks: "Sequence[Risk]", _: "Words", now: datetime) -> str:
    import json

    from kyber.git import head
    from kyber.privacy import mask
    from kyber.render.safe import every_text
    from kyber.risks.oscal import poam

    first = Path(risks[0].at.file).parent
    document = poam(register, risks, now.astimezone(register.settings.zone), head(first) or register.today.isoformat())
    return json.dumps(every_text(document, mask), ensure_ascii=False, indent=2) + "\n"


_FORMS: Final[Mapping[Form, Callable[["RiskRegister", "Sequence[Risk]", "Words", datetime], str]]] = {
    Form.CSV: _csv,
    Form.MD: _markdown,
    Form.JSON: _json,
    Form.OSCAL: _oscal,
}
