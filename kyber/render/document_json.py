"""A Document in, canonical JSON (RFC 8785) out, and back: what a report is kept as.

The same Document gives the same bytes. A lone surrogate, which JSON cannot carry, becomes U+FFFD.
"""

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import regex

from kyber.document import LONGEST, Block, Chart, Document, Table, amount, lines
from kyber.errors import UsageError
from kyber.render.safe import every_text
from kyber.text import LANGUAGES

if TYPE_CHECKING:
    from pydantic import TypeAdapter

NAME: Final = "kyber-report"
VERSION: Final = 1
LARGEST: Final = 32 * 2**20
"""Bytes of one report."""
LINE: Final = 200_000
"""Letters of all pieces of a line."""
DESCRIBED: Final = 500_000
"""Letters of the words of a picture."""
PIECES: Final = 10_000
"""Of a line."""
MOST: Final = 500_000
"""Lines and their pieces."""
COLUMNS: Final = 100
HEAVIEST: Final = 100
"""The columns of a table, and the weight of one."""
_SURROGATE: Final = regex.compile(r"\p{Cs}")


class DocumentError(UsageError):
    """What was read is not a report, or one of a newer kyber."""


def dumps(document: Document) -> bytes:
    """The report as one line of JSON."""
    import rfc8785

    held = every_text(document, lambda text: _SURROGATE.sub("\ufffd", text))
    return rfc8785.dumps({"format": NAME, "version": VERSION, "report": _adapter().dump_python(held, mode="json")})


def loads(content: bytes, place: str) -> Document:
    """The report that `dumps` wrote; `place` is what errors call it. Raises DocumentError."""
    from pydantic import ValidationError
    from pydantic_core import from_json

    if len(content) > LARGEST:
        raise DocumentError(f"{place}: larger than {LARGEST:,} bytes; a report of kyber is not that large")
    try:
        found = from_json(content, allow_inf_nan=False)
    except ValueError as error:
        raise DocumentError(f"{place}: not JSON ({error})") from None
    if not isinstance(found, dict) or found.get("format") != NAME:
        raise DocumentError(f'{place}: not a report of kyber, which says "format": "{NAME}"')
    if type(version := found.get("version")) is not int or version < 1:
        raise DocumentError(f"{place}: a report of kyber without a version that can be read")
    if version > VERSION:
        raise DocumentError(f"{place}: version {version} of the format; this kyber reads up to {VERSION}: update it")
    try:
        document = _adapter().validate_python(found.get("report"))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        at = ".".join(map(str, first["loc"]))
        raise DocumentError(f"{place}: report.{at}: {first['msg']}") from None
    return _checked(document, place)


def _checked(document: Document, place: str) -> Document:
    for fault in _faults(document):
        raise DocumentError(f"{place}: {fault}")
    return document


def _faults(document: Document) -> Iterator[str]:
    """What no report of kyber has, and what would keep some form of it busy without end."""
    if document.language not in LANGUAGES:
        yield f"a report in a language other than {', '.join(LANGUAGES)}"
    heads = [document.title, document.organisation, document.label, document.commit]
    if max(map(len, (*heads, *(text for fact in document.facts for text in fact)))) > LONGEST:
        yield f"a text of its head of more than {LONGEST:,} letters"
    many = len(document.facts)
    for section in document.sections:
        if max(len(section.id), len(section.title)) > LONGEST:
            yield f"a section whose title has more than {LONGEST:,} letters"
        many += 1
        for block in section.blocks:
            for fault in _block_faults(block):
                yield f"{fault} in {section.id}"
            many += amount(block)
    if many > MOST:
        yield f"more than {MOST:,} lines and pieces of them"


def _block_faults(block: Block) -> Iterator[str]:
    texts = [text for line in lines(block) for piece in line for text in (piece.text, piece.to)]
    if isinstance(block, Chart):
        texts = [block.title]
        if len(block.described) > DESCRIBED:
            yield f"a picture of more than {DESCRIBED:,} letters"
    if isinstance(block, Table):
        texts += [block.title, block.empty, *(one.head for one in block.columns), *(one.anchor for one in block.rows)]
        if not 0 < len(block.columns) <= COLUMNS:
            yield f"a table without columns, or with more than {COLUMNS},"
        if any(not 0 <= one.weight <= HEAVIEST for one in block.columns):
            yield f"a column whose weight is not from 0 to {HEAVIEST},"
        if any(len(row.cells) != len(block.columns) for row in block.rows):
            yield "a row that is longer or shorter than the head of its table,"
    if any(len(text) > LONGEST for text in texts):
        yield f"a text of more than {LONGEST:,} letters"
    for line in lines(block):
        if len(line) > PIECES or sum(len(piece.text) for piece in line) > LINE:
            yield f"a line of more than {LINE:,} letters or {PIECES:,} pieces"


@cache
def _adapter() -> "TypeAdapter[Any]":
    from pydantic import TypeAdapter

    return TypeAdapter(Document)
