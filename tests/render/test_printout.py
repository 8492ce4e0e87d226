import re
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from pypdf import PdfReader

from kyber.render import printout_html, printout_markdown, printout_pdf, typst
from kyber.render.printout import Column, Facts, Grid, Items, Part, Printout, Section, Text, Use
from kyber.render.safe import plain

HOSTILE = (
    "#eval(1) $x$ @label <b>bold</b> *star* _line_ `code` = head \\ [x](http://a.example) {{ 1 }} {% x %}",
    "</style><script>alert(1)</script><!-- & &lt; -->",
    "turned \u202e round, \u0000\u001b[31m red\u0007, and \ufeffunseen",
    "a letter that no font has: \U0001f9ff 漢 \ue000",
    "- not a list\n# not a heading\n1. not a number\n| not | a table |\n    not code",
    "x" * 400,
)


def paper(*texts: str, language: str = "fi") -> Printout:
    """A paper with each text in every place where one can stand."""
    first = texts[0]
    columns = (
        Column(head=first, share=1, use=Use.TICK),
        Column(head="Mitä", share=3, use=Use.LEAD),
        Column(head="Puhelin", share=2, use=Use.LARGE),
        Column(head="Huom", share=2),
        Column(head="Kello", share=1, use=Use.ROOM),
    )
    return Printout(
        language=language,
        over=first,
        title=first,
        facts=Facts(tuple((text, text) for text in texts)),
        sections=(
            Section(heading=first, blocks=(Text(texts), Items(texts))),
            Section(heading="Vaiheet", blocks=(Grid(columns, tuple(("", text, text, text, "") for text in texts)),)),
            Section(heading="Osat", blocks=tuple(Part(heading=text, text=text, ruled=1) for text in texts)),
        ),
        foot=first,
    )


class Seen(HTMLParser):
    """The elements of a page with their attributes, and the text that a reader sees."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.style = ""
        self._in_style = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._in_style = tag == "style"
        self.text += "\n" if tag == "br" else ""

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.style += data
        else:
            self.text += data

    def tags(self) -> set[str]:
        return {tag for tag, _ in self.elements}


def text_of_pdf(content: bytes) -> str:
    """The text of a PDF in reading order, without what breaks lines and words on paper."""
    whole = "\n".join(page.extract_text() for page in PdfReader(BytesIO(content)).pages)
    return re.sub(r"[\s\u00ad\u200b\u2010-]+", "", whole)


def packed(text: str) -> str:
    return re.sub(r"[\s\u00ad\u200b\u2010-]+", "", text)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_is_shown_and_never_markup(text: str) -> None:
    quiet, loud = paper("Kortti"), paper(text)
    page = Seen(printout_html.page(loud))
    assert page.tags() - {"br"} == Seen(printout_html.page(quiet)).tags()
    assert all(not name.startswith("on") and name != "style" for _, found in page.elements for name in found)
    for line in text.split("\n"):
        assert page.text.count(plain(line)) >= 12
        shown = typst.shown(plain(line))
        assert packed(shown) in text_of_pdf(printout_pdf.document(loud))
    tree = {one.type for one in MarkdownIt("commonmark").enable("table").parse(printout_markdown.text_of(loud))}
    assert tree == {
        one.type for one in MarkdownIt("commonmark").enable("table").parse(printout_markdown.text_of(quiet))
    }


def test_a_page_loads_nothing_and_runs_nothing() -> None:
    page = Seen(printout_html.page(paper(*HOSTILE)))
    assert page.tags().isdisjoint({"script", "link", "img", "iframe", "object", "a", "form"})
    assert "url(" not in page.style
    assert "@import" not in page.style
    policy = next(found["content"] for tag, found in page.elements if tag == "meta" and "http-equiv" in found)
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'sha256-")


def test_a_screen_reader_finds_the_language_the_headings_and_what_heads_a_cell() -> None:
    page = Seen(printout_html.page(paper("Kortti", language="sv")))
    assert ("html", {"lang": "sv"}) in page.elements
    headings = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert headings == [1, 2, 2, 2, 3]
    scopes = [found.get("scope") for tag, found in page.elements if tag == "th"]
    assert scopes == ["col"] * 5 + ["row"]


def test_the_foot_of_a_page_cannot_leave_its_quotes() -> None:
    page = Seen(printout_html.page(paper('P-001"; } body { display: none } </style>')))
    made = re.search(r'@bottom-left \{ content: "((?:[A-Za-z0-9 ]|\\[0-9a-f]{6} )*)"; \}', page.style)
    assert made is not None
    told = re.sub(r"\\([0-9a-f]{6}) ", lambda found: chr(int(found[1], 16)), made[1])
    assert told == 'P-001"; } body { display: none } </style>'


def test_a_pdf_says_what_it_is_and_what_language_it_speaks() -> None:
    read = PdfReader(BytesIO(printout_pdf.document(paper("Kortti åäö § –", language="sv"))))
    assert read.metadata is not None
    assert read.metadata.title == "Kortti åäö § –"
    root = read.trailer["/Root"]
    assert root["/Lang"] == "sv"
    assert root["/MarkInfo"]["/Marked"]
    assert "/StructTreeRoot" in root
    assert b"<pdfuaid:part>1</pdfuaid:part>" in root["/Metadata"].get_object().get_data()


def test_a_pdf_tells_a_screen_reader_what_is_a_heading_a_list_and_a_heading_of_a_table() -> None:
    def roles(node: Any) -> Iterator[str]:
        node = node.get_object() if hasattr(node, "get_object") else node
        if isinstance(node, list):
            for one in node:
                yield from roles(one)
        elif isinstance(node, dict):
            yield from [str(node["/S"])] if "/S" in node else []
            yield from roles(node.get("/K"))

    read = PdfReader(BytesIO(printout_pdf.document(paper("Kortti"))))
    found = Counter(roles(read.trailer["/Root"]["/StructTreeRoot"]))
    assert {one: found[one] for one in ("/Title", "/H1", "/H2", "/L", "/THead", "/TH")} == {
        "/Title": 1,
        "/H1": 3,
        "/H2": 1,
        "/L": 1,
        "/THead": 1,
        "/TH": 5,
    }


def test_a_pdf_has_its_fonts_within_it_and_none_of_this_machine() -> None:
    fonts = set()
    for page in PdfReader(BytesIO(printout_pdf.document(paper("Kortti ☐ ≤ → ½ Ω Я")))).pages:
        for font in page["/Resources"]["/Font"].values():
            below = font.get_object()["/DescendantFonts"][0].get_object()
            fonts.add(below["/BaseFont"].split("+")[1].split("-")[0])
            assert {"/FontFile3", "/FontFile2"} & below["/FontDescriptor"].keys()
    assert fonts <= {"LibertinusSerif", "DejaVuSansMono"}


def test_letters_that_are_taken_to_be_in_the_fonts_are_in_them() -> None:
    known = [letter for letter in map(chr, range(0x20, 0x2800)) if typst.shown(plain(letter)) == letter]
    assert set("åäöÅÄÖ§–”’€…✓") <= set(known)
    rows = tuple(("", text, text, text, "") for text in [" ".join(known)])
    columns = tuple(Column(head=use, share=1, use=use) for use in (Use.TICK, Use.LEAD, Use.LARGE, Use.TEXT, Use.ROOM))
    whole = paper("Kortti")
    made = printout_pdf.document(
        Printout(
            language="fi",
            over="x",
            title="x",
            facts=whole.facts,
            sections=(Section(heading="x", blocks=(Grid(columns, rows),)),),
            foot="x",
        )
    )
    assert PdfReader(BytesIO(made)).pages


def test_the_same_paper_has_the_same_bytes() -> None:
    for laid_out in (printout_pdf.document, printout_html.page, printout_markdown.text_of):
        assert laid_out(paper(*HOSTILE)) == laid_out(paper(*HOSTILE))


def test_no_row_is_cut_and_each_page_of_a_table_begins_with_its_heading() -> None:
    columns = (Column(head="Otsikko", share=1, use=Use.LEAD), Column(head="Sisältö", share=1))
    rows = tuple((f"alku{n}", "\n".join(["rivi"] * 7) + f"\nloppu{n}") for n in range(40))
    whole = paper("Kortti")
    long = Printout(
        language="fi",
        over="x",
        title="x",
        facts=whole.facts,
        sections=(Section(heading="Taulu", blocks=(Grid(columns, rows),)),),
        foot="x",
    )
    pages = [page.extract_text() for page in PdfReader(BytesIO(printout_pdf.document(long))).pages]
    assert len(pages) > 5
    for number, page in enumerate(pages, 1):
        assert "Otsikko" in page
        assert f"{number} / {len(pages)}" in page
        assert re.findall(r"alku(\d+)", page) == re.findall(r"loppu(\d+)", page)


@pytest.mark.parametrize("text", ["sana " * 3_000, "\n".join(f"rivi {n}" for n in range(150)), "z" * 6_000])
def test_a_text_that_needs_more_than_a_page_is_whole_on_paper(text: str) -> None:
    columns = tuple(Column(head="x", share=share) for share in (1, 5, 2))
    section = Section(heading="x", blocks=(Grid(columns, (("", text, ""),)), Part(heading="x", text=text)))
    made = Printout(language="fi", over="x", title="x", facts=Facts(()), sections=(section,), foot="x")
    read = text_of_pdf(printout_pdf.document(made))
    for word in {*text.split()}:
        assert read.count(packed(word)) >= 2 * text.split().count(word) or len(word) > 1_000
    assert read.count("z") in (0, 12_000)


@settings(max_examples=25, deadline=None)
@given(st.text(min_size=1, max_size=80))
def test_any_text_can_be_laid_out(text: str) -> None:
    made = paper(text)
    assert printout_pdf.document(made).startswith(b"%PDF")
    page = printout_html.page(made)
    assert Seen(page).tags() - {"br"} == Seen(printout_html.page(paper("x"))).tags()
    page.encode()
    printout_markdown.text_of(made).encode()
