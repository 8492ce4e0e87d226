import re
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from typing import Any
from zipfile import ZipFile

import docx
import pytest
from defusedxml.ElementTree import fromstring
from docx.oxml.ns import qn
from hypothesis import given, settings
from hypothesis import strategies as st

from kyber.document import Block, Bullets, Chart, Column, Document, Line, Paragraph, Section, Table
from kyber.document import row as row_of
from kyber.render.document_docx import bookmarks, document
from kyber.render.picture import clean
from kyber.render.said import line_of, said
from kyber.render.widths import widths
from tests.render.documents import filled, line, matrix, report
from tests.render.test_printout import HOSTILE

NASTY = (
    *HOSTILE,
    "]]><w:p/>&amp;\"'",
    "lone \ud800, no letter \uffff \ufffe, \x00\x0b",
    "=cmd|'/c calc'!A1",
    "",
    "x" * 5_000,
)


def body(made: Document) -> Any:
    return docx.Document(BytesIO(document(made))).element.body


def shown(element: Any) -> str:
    """The text that a reader sees of it."""
    return "".join(one.text or "" for one in element.iter(qn("w:t")))


def paragraphs(element: Any) -> list[str]:
    return [text for one in element.iter(qn("w:p")) if (text := shown(one))]


def texts(sections: tuple[Section, ...]) -> Iterator[str]:
    """Every text of the sections, in the order of reading, apart from what pictures say."""
    for section in sections:
        yield said(section.title)
        for block in section.blocks:
            yield from _texts(block)


def _texts(block: Block) -> Iterator[str]:
    match block:
        case Paragraph():
            yield line_of(block.line)
        case Bullets():
            yield from map(line_of, block.items)
        case Table(rows=()):
            yield f"{said(block.title)}. {said(block.empty) or 'Ei mitään'}"
        case Table():
            yield from map(said, (block.title, *(one.head for one in block.columns)))
            yield from (line_of(cell) for row in block.rows for cell in row.cells)
        case Chart():
            yield said(block.title)
            if not clean(block.svg, "p-", "", ""):
                yield said(block.described)


@pytest.mark.parametrize("language", ["fi", "sv", "en"])
def test_every_text_of_every_section_stands_in_the_file_in_the_order_of_reading(language: str) -> None:
    made = report(language)
    found = paragraphs(body(made))
    facts = len(made.facts) * 2
    assert found[1] == made.title
    assert set(found[2 : 2 + facts]) == {text for fact in made.facts for text in fact}
    expected = [text for text in texts(made.sections) if text]
    groups = [text for text in found[2 + facts :] if text not in expected]
    assert [text for text in found[2 + facts :] if text in expected] == expected
    assert len(groups) == 3


@pytest.mark.parametrize("text", NASTY)
def test_a_hostile_text_is_shown_and_the_file_has_the_same_elements_as_with_a_tame_one(text: str) -> None:
    made = filled(text)
    loud, quiet = body(made), body(filled("Teksti"))
    expected = [one for one in texts(made.sections) if one]
    found = iter(paragraphs(loud))
    assert [one for one in expected if one not in found] == []
    assert {one.tag for one in loud.iter()} <= {one.tag for one in quiet.iter()}
    with ZipFile(BytesIO(document(made))) as archive:
        for name in archive.namelist():
            if name.endswith((".xml", ".rels")):
                fromstring(archive.read(name))


@given(st.text(st.characters(exclude_categories=[]), max_size=12))
@settings(max_examples=15, deadline=None)
def test_whatever_letters_a_text_is_of_it_can_be_read_again(text: str) -> None:
    made = Document(
        title=text,
        organisation=text,
        language="fi",
        label=text,
        as_of=report().as_of,
        start=report().start,
        end=report().end,
        commit="",
        facts=((text, text),),
        sections=(Section(id=text, title=text, place="annex", blocks=(Paragraph(line(f"«{text}»", text)),)),),
    )
    assert f"«{said(text)}»" in paragraphs(body(made))


def test_rows_of_heads_are_repeated_and_no_row_is_divided_between_pages() -> None:
    tables = list(body(report()).iter(qn("w:tbl")))
    assert len(tables) > 3
    for table in tables:
        head, *rest = table.iter(qn("w:tr"))
        assert head.find(f".//{qn('w:tblHeader')}") is not None
        assert all(row.find(f".//{qn('w:tblHeader')}") is None for row in rest)
        assert all(row.find(f".//{qn('w:cantSplit')}") is not None for row in (head, *rest))
        assert table.find(f".//{qn('w:tblCaption')}").get(qn("w:val"))


def test_links_lead_to_bookmarks_that_are_there_once_and_that_word_takes() -> None:
    long = "a" * 60
    sections = tuple(
        Section(
            id=id_,
            title=id_,
            place="annex",
            blocks=(Paragraph((*line("one", f"{long}1"), *line("two", "R-001"), *line("nowhere", "gone"))),),
        )
        for id_ in (f"{long}1", f"{long}2", "R-001", "r.001", "  ]]>", "R-001")
    )
    found = body(replace(report(), sections=sections))
    names = [one.get(qn("w:name")) for one in found.iter(qn("w:bookmarkStart"))]
    ids = [one.get(qn("w:id")) for one in found.iter(qn("w:bookmarkStart"))]
    links = [one.get(qn("w:anchor")) for one in found.iter(qn("w:hyperlink"))]
    assert all(re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,39}", name) for name in names)
    assert len({name.casefold() for name in names}) == len(names) == 5
    assert len(set(ids)) == len(ids)
    assert set(links) <= set(names)
    assert len(links) == 2 * len(sections)
    assert ids == [one.get(qn("w:id")) for one in found.iter(qn("w:bookmarkEnd"))]


def test_bookmarks_differ_though_places_begin_alike() -> None:
    places = [f"at-{'x' * 50}{number}" for number in range(12)] + ["at-a.b", "at-a-b", "AT-A_B"]
    names = bookmarks(places)
    assert len({name.casefold() for name in names.values()}) == len(places)
    assert max(map(len, names.values())) == 40


def test_a_picture_is_an_image_whose_description_who_does_not_see_it_hears() -> None:
    made = docx.Document(BytesIO(document(report())))
    shapes = list(made.inline_shapes)
    charts = [block for section in report().sections for block in section.blocks if isinstance(block, Chart)]
    assert len(shapes) == len(charts) == 2
    for shape, chart in zip(shapes, charts, strict=True):
        about = shape._inline.docPr
        assert (about.get("title"), about.get("descr")) == (chart.title, chart.described)
        id_ = shape._inline.graphic.graphicData.pic.blipFill.blip.embed
        image = made.part.related_parts[id_].image
        assert image.content_type == "image/png"
        assert image.px_width / image.px_height == pytest.approx(shape.width / shape.height, rel=0.01)
        assert image.px_width > 400
    ids = [one.get("id") for one in made.element.body.iter(qn("wp:docPr"))]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("svg", ["", "<html/>", '<svg xmlns="http://www.w3.org/2000/svg"><rect/></svg>'])
def test_what_cannot_be_drawn_is_said_in_words(svg: str) -> None:
    chart = Chart(title="Otsikko", svg=svg, described="Kaksi riskiä pieneni.")
    section = Section(id="a", title="A", place="annex", blocks=(chart,))
    found = body(replace(report(), sections=(section,)))
    assert list(found.iter(qn("w:drawing"))) == []
    assert paragraphs(found)[-2:] == ["Otsikko", "Kaksi riskiä pieneni."]


def test_a_narrow_picture_keeps_its_shape_and_one_that_no_paper_holds_is_said_in_words() -> None:
    def shapes(box: str) -> list[float]:
        svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {box}"><rect width="1" height="9"/></svg>'
        section = Section(id="a", title="A", place="annex", blocks=(Chart(title="A", svg=svg, described="B"),))
        found = body(replace(report(), sections=(section,)))
        return [int(one.get("cy")) / int(one.get("cx")) for one in found.iter(qn("wp:extent"))]

    assert shapes("1 900") == [pytest.approx(900, rel=0.01)]
    assert shapes("0.0001 999999") == []


def test_the_styles_are_words_own_and_all_that_are_named_are_there() -> None:
    made = docx.Document(BytesIO(document(report())))
    known = {style.style_id: style.name for style in made.styles}
    named = [
        one.get(qn("w:val")) for tag in ("w:pStyle", "w:rStyle", "w:tblStyle") for one in made.element.iter(qn(tag))
    ]
    assert set(named) <= known.keys()
    assert {known[one] for one in named} >= {
        *("Title", "Heading 1", "Heading 2", "List Bullet", "List Number", "Caption", "Strong", "Hyperlink")
    }


def test_each_numbered_list_begins_with_one() -> None:
    numbered = Bullets((line("yksi"), line("kaksi")), numbered=True)
    section = Section(id="a", title="A", place="annex", blocks=(numbered, numbered))
    made = docx.Document(BytesIO(document(replace(report(), sections=(section,)))))
    used = [one.get(qn("w:val")) for one in made.element.body.iter(qn("w:numId"))]
    assert len(set(used)) == 2
    numbers = {one.get(qn("w:numId")): one for one in made.part.numbering_part.element.iter(qn("w:num"))}
    for id_ in used:
        assert numbers[id_].find(f".//{qn('w:startOverride')}").get(qn("w:val")) == "1"


@pytest.mark.parametrize(("language", "named"), [("fi", "fi-FI"), ("sv", "sv-FI"), ("en", "en-GB")])
def test_the_file_says_its_language_its_day_and_whose_it_is(language: str, named: str) -> None:
    made = docx.Document(BytesIO(document(report(language))))
    about = made.core_properties
    assert (about.language, about.title, about.author) == (
        *(named, report(language).title, "Esimerkkilän hyvinvointialue"),
    )
    assert about.created == about.modified
    assert about.created is not None
    assert about.created.date() == report().as_of
    assert made.styles.element.find(f".//{qn('w:lang')}").get(qn("w:val")) == named


def test_each_page_says_what_it_is_of_and_which_it_is_and_is_a4() -> None:
    made = docx.Document(BytesIO(document(report())))
    for section in made.sections:
        assert (section.page_width.mm, section.page_height.mm) == pytest.approx((210, 297), abs=0.1)
        foot = section.footer
        assert shown(foot._element) == (
            "Esimerkkilän hyvinvointialue · Riskienhallinnan ja tietoturvan katsaus · Salassa pidettävä1 / 1"
        )
        fields = [one.get(qn("w:instr")).strip() for one in foot._element.iter(qn("w:fldSimple"))]
        assert fields == ["PAGE", "NUMPAGES"]


def test_annexes_and_last_page_begin_on_new_pages() -> None:
    breaks = [one.getparent().getparent() for one in body(report()).iter(qn("w:pageBreakBefore"))]
    assert [shown(one) for one in breaks] == ["Liitteet", "Viimeinen sivu"]


def test_the_same_report_gives_the_same_bytes_and_no_moment_in_them_is_that_of_making() -> None:
    made = document(report())
    assert made == document(report())
    with ZipFile(BytesIO(made)) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(2026, 12, 31, 0, 0, 0)}
        assert not [name for name in archive.namelist() if "thumbnail" in name or "customXml" in name]


def test_columns_are_together_as_wide_as_the_page_and_hold_their_longest_words() -> None:
    def table(*cells: str, weights: tuple[int, ...]) -> Table:
        columns = tuple(Column(f"{at}", weight=weight) for at, weight in enumerate(weights))
        return Table(title="t", columns=columns, rows=(row_of(*cells),))

    wide = table("a word " * 40, "2026-11-23", "R-001", weights=(1, 1, 0))
    first, second, third = widths(wide, 10_000, 100, 0)
    assert first + second + third == 10_000
    assert second >= 1_000
    assert third >= 500
    assert first > 4 * second
    squeezed = widths(table(*["x" * 200] * 9, weights=(1,) * 9), 10_000, 100, 0)
    assert sum(squeezed) == 10_000
    assert max(squeezed) - min(squeezed) <= 1
    assert sum(widths(table("", "", weights=(1, 3)), 10_000, 100, 0)) == 10_000


def test_a_picture_of_a_report_is_drawn_with_the_signs_that_it_has() -> None:
    def with_sign(sign: str) -> Line:
        svg = matrix().svg.replace("R-004", sign)
        section = Section(id="a", title="A", place="annex", blocks=(replace(matrix(), svg=svg),))
        made = docx.Document(BytesIO(document(replace(report(), sections=(section,)))))
        id_ = made.inline_shapes[0]._inline.graphic.graphicData.pic.blipFill.blip.embed
        return made.part.related_parts[id_].image.sha1

    assert len({with_sign(sign) for sign in ("", "✓", "▲", "R-004")}) == 4
