"""A printout in, a tagged PDF of A4 pages out: the same bytes for the same printout, on any machine."""

import re
from typing import Any, Final

from kyber.render.printout import Block, Facts, Grid, Items, Part, Printout, Text, lines
from kyber.render.typst import pdf

LONG: Final = 40
"""From how many letters on a word is broken where it does not fit."""
_LONG_WORD: Final = re.compile(rf"[^\s\u200b]{{{LONG},}}")
_PIECE: Final = re.compile(r".{10}(?=.)")


def document(printout: Printout) -> bytes:
    """The whole paper."""
    return pdf("printout.typ", _data(printout))


def _data(printout: Printout) -> dict[str, Any]:
    return {
        "language": printout.language,
        "over": _text(printout.over),
        "title": _text(printout.title),
        "facts": _block(printout.facts),
        "sections": [
            {"heading": _text(one.heading), "blocks": [_block(block) for block in one.blocks]}
            for one in printout.sections
        ],
        "foot": _text(printout.foot),
    }


def _block(block: Block) -> dict[str, Any]:
    match block:
        case Text(paragraphs):
            return {"kind": "text", "paragraphs": [_text(one) for one in paragraphs]}
        case Items(items):
            return {"kind": "items", "items": [_text(one) for one in items]}
        case Facts(rows):
            return {"kind": "facts", "rows": [[_text(one) for one in row] for row in rows]}
        case Part(heading=heading, text=text, ruled=ruled):
            return {"kind": "part", "heading": _text(heading), "text": _text(text), "ruled": ruled}
        case Grid(columns, rows):
            return {
                "kind": "grid",
                "columns": [{"head": _text(one.head), "share": one.share, "use": one.use.value} for one in columns],
                "rows": [[_text(one) for one in row] for row in rows],
            }


def _text(text: str) -> list[str]:
    """The lines of a text, with places in very long words where they may be broken."""
    return [_LONG_WORD.sub(lambda word: _PIECE.sub("\\g<0>\u200b", word[0]), line) for line in lines(text)]
