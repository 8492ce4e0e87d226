"""The report as PDF: one page and what stands behind it, for everybody's eyes and ears."""

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader, PdfWriter
from pypdf.generic import NameObject

from kyber.document import Block, Bullets, Chart, Column, Document, Line, Paragraph, Piece, Section, Table, row
from kyber.errors import UsageError
from kyber.render import printout_pdf, typst
from kyber.render.document_json import loads
from kyber.render.document_pdf import document
from kyber.render.picture import clean
from kyber.render.safe import plain
from kyber.render.said import said
from kyber.text import LANGUAGES, words_for
from tests.cli.run import kyber
from tests.elastic.server import NEEDED, locked
from tests.render import verapdf
from tests.render.documents import filled, matrix, report
from tests.render.test_printout import HOSTILE, packed, paper, text_of_pdf

DAY: Final = "2026-11-23"
A4: Final = (595, 842)
BOMB: Final = "".join(f'<g id="a{n}"><use href="#a{n + 1}"/><use href="#a{n + 1}"/></g>' for n in range(30))
"""A picture of a thousand million parts."""


@pytest.fixture(scope="module")
def examples(run_folder: Path) -> Mapping[str, Document]:
    """The report of the example and of a scan of its own logs, by language; made once in a run."""
    whole = run_folder / "examples"
    with locked(run_folder / "examples.lock"):
        if not whole.exists():
            _make(run_folder / "county", whole)
    return {language: loads((whole / language).read_bytes(), language) for language in LANGUAGES}


def _make(folder: Path, into: Path) -> None:
    assert kyber("init", folder, "--language", "fi").exit_code == 0
    was = Path.cwd()
    os.chdir(folder)
    try:
        assert kyber("scan").exit_code == 0
        reports = {}
        for language in LANGUAGES:
            run = kyber("report", "--as-of", DAY, "--language", language, "--format", "json", "--no-save")
            assert run.exit_code == 0, run.output
            reports[language] = run.stdout
    finally:
        os.chdir(was)
    into.mkdir()
    for language, content in reports.items():
        (into / language).write_text(content, encoding="utf-8")


def pages(content: bytes, first: int | None = None) -> list[str]:
    return [packed(page.extract_text()) for page in PdfReader(BytesIO(content)).pages[:first]]


def texts(section: Section) -> Iterator[str]:
    """What a section says in letters, in its order."""

    def whole(found: Line) -> str:
        return "".join(piece.text for piece in found)

    yield section.title
    for block in section.blocks:
        match block:
            case Paragraph():
                yield whole(block.line)
            case Bullets():
                yield from map(whole, block.items)
            case Table():
                if block.rows:
                    yield from (column.head for column in block.columns)
                for row in block.rows:
                    yield from map(whole, row.cells)


def shown(text: str) -> str:
    return packed(typst.shown(said(text)))


def in_order(text: str, parts: list[str]) -> None:
    """Each part stands in the text, after the one before it."""
    at = 0
    for part in parts:
        found = text.find(part, at)
        assert found >= 0, f"{part!r} is not behind {text[max(0, at - 60) : at]!r}"
        at = found + len(part)


def roles(content: bytes) -> Counter[str]:
    """What a PDF says that its parts are."""

    def walk(node: Any) -> Iterator[str]:
        node = node.get_object() if hasattr(node, "get_object") else node
        if isinstance(node, list):
            for one in node:
                yield from walk(one)
        elif isinstance(node, dict):
            yield from [str(node["/S"])] if "/S" in node else []
            yield from walk(node.get("/K"))

    return Counter(walk(PdfReader(BytesIO(content)).trailer["/Root"]["/StructTreeRoot"]))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_first_page_of_the_example_is_one_sheet_and_the_annexes_begin_on_the_next(
    examples: Mapping[str, Document], language: str
) -> None:
    made = examples[language]
    content = document(made)
    first, second = pages(content, 2)
    front = [one for one in made.sections if one.place == "first"]
    assert len(front) == 9
    for one in front:
        assert shown(one.title) in first
        assert all(shown(text) in first for text in texts(one) if not text.startswith(("●", "○")))
    annexes = packed(words_for(language)("document.annexes"))
    assert second.startswith(annexes)
    assert annexes not in first
    assert [round(float(side)) for side in PdfReader(BytesIO(content)).pages[0].mediabox[2:]] == list(A4)


def test_every_text_stands_in_the_order_of_the_report(examples: Mapping[str, Document]) -> None:
    made = report()
    whole = "".join(re.sub(r"·Salassapidettävä\d+/\d+$", "", page) for page in pages(document(made)))
    in_order(whole, [shown(text) for one in made.sections for text in texts(one)])
    example = text_of_pdf(document(examples["fi"]))
    in_order(example, [shown(one.title) for one in examples["fi"].sections])


def test_a_first_page_that_cannot_fit_goes_on_and_loses_nothing() -> None:
    made = report()
    much = tuple(
        replace(one, blocks=one.blocks * 12) if one.id in ("findings", "coverage", "top-risks") else one
        for one in made.sections
    )
    found = pages(document(replace(made, sections=much)))
    annexes = packed(words_for("fi")("document.annexes"))
    assert [page.startswith(annexes) for page in found[:3]] == [False, False, True]
    assert "".join(found).count(packed("3 riskiä 41:stä on arvioimatta")) >= 12


def test_type_is_smaller_where_the_first_page_has_more_and_never_too_small_to_read() -> None:
    made = report()

    def smallest(many: int) -> float:
        sections = tuple(
            replace(one, blocks=one.blocks * many) if one.id == "findings" else one for one in made.sections
        )
        page = PdfReader(BytesIO(document(replace(made, sections=sections)))).pages[0]
        sizes: list[float] = []
        page.extract_text(
            visitor_text=lambda text, _cm, tm, _font, size: (
                sizes.append(abs(tm[3]) * size) if made.sections[6].title in text or "Lokien" in text else None
            )
        )
        return min(sizes)

    few, more, most = map(smallest, (1, 7, 40))
    assert few > more > most - 0.01
    assert most >= 6.9


def test_a_report_says_its_title_its_language_and_where_its_parts_begin(examples: Mapping[str, Document]) -> None:
    made = examples["sv"]
    read = PdfReader(BytesIO(document(made)))
    assert read.metadata is not None
    assert read.metadata.title == made.title
    assert read.trailer["/Root"]["/Lang"] == "sv"
    assert b"<pdfuaid:part>1</pdfuaid:part>" in read.trailer["/Root"]["/Metadata"].get_object().get_data()

    def named(found: list[Any]) -> Iterator[str]:
        for one in found:
            if isinstance(one, list):
                yield from named(one)
            else:
                yield str(one.title)

    listed = list(named(read.outline))
    expected = [one.title for one in made.sections]
    expected.insert(9, words_for("sv")("document.annexes"))
    expected.insert(-1, words_for("sv")("document.last"))
    assert listed == expected


def test_a_table_that_goes_on_bears_its_heads_on_each_page_and_is_one_table_to_a_screen_reader() -> None:
    made = report(risks=120)
    content = document(made)
    table = next(one for section in made.sections if section.id == "all-risks" for one in section.blocks)
    assert isinstance(table, Table)
    heads = "".join(shown(column.head) for column in table.columns)
    assert sum(heads in page for page in pages(content)) >= 4
    found = roles(content)
    assert found["/Table"] == 3
    assert found["/THead"] == 3
    assert found["/TH"] == 5 + 3 + 5
    assert found["/Figure"] == 2
    assert found["/H1"] == 9 + 2
    assert found["/H2"] == 3


def test_links_lead_to_their_rows_and_a_picture_has_its_words() -> None:
    read = PdfReader(BytesIO(document(report())))
    links = [one.get_object() for one in read.pages[0].get("/Annots", [])]
    assert len(links) == 6
    tops = {float(one["/A"]["/D"][3] if "/A" in one else one["/Dest"][3]) for one in links}
    assert len(tops) == 5

    def alternatives(node: Any) -> Iterator[str]:
        node = node.get_object() if hasattr(node, "get_object") else node
        if isinstance(node, list):
            for one in node:
                yield from alternatives(one)
        elif isinstance(node, dict):
            yield from [str(node["/Alt"])] if "/Alt" in node else []
            yield from alternatives(node.get("/K"))

    chart = matrix()
    assert list(alternatives(read.trailer["/Root"]["/StructTreeRoot"])) == [f"{chart.title}: {chart.described}"] * 2


@pytest.mark.parametrize(
    "svg",
    [
        "",
        "no picture",
        '<svg xmlns="http://www.w3.org/2000/svg"/>',
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 0"/>',
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 nan inf"/>',
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><defs>{BOMB}</defs><use href="#a0"/></svg>',
    ],
)
def test_a_picture_that_cannot_be_drawn_becomes_its_description(svg: str) -> None:
    chart = Chart(title="Kuva", svg=svg, described="Kuvan voi sanoa sanoin.")
    sections = tuple(replace(one, blocks=(chart, matrix())) for one in report().sections if one.id == "method")
    content = document(replace(report(), sections=sections))
    assert packed(chart.described) in text_of_pdf(content)
    assert roles(content)["/Figure"] == 1


def test_numbers_beyond_all_paper_are_left_out_of_a_picture_and_do_not_end_the_program() -> None:
    path = '<path d="M0 0 L1e38 1e38 L-1e38 3e38z"/><path d="M0 0L123456789012345678901234567890123456789 1"/>'
    path += '<path d="M0 0L1234567 1"/>'
    kept = '<rect x="0.123456789" width="123456" fill="#1e1000"/>'
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9">{path}{kept}</svg>'
    assert clean(svg, "p-", "t", "d").endswith(f"{'<path></path>' * 3}{kept.replace('/>', '></rect>')}</svg>")
    sections = tuple(
        replace(one, blocks=(Chart(title="Kuva", svg=svg, described="Iso."),))
        for one in report().sections
        if one.id == "method"
    )
    assert roles(document(replace(report(), sections=sections)))["/Figure"] == 1


@pytest.mark.parametrize(
    ("block", "what"),
    [
        (Table(title="T", columns=(Column("A"),), rows=(row("x"),) * 6_001), "6,001 rows"),
        (Bullets(((Piece("x" * 20_000),),) * 101), "2,020,000 letters"),
        (Bullets(((Piece("x"),),) * 50_000), "lines and pieces"),
    ],
)
def test_what_is_too_long_to_be_set_is_told_and_not_tried(block: Block, what: str) -> None:
    section = Section(id="a", title="A", place="annex", blocks=(block,))
    with pytest.raises(UsageError, match=f"too long for PDF: .*{what}"):
        document(replace(report(), sections=(section,)))


def test_what_stands_on_every_page_is_short_there() -> None:
    made = replace(report(), title="Title " * 2_000, organisation="County " * 2_000, label="Label " * 2_000)
    pages = PdfReader(BytesIO(document(made))).pages
    assert len(pages[-1].extract_text()) < 10_000


def test_a_tall_picture_goes_on_on_the_next_page_and_each_of_its_texts_is_whole_on_one() -> None:
    rows = "".join(f'<text x="9" y="{20 + 17 * n}" font-size="13">rivi {n}.</text>' for n in range(160))
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 900 2800" width="900" height="2800">{rows}</svg>'
    chart = Chart(title="Vuosi", svg=svg, described="Sata kuusikymmentä riviä.")
    sections = tuple(replace(one, blocks=(chart,)) for one in report().sections if one.id == "method")
    content = document(replace(report(), sections=sections))
    assert roles(content)["/Figure"] == 3
    assert len(PdfReader(BytesIO(content)).pages) == 4


def test_a_picture_wider_than_paper_gets_a_sheet_across() -> None:
    svg = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 2000 900"><rect width="2000" height="900"/></svg>'
    chart = Chart(title="Palvelut", svg=svg, described="Mitä palvelut tarvitsevat.")
    sections = tuple(replace(one, blocks=(chart,)) for one in report().sections if one.id in ("method", "unseen"))
    sides = [page.mediabox[2:] for page in PdfReader(BytesIO(document(replace(report(), sections=sections)))).pages]
    assert [width > height for width, height in sides].count(True) == 2


def test_a_text_of_every_letter_that_can_be_shown_is_shown_in_every_place() -> None:
    known = "".join(letter for letter in map(chr, range(0x20, 0x2800)) if typst.shown(plain(letter)) == letter)
    assert {"å", "●", "✓", "→"} <= set(known)
    whole = " ".join(known[at : at + 20] for at in range(0, len(known), 20))
    made = filled(whole)
    assert document(replace(made, sections=made.sections[-1:])).startswith(b"%PDF")


@pytest.mark.parametrize("text", [*HOSTILE, "continuity/services/" + "a_long-name." * 9])
def test_a_hostile_text_is_shown_in_the_report_and_never_markup(text: str) -> None:
    content = document(filled(text))
    assert packed(content_of := typst.shown(said(text)))
    assert packed(content_of) in text_of_pdf(content)
    assert roles(content).keys() <= roles(document(filled("Teksti"))).keys()


@settings(max_examples=8)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_any_text_makes_a_report(text: str) -> None:
    assert document(filled(text)).startswith(b"%PDF")


def test_the_same_report_has_the_same_bytes(examples: Mapping[str, Document]) -> None:
    assert document(examples["fi"]) == document(examples["fi"])
    assert document(filled(HOSTILE[0])) == document(filled(HOSTILE[0]))


def test_another_program_judges_every_paper_to_be_accessible(examples: Mapping[str, Document], tmp_path: Path) -> None:
    made = {f"report-{language}": document(one) for language, one in examples.items()}
    made["hostile"] = document(filled(" ".join(HOSTILE)))
    made["card"] = printout_pdf.document(paper(*HOSTILE))
    untagged = PdfWriter(clone_from=BytesIO(made["card"]))
    for name in ("/StructTreeRoot", "/MarkInfo"):
        del untagged.root_object[NameObject(name)]
    written = BytesIO()
    untagged.write(written)
    made["untagged"] = written.getvalue()
    files = []
    for name, content in made.items():
        files.append(tmp_path / f"{name}.pdf")
        files[-1].write_bytes(content)
    try:
        judged = verapdf.breaches(files)
    except verapdf.Missing as missing:
        if os.environ.get(NEEDED) == "1":
            pytest.fail(f"no veraPDF: {missing}", pytrace=False)
        pytest.skip(f"no veraPDF: {missing}")
    assert judged.keys() == {file.name for file in files}
    assert any("7.1" in one for one in judged.pop("untagged.pdf"))
    assert set(map(tuple, judged.values())) == {()}
