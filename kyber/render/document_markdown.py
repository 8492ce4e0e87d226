"""A Document in, Markdown of GitHub's kind out: for a repository, a wiki, or to be read as it is.

Texts are no markup; links lead to anchors within the page. A picture is its title and its description.
"""

from collections.abc import Iterator
from typing import Final

from kyber.document import Block, Bullets, Chart, Document, Line, Paragraph, Piece, Section, Table, lines
from kyber.render.markdown import begun, marked, row, unlinked
from kyber.render.said import Places, said
from kyber.text import words_for

PARTS: Final = {"first": "document.first", "annex": "document.annexes", "last": "document.last"}


def text_of(made: Document) -> str:
    """The whole text; the same for the same Document."""
    return "\n".join(_Text(made).lines()) + "\n"


class _Text:
    """The text while it is written; anchors stand only where something leads to them."""

    def __init__(self, made: Document) -> None:
        self._made = made
        self._words = words_for(made.language)
        self._places = Places(made)
        self._sought = {self._places.link(piece.to) for line in _lines_of(made) for piece in line}

    def lines(self) -> Iterator[str]:
        made = self._made
        yield begun(" · ".join(_text(one) for one in (made.organisation, made.label) if said(one)))
        yield f"\n# {_text(made.title)}\n"
        for name, value in made.facts:
            yield f"- {begun(_text(name))}: {_text(value)}"
        part = ""
        for section in made.sections:
            if section.place != part:
                part = section.place
                yield f"\n## {self._words(PARTS[part])}"
            yield from self._section(section)

    def _section(self, section: Section) -> Iterator[str]:
        yield f"\n### {self._anchor(section.id)}{_text(section.title)}"
        before: Block | None = None
        other = False
        for block in section.blocks:
            other = _follows(block, before) and not other
            before = block
            match block:
                case Paragraph(line, kind):
                    yield f"\n{'> ' if kind == 'lead' else ''}{begun(self._line(line))}"
                case Bullets():
                    yield from self._bullets(block, other)
                case Table():
                    yield from self._table(block)
                case Chart():
                    yield f"\n#### {_text(block.title)}\n\n{begun(_text(block.described))}"

    def _bullets(self, bullets: Bullets, other: bool) -> Iterator[str]:
        """The list; `other`: with signs that tell it from the one before."""
        yield ""
        for number, item in enumerate(bullets.items, 1):
            sign = f"{number}{')' if other else '.'}" if bullets.numbered else "*" if other else "-"
            yield f"{sign} {begun(self._line(item))}"

    def _table(self, table: Table) -> Iterator[str]:
        yield f"\n#### {_text(table.title)}\n"
        if not table.rows:
            yield begun(_text(table.empty or self._words("document.empty")))
            return
        yield row(_text(column.head) for column in table.columns)
        yield f"|{'|'.join('--:' if column.right else '---' for column in table.columns)}|"
        for one in table.rows:
            first, *rest = map(self._line, one.cells)
            yield row((self._anchor(one.anchor) + first, *rest))

    def _line(self, line: Line) -> str:
        made, was_strong = "", False
        for piece in line:
            text = _text(piece.text)
            is_strong = _may_be_strong(piece) and not was_strong
            text = f"**{text}**" if is_strong else text
            if text and (place := self._places.link(piece.to)):
                made = f"{made[:-1]}\\!" if made.endswith("!") else made  # a sign before a link makes a picture of it
                text = f"[{text}](#{place})"
            made, was_strong = made + text, is_strong or (was_strong and not text)
        return made

    def _anchor(self, anchor: str) -> str:
        place = self._places.take(anchor)
        return f'<a id="{place}"></a>' if place in self._sought and place else ""


def _lines_of(made: Document) -> Iterator[Line]:
    return (line for section in made.sections for block in section.blocks for line in lines(block))


def _follows(block: Block, before: Block | None) -> bool:
    """Whether a list stands behind one of its kind, where both would be taken for one."""
    return isinstance(block, Bullets) and isinstance(before, Bullets) and block.numbered == before.numbered


def _may_be_strong(piece: Piece) -> bool:
    """Signs of emphasis count everywhere only beside letters and digits."""
    text = said(piece.text)
    return piece.strong and text[:1].isalnum() and text[-1:].isalnum()


def _text(text: str) -> str:
    return unlinked(marked(said(text)))
