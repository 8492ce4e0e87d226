"""A Document in, canonical JSON (RFC 8785) out, and back: what a report is kept as.

The same Document gives the same bytes. A lone surrogate, which JSON cannot carry, becomes U+FFFD.
"""

from functools import cache
from typing import TYPE_CHECKING, Any, Final

import regex

from kyber.document import Document, Table
from kyber.errors import UsageError
from kyber.render.safe import every_text
from kyber.text import LANGUAGES

if TYPE_CHECKING:
    from pydantic import TypeAdapter

NAME: Final = "kyber-report"
VERSION: Final = 1
LARGEST: Final = 64 * 2**20
"""Bytes of one report."""
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
    if document.language not in LANGUAGES:
        raise DocumentError(f"{place}: a report in a language other than {', '.join(LANGUAGES)}")
    for section in document.sections:
        for block in section.blocks:
            if isinstance(block, Table) and any(len(row.cells) != len(block.columns) for row in block.rows):
                raise DocumentError(
                    f"{place}: a table in {section.id} has a row that is longer or shorter than its head"
                )
    return document


@cache
def _adapter() -> "TypeAdapter[Any]":
    from pydantic import TypeAdapter

    return TypeAdapter(Document)
