"""A Document in, a DOCX file out, for who has to edit it: Word's own styles, A4, the same bytes for the same Document.

Texts are escaped, and links lead to bookmarks; a picture is a PNG with its description as alternative text.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from itertools import count
from typing import Final

from kyber.document import Bullets, Chart, Column, Document, Line, Paragraph, Piece, Row, Section, Table
from kyber.render import word
from kyber.render.picture import clean, size
from kyber.render.placed import bands, fullness
from kyber.render.said import Places, parts, said, short
from kyber.render.typst import FONT, png
from kyber.render.widths import widths
from kyber.text import Words, words_for

LANGUAGES: Final = {"fi": "fi-FI", "sv": "sv-FI", "en": "en-GB"}
PPI: Final = 300
_POINT: Final = 20
"""Twentieths of a point, the measure of a page in Word."""
_EMU: Final = 12_700
"""What a point is for pictures."""
_TEXT: Final = 10_318
_GAP: Final = 280
_COLUMN: Final = (_TEXT - _GAP) // 2
_LETTER: Final = 88.0
"""How wide a letter of a table is, about."""
_PADDING: Final = 110
_FIRST_PICTURE: Final = 180.0
_PICTURE: Final = 630.0
"""How high a picture may be, in points: on the first page, and behind it."""
_FACTS: Final = 4
"""How many facts stand beside each other."""
_NAME: Final = 40
"""Letters of a bookmark."""
_UNNAMED: Final = re.compile(r"[^A-Za-z0-9_]")
_PAGE: Final = (
    '<w:pgSz w:w="11906" w:h="16838"/>'
    '<w:pgMar w:top="737" w:right="794" w:bottom="850" w:left="794" w:header="397" w:footer="397" w:gutter="0"/>'
)


def document(made: Document) -> bytes:
    """The whole file."""
    body = _Body(made)
    return word.packed(
        "".join(body.all()),
        _foot(made),
        body.pictures,
        body.lists,
        language=LANGUAGES[made.language],
        title=said(made.title),
        author=said(made.organisation),
        day=made.as_of,
        dense=fullness(parts(made)[0], made.facts),
    )


def bookmarks(places: Iterable[str]) -> dict[str, str]:
    """For each place a name that Word takes: 40 letters, digits and underscores at most, capitals or not the same."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for place in places:
        name = whole = _UNNAMED.sub("_", place)[:_NAME]
        again = count(2)
        while name.casefold() in taken:
            end = f"_{next(again)}"
            name = whole[: _NAME - len(end)] + end
        taken.add(name.casefold())
        found[place] = name
    return found


class _Body:
    """The body while it is written, with the pictures and lists that it needs so far."""

    def __init__(self, made: Document) -> None:
        self.pictures: list[bytes] = []
        self.lists = 0
        self._made = made
        self._words: Words = words_for(made.language)
        self._places = Places(made)
        self._names = bookmarks(self._places.all())
        self._ids = count(1)
        self._at = ""
        """What the styles of the first page are called more than the others."""

    def all(self) -> Iterator[str]:
        made = self._made
        first, annexes, last = parts(made)
        yield _paragraph("Over", f"{_run(said(made.organisation))}<w:r><w:tab/></w:r>{_run(said(made.label))}")
        yield _paragraph("Title", _run(said(made.title)))
        yield from self._facts()
        yield from self._first(first)
        for key, part in (("annexes", annexes), ("last", last)):
            if part:
                yield _paragraph("Heading1", _run(self._words(f"document.{key}")), "<w:pageBreakBefore/>")
                for one in part:
                    yield from self._section(one, _TEXT, _PICTURE)
        yield _paragraph("Break", "") + _ends(1)

    def _first(self, sections: Sequence[Section]) -> Iterator[str]:
        if not sections:
            return
        self._at = "First"
        yield _paragraph("Heading1", _run(self._words("document.first")))
        for band in bands(sections):
            beside = len(band.columns)
            if beside > 1:
                yield _break(1)
            for at, column in enumerate(band.columns):
                if at:  # said, so that no table is cut where one column is full
                    yield _paragraph("Break", '<w:r><w:br w:type="column"/></w:r>')
                for section in column:
                    yield from self._section(section, _COLUMN if beside > 1 else _TEXT, _FIRST_PICTURE)
            if beside > 1:
                yield _break(beside)
        self._at = ""

    def _facts(self) -> Iterator[str]:
        facts = self._made.facts
        for at in range(0, len(facts), _FACTS):
            some = facts[at : at + _FACTS]
            wide = _TEXT // len(some)
            yield _grid(
                [wide] * len(some),
                [
                    _row([_cell(wide, _paragraph("TableHead", _run(said(name)))) for name, _ in some], head=True),
                    _row([_cell(wide, _paragraph("TableText", _run(said(value)))) for _, value in some]),
                ],
                self._words("document.facts"),
            ) + _paragraph("Break", "")

    def _section(self, section: Section, wide: int, high: float) -> Iterator[str]:
        yield _paragraph(f"{self._at}Heading2", self._marked(section.id, _run(said(section.title))))
        for block in section.blocks:
            match block:
                case Paragraph(line, kind):
                    style = {"text": f"{self._at}Text", "lead": "Lead", "note": f"{self._at}Note"}[kind]
                    yield _paragraph(style, self._line(line))
                case Bullets():
                    yield from self._bullets(block)
                case Table():
                    yield from self._table(block, wide)
                case Chart():
                    yield from self._chart(block, wide, high)

    def _bullets(self, bullets: Bullets) -> Iterator[str]:
        number = ""
        if bullets.numbered:
            id_ = word.numbered(self.lists)
            number = f'<w:numPr><w:ilvl w:val="0"/><w:numId w:val="{id_}"/></w:numPr>'
            self.lists += 1
        for item in bullets.items:
            yield _paragraph("ListNumber" if bullets.numbered else "ListBullet", self._line(item), number)

    def _table(self, table: Table, wide: int) -> Iterator[str]:
        if not table.rows:
            empty = said(table.empty or self._words("document.empty"))
            yield _paragraph(f"{self._at}Note", _run(f"{said(table.title)}.", strong=True) + _run(f" {empty}"))
            return
        wides = widths(table, wide, _LETTER, _PADDING)
        columns = list(zip(table.columns, wides, strict=True))
        heads = [
            _cell(w, _paragraph(f"{self._at}TableHead", _run(said(column.head)), _side(column)))
            for column, w in columns
        ]
        yield _paragraph(f"{self._at}Caption", _run(said(table.title)))
        rows = [_row(heads, head=True), *(self._row(row, columns) for row in table.rows)]
        yield _grid(wides, rows, said(table.title))
        yield _paragraph("Break", "")

    def _row(self, row: Row, columns: Sequence[tuple[Column, int]]) -> str:
        cells = []
        for at, (line, (column, wide)) in enumerate(zip(row.cells, columns, strict=True)):
            runs = self._line(line) if at else self._marked(row.anchor, self._line(line))
            cells.append(_cell(wide, _paragraph(f"{self._at}{'TableText' if at else 'RowHead'}", runs, _side(column))))
        return _row(cells)

    def _chart(self, chart: Chart, wide: int, high: float) -> Iterator[str]:
        title, described = said(chart.title), said(chart.described)
        yield _paragraph(f"{self._at}Caption", _run(title))
        if not (drawn := _drawn(chart, wide / _POINT, high)):
            yield _paragraph(f"{self._at}Text", _run(described))
            return
        png_, across, down = drawn
        extent = f'cx="{round(across * _EMU)}" cy="{round(down * _EMU)}"'
        name = word.picture(len(self.pictures))
        self.pictures.append(png_)
        id_ = next(self._ids)
        yield _paragraph(
            "Picture",
            f'<w:r><w:drawing><wp:inline distT="0" distB="0" distL="0" distR="0"><wp:extent {extent}/>'
            f'<wp:docPr id="{id_}" name="{name}" descr="{escape(described)}" title="{escape(title)}"/>'
            '<wp:cNvGraphicFramePr><a:graphicFrameLocks noChangeAspect="1"/></wp:cNvGraphicFramePr>'
            '<a:graphic><a:graphicData uri="http://schemas.openxmlformats.org/drawingml/2006/picture"><pic:pic>'
            f'<pic:nvPicPr><pic:cNvPr id="{id_}" name="{name}"/><pic:cNvPicPr/></pic:nvPicPr>'
            f'<pic:blipFill><a:blip r:embed="{name}"/><a:stretch><a:fillRect/></a:stretch></pic:blipFill>'
            f'<pic:spPr><a:xfrm><a:off x="0" y="0"/><a:ext {extent}/></a:xfrm>'
            '<a:prstGeom prst="rect"><a:avLst/></a:prstGeom></pic:spPr>'
            "</pic:pic></a:graphicData></a:graphic></wp:inline></w:drawing></w:r>",
        )

    def _line(self, line: Line) -> str:
        return "".join(map(self._piece, line))

    def _piece(self, piece: Piece) -> str:
        place = self._places.link(piece.to)
        run = _run(said(piece.text), strong=piece.strong, link=bool(place))
        return f'<w:hyperlink w:anchor="{self._names[place]}" w:history="1">{run}</w:hyperlink>' if place else run

    def _marked(self, anchor: str, runs: str) -> str:
        """The same as a bookmark, where it is the first of that name."""
        if not (place := self._places.take(anchor)):
            return runs
        id_ = next(self._ids)
        return f'<w:bookmarkStart w:id="{id_}" w:name="{self._names[place]}"/>{runs}<w:bookmarkEnd w:id="{id_}"/>'


def _drawn(chart: Chart, wide: float, high: float) -> tuple[bytes, float, float] | None:
    """The picture as PNG, as wide and as high as there is room, and how much that is in points."""
    if not (cleaned := clean(chart.svg, "p-", said(chart.title), said(chart.described), font=FONT)):
        return None
    if not (found := size(cleaned)):
        return None
    scale = min(wide / found[0], high / found[1])
    across, down = scale * found[0], scale * found[1]
    made = png(cleaned, across, down, PPI)
    return (made, across, down) if made else None


def _foot(made: Document) -> str:
    texts = " · ".join(one for one in map(short, (made.organisation, made.title, made.label)) if one)
    page, pages = (
        f'<w:fldSimple w:instr=" {field} "><w:r><w:t>1</w:t></w:r></w:fldSimple>' for field in ("PAGE", "NUMPAGES")
    )
    return _paragraph("Footer", f"{_run(texts)}<w:r><w:tab/></w:r>{page}{_run(' / ')}{pages}")


def _run(text: str, *, strong: bool = False, link: bool = False) -> str:
    if not text:
        return ""
    named = "Hyperlink" if link else "Strong" if strong else ""
    bold = "<w:b/>" if strong and link else ""
    style = f'<w:rPr><w:rStyle w:val="{named}"/>{bold}</w:rPr>' if named else ""
    return f'<w:r>{style}<w:t xml:space="preserve">{escape(text)}</w:t></w:r>'


def _paragraph(style: str, runs: str, more: str = "") -> str:
    return f'<w:p><w:pPr><w:pStyle w:val="{style}"/>{more}</w:pPr>{runs}</w:p>'


def _side(column: Column) -> str:
    return '<w:jc w:val="right"/>' if column.right else ""


def _grid(wides: Sequence[int], rows: Sequence[str], title: str) -> str:
    columns = "".join(f'<w:gridCol w:w="{one}"/>' for one in wides)
    return (
        f'<w:tbl><w:tblPr><w:tblStyle w:val="ReportTable"/><w:tblW w:w="{sum(wides)}" w:type="dxa"/>'
        '<w:tblLayout w:type="fixed"/><w:tblLook w:val="06A0" w:firstRow="1" w:lastRow="0" w:firstColumn="1" '
        f'w:lastColumn="0" w:noHBand="1" w:noVBand="1"/><w:tblCaption w:val="{escape(title)}"/></w:tblPr>'
        f"<w:tblGrid>{columns}</w:tblGrid>{''.join(rows)}</w:tbl>"
    )


def _row(cells: Sequence[str], *, head: bool = False) -> str:
    return f"<w:tr><w:trPr><w:cantSplit/>{'<w:tblHeader/>' if head else ''}</w:trPr>{''.join(cells)}</w:tr>"


def _cell(wide: int, paragraph: str) -> str:
    return f'<w:tc><w:tcPr><w:tcW w:w="{wide}" w:type="dxa"/></w:tcPr>{paragraph}</w:tc>'


def _break(columns: int) -> str:
    """Where what has so many columns ends, and what has others begins on the same page."""
    return f'<w:p><w:pPr><w:pStyle w:val="Break"/>{_ends(columns)}</w:pPr></w:p>'


def _ends(columns: int) -> str:
    beside = f'<w:cols w:num="{columns}" w:space="{_GAP}"/>' if columns > 1 else f'<w:cols w:space="{_GAP}"/>'
    foot = f'<w:footerReference w:type="default" r:id="{word.FOOT}"/>'
    return f'<w:sectPr>{foot}<w:type w:val="continuous"/>{_PAGE}{beside}</w:sectPr>'
