"""What the texts and anchors of a Document are in each of its forms: one line, harmless, and where links lead."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from kyber.document import Document, Line, Section, Table
from kyber.privacy import shortened
from kyber.render.safe import plain

LONG: Final = 30
"""From how many letters on a word may be broken anywhere, every tenth letter."""
SHORT: Final = 100
"""Letters of a text that stands on every page."""
_LONG_WORD: Final = re.compile(rf"[^\s\u200b]{{{LONG},}}")
_PIECE: Final = re.compile(r".{10}(?=.)")
_BLANKS: Final = re.compile(r"[\t\r\n]+")
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")


def said(text: str) -> str:
    """A text as one visible line."""
    return plain(_BLANKS.sub(" ", text))


def broken(text: str) -> str:
    """The same, with U+200B in very long words, where they may be broken."""
    return parted(said(text))


def short(text: str) -> str:
    """A text as one visible line where it stands on every page."""
    return shortened(said(text), SHORT)


def parted(text: str) -> str:
    """The text with U+200B in very long words."""
    return _LONG_WORD.sub(lambda word: _PIECE.sub("\\g<0>\u200b", word[0]), text)


def line_of(line: Line) -> str:
    """A line without its links, as one visible line."""
    return "".join(said(piece.text) for piece in line)


def parts(document: Document) -> tuple[list[Section], list[Section], list[Section]]:
    """The sections of the first page, the annexes, and those of the last page."""
    first, annexes, last = ([one for one in document.sections if one.place == at] for at in ("first", "annex", "last"))
    return first, annexes, last


def anchors(document: Document) -> Mapping[str, str]:
    """Each anchor that a link may name -> one that every form can hold. Of two that are alike the first one counts."""
    found: dict[str, str] = {}
    for anchor in _anchors(document):
        if anchor and anchor not in found:
            found[anchor] = f"at-{anchor}" if _NAME.fullmatch(anchor) else f"place-{len(found)}"
    return found


def _anchors(document: Document) -> Iterator[str]:
    for section in document.sections:
        yield section.id
        for block in section.blocks:
            if isinstance(block, Table):
                yield from (row.anchor for row in block.rows)


class Places:
    """Hands each anchor of a document out once, where it stands first; links to what is not there lead nowhere."""

    def __init__(self, document: Document) -> None:
        self._known = anchors(document)
        self._left = dict(self._known)

    def all(self) -> Iterator[str]:
        """Every place, in the order of reading."""
        yield from self._known.values()

    def link(self, anchor: str) -> str:
        """The place that a link leads to; empty: none."""
        return self._known.get(anchor, "")

    def take(self, anchor: str) -> str:
        """The place's name where it stands; empty the second time."""
        return self._left.pop(anchor, "")
