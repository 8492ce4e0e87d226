"""A report as it is kept: a Document in, canonical JSON (RFC 8785) out; and back, unchanged."""

import json
from dataclasses import asdict
from datetime import date
from typing import Any, Final

from kyber.document import Block, Bullets, Chart, Column, Document, Line, Paragraph, Piece, Row, Section, Table
from kyber.errors import UsageError

FORM: Final = "kyber-report-1"
"""What is written, so that a later version knows what it reads."""


class SavedError(UsageError):
    """A file holds no report."""


def to_json(found: Document) -> bytes:
    """The same bytes for the same report."""
    import rfc8785

    plain = asdict(found)
    for key in ("as_of", "start", "end"):
        plain[key] = plain[key].isoformat()
    for section, made in zip(found.sections, plain["sections"], strict=True):
        for block, part in zip(section.blocks, made["blocks"], strict=True):
            part["is"] = type(block).__name__.lower()
    return rfc8785.dumps({"form": FORM, **json.loads(json.dumps(plain))})


def from_json(text: bytes, name: str) -> Document:
    """The report that `to_json` wrote. Raises SavedError."""
    try:
        found = json.loads(text)
        if found.pop("form") != FORM:
            raise ValueError
        days: dict[str, Any] = {key: date.fromisoformat(found.pop(key)) for key in ("as_of", "start", "end")}
        sections = tuple(_section(one) for one in found.pop("sections"))
        pairs: dict[str, Any] = {key: tuple((str(a), str(b)) for a, b in found.pop(key)) for key in ("facts", "values")}
        return Document(**found, **days, **pairs, sections=sections)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise SavedError(f"{name} is not a report that kyber has saved") from None


def _section(found: dict[str, Any]) -> Section:
    return Section(**{**found, "blocks": tuple(_block(one) for one in found["blocks"])})


def _block(found: dict[str, Any]) -> Block:
    match found.pop("is"):
        case "paragraph":
            return Paragraph(_line(found["line"]), found["kind"])
        case "bullets":
            return Bullets(tuple(map(_line, found["items"])), found["numbered"])
        case "table":
            columns = tuple(Column(**one) for one in found["columns"])
            rows = tuple(Row(cells=tuple(map(_line, one["cells"])), anchor=one["anchor"]) for one in found["rows"])
            return Table(title=found["title"], columns=columns, rows=rows, empty=found["empty"])
        case "chart":
            return Chart(**found)
    raise ValueError


def _line(found: list[dict[str, Any]]) -> Line:
    return tuple(Piece(**one) for one in found)
