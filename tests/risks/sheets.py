"""Workbooks as people hand them back: one of kyber's, with cells typed over or rows added; and small foreign ones."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from xml.sax.saxutils import escape

import xlsxwriter

from kyber.render.xlsx import Book, Cell, bytes_of
from kyber.risks.table import Table, tables_in

MADE = datetime(2026, 11, 10, 9, tzinfo=UTC)


def typed(book: Book, sheet: str, id_: str, cells: Mapping[str, Cell]) -> Book:
    """The book with cells of one row typed over, by their headings; a row with an empty id is added."""

    def changed(row: Sequence[Cell], heads: Sequence[str]) -> tuple[Cell, ...]:
        return tuple(cells.get(head, cell) for head, cell in zip(heads, row, strict=True))

    pages = []
    for page in book.pages:
        if page.name == sheet:
            heads = [heading.text for heading in page.headings]
            assert cells.keys() <= set(heads), heads
            rows = tuple(changed(row, heads) if row[0] == id_ else row for row in page.rows)
            page = replace(page, rows=rows if id_ else (*rows, changed([None] * len(heads), heads)))
        pages.append(page)
    return replace(book, pages=tuple(pages))


def tables(book: Book) -> tuple[Table, ...]:
    return tables_in(bytes_of(book), "risks.xlsx")


def xlsx(rows: Sequence[Sequence[str]], name: str = "List") -> bytes:
    """Somebody's workbook of texts."""
    stream = io.BytesIO()
    with xlsxwriter.Workbook(stream, {"in_memory": True}) as workbook:
        sheet = workbook.add_worksheet(name)
        for at, row in enumerate(rows):
            for column, text in enumerate(row):
                sheet.write_string(at, column, text)
    return stream.getvalue()


def with_part(content: bytes, part: str, old: bytes, new: bytes) -> bytes:
    """A workbook with something in one of its parts replaced."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            text = source.read(name)
            assert name != part or old in text
            target.writestr(name, text.replace(old, new) if name == part else text)
    return made.getvalue()


def ods(rows: Sequence[Sequence[str]]) -> bytes:
    """Somebody's OpenDocument spreadsheet of texts."""
    cell = '<table:table-cell office:value-type="string"><text:p>{}</text:p></table:table-cell>'
    lines = ("".join(cell.format(escape(one)) for one in row) for row in rows)
    cells = "".join(f"<table:table-row>{line}</table:table-row>" for line in lines)
    office = "urn:oasis:names:tc:opendocument:xmlns"
    content = (
        f'<?xml version="1.0" encoding="UTF-8"?><office:document-content xmlns:office="{office}:office:1.0"'
        f' xmlns:table="{office}:table:1.0" xmlns:text="{office}:text:1.0" office:version="1.2"><office:body>'
        f'<office:spreadsheet><table:table table:name="Lista">{cells}</table:table></office:spreadsheet>'
        "</office:body></office:document-content>"
    )
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("mimetype", kind)
        archive.writestr("content.xml", content)
        archive.writestr(
            "META-INF/manifest.xml",
            '<?xml version="1.0"?><manifest:manifest'
            f' xmlns:manifest="{office}:manifest:1.0"><manifest:file-entry manifest:full-path="/"'
            f' manifest:media-type="{kind}"/></manifest:manifest>',
        )
    return made.getvalue()
