import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from kyber.document import Bullets, Chart, Column, Document, Line, Paragraph, Piece, Section, Table
from kyber.document import row as row_of
from kyber.render.document_markdown import text_of
from kyber.render.markdown import unlinked
from kyber.render.said import line_of, said
from tests.render.documents import filled, line, report
from tests.render.test_printout import HOSTILE

NASTY = (
    *HOSTILE,
    "| a | b |\n|---|---|",
    "\\| \\\\| \\",
    "![x](http://a.example/x.png) [^1] [x]: /y \"z\"",
    "<https://a.example> <a@b.example> &amp; &#60;b&#62; &nbsp;",
    "***\n---\n===\n```\n~~~\n:---:",
    "    code",
    "> [!NOTE] **x** __y__ ~~z~~ $x$",
    "1) one 2. two",
    "lone \ud800, no letter \uffff, \x00",
    "=cmd|'/c calc'!A1",
    "",
)  # fmt: skip


def tokens(text: str) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(text)


def inlines(text: str) -> Iterator[list[Token]]:
    yield from (one.children or [] for one in tokens(text) if one.type == "inline")


def shown(children: list[Token]) -> str:
    """What a reader sees of it."""
    assert {one.type for one in children} <= {
        "text",
        "strong_open",
        "strong_close",
        "link_open",
        "link_close",
        "html_inline",
    }
    return "".join(one.content for one in children if one.type == "text")


def texts(made: Document) -> Iterator[str]:
    """Every text, in the order of reading."""
    yield said(made.title)
    for section in made.sections:
        yield said(section.title)
        for block in section.blocks:
            match block:
                case Paragraph():
                    yield line_of(block.line)
                case Bullets():
                    yield from map(line_of, block.items)
                case Table():
                    yield said(block.title)
                    yield from (said(one.head) for one in block.columns if block.rows)
                    yield from (line_of(cell) for row in block.rows for cell in row.cells)
                    yield from () if block.rows else (said(block.empty),)
                case Chart():
                    yield from map(said, (block.title, block.described))


def of_one(*lines: Line) -> Document:
    """A report of some paragraphs."""
    section = Section(id="there", title="Otsikko", place="annex", blocks=tuple(map(Paragraph, lines)))
    return replace(report(), sections=(section,))


@pytest.mark.parametrize("language", ["fi", "sv", "en"])
def test_every_text_of_the_report_is_read_in_its_order(language: str) -> None:
    made = report(language)
    found = iter([shown(one) for one in inlines(text_of(made))])
    assert [one for one in texts(made) if one not in found] == []


@pytest.mark.parametrize("text", NASTY)
def test_a_hostile_text_is_read_as_it_is_and_never_as_markup(text: str) -> None:
    made = filled(text)
    found = iter([shown(one).strip(" ") for one in inlines(text_of(made))])
    assert [one for one in map(str.strip, texts(made)) if one and one not in found] == []
    loud, quiet = tokens(text_of(made)), tokens(text_of(filled("Teksti")))
    assert {one.type for one in loud} <= {one.type for one in quiet}
    html = {one.content for children in inlines(text_of(made)) for one in children if one.type == "html_inline"}
    assert all(re.fullmatch(r'<a id="[A-Za-z][\w.-]*">|</a>', one) for one in html)
    links = [one.attrGet("href") for children in inlines(text_of(made)) for one in children if one.type == "link_open"]
    assert all(f'<a id="{str(one)[1:]}">' in html for one in links)


@pytest.mark.parametrize("text", NASTY)
def test_each_table_has_as_many_rows_and_cells_as_the_report_has(text: str) -> None:
    made = filled(text)
    kinds = [one.type for one in tokens(text_of(made))]
    tables = [block for one in made.sections for block in one.blocks if isinstance(block, Table) and block.rows]
    assert kinds.count("table_open") == len(tables)
    assert kinds.count("th_open") == sum(len(one.columns) for one in tables)
    assert kinds.count("td_open") == sum(len(row.cells) for one in tables for row in one.rows)
    assert kinds.count("bullet_list_open") == 1 + len(made.sections)
    assert kinds.count("list_item_open") == len(made.facts) + 3 * len(made.sections)


PIECES = st.lists(
    st.builds(
        Piece,
        st.text(st.one_of(st.sampled_from("!*_[]()\\|<>&$`~#-+=1. a\n:/w"), st.characters()), max_size=6),
        st.sampled_from(["", "there", "nowhere"]),
        strong=st.booleans(),
    ),
    max_size=5,
)


@given(PIECES)
def test_pieces_beside_each_other_are_read_as_they_are_with_their_links(pieces: list[Piece]) -> None:
    made = of_one((Piece("«"), *pieces, Piece("»")))
    found = next(one for one in inlines(text_of(made)) if "«" in shown(one))
    assert shown(found) == f"«{''.join(said(one.text) for one in pieces)}»"
    assert [one.attrGet("href") for one in found if one.type == "link_open"] == [
        "#at-there" for one in pieces if one.text and one.to == "there"
    ]


@given(st.text(max_size=12), PIECES)
def test_whatever_a_paragraph_begins_with_it_is_one_paragraph(text: str, pieces: list[Piece]) -> None:
    made = of_one((Piece(text), *pieces, Piece("»")), line("after"))
    kinds = [one.type for one in tokens(text_of(made)) if one.level == 0]
    assert kinds.count("paragraph_open") == 3
    assert not {"code_block", "fence", "html_block", "hr", "table_open", "ordered_list_open"} & set(kinds)


def test_numbers_stand_to_the_right_and_an_empty_table_says_so() -> None:
    table = Table(title="T", columns=(Column("a"), Column("b", right=True)), rows=(row_of("x", "1"),))
    section = Section(id="a", title="A", place="annex", blocks=(table, replace(table, rows=(), empty="Tyhjä.")))
    text = text_of(replace(report(), sections=(section,)))
    assert "| a | b |\n|---|--:|\n| x | 1 |" in text
    assert text.endswith("#### T\n\nTyhjä.\n")


def test_two_lists_one_behind_the_other_stay_two() -> None:
    for numbered in (True, False):
        lists = tuple(Bullets((line("yksi"), line("kaksi")), numbered=numbered) for _ in range(3))
        section = Section(id="a", title="A", place="annex", blocks=lists)
        kinds = [one.type for one in tokens(text_of(replace(report(), facts=(), sections=(section,))))]
        assert kinds.count("ordered_list_open" if numbered else "bullet_list_open") == 3


def test_an_anchor_stands_only_where_something_leads_to_it() -> None:
    text = text_of(report())
    sought = {f"at-{one}" for one in re.findall(r"\]\(#at-([\w.-]+)\)", text)}
    assert set(re.findall(r'<a id="([^"]+)"></a>', text)) == sought
    assert "at-R-001" in sought


@pytest.mark.parametrize("address", ["https://a.example", "HTTP://a.example", "www.a.example", "ftp://a.example"])
def test_what_looks_like_an_address_is_cut_where_a_link_would_be_made_of_it(address: str) -> None:
    made = unlinked(address)
    assert not re.search(r"(?i)(?<!\\)://|www\.", made)
    assert next(inlines(made))[0].content == address or shown(next(inlines(made))) == address


def test_the_same_report_gives_the_same_text() -> None:
    assert text_of(report()) == text_of(report())
