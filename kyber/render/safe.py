"""Hostile text in, text that is harmless for one reader out: a terminal, a spreadsheet, a browser, a JSON reader.

Nothing is dropped: what a reader would act upon instead of showing is written out as a visible escape.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from datetime import date
from enum import Enum
from functools import cache
from typing import Any, Final, TypeVar, cast
from urllib.parse import urlsplit

import orjson
import regex

from kyber.text import Key

CELL_LIMIT: Final = 32_767
"""Characters that a spreadsheet keeps in one cell."""

_T = TypeVar("_T")
# Controls, format characters (bidirectional, zero-width, tags), surrogates, line and paragraph separators, and what
# else has no ink: fillers, variation selectors, numbers that are no letters, the blank Braille pattern.
_UNSEEN: Final = regex.compile(
    r"[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\p{Noncharacter_Code_Point}\u2800]"
)
_SHORT: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
# Where a formula begins: at the start of a cell, or after the semicolon that splits cells in Finnish and Swedish
# spreadsheets. The full-width forms count as formulas in some of them.
_FORMULA: Final = regex.compile(r"^(?=[\t\r])|(?:^\s*|;[\s\"']*)\K(?=[=+\-@＝＋－＠])")
_JSON_UNSEEN: Final = regex.compile(r"[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]")
_SURROGATE: Final = regex.compile(r"\p{Cs}")


def plain(text: str) -> str:
    """One visible line: controls, escapes, direction marks and unseen characters become `\\n`, `\\x1b`, `\\u202e`."""
    return cast(str, _UNSEEN.sub(lambda match: _escape(match[0]), text))


def cell(text: str) -> str:
    """A value for CSV and XLSX: one visible line that no spreadsheet takes for a formula, and that fits a cell."""
    quoted = plain(cast(str, _FORMULA.sub("'", text)))
    return quoted if len(quoted) <= CELL_LIMIT else quoted[: CELL_LIMIT - 1] + "…"


def link(text: str) -> str | None:
    """The address if it may be followed: http or https with a host, and nothing unseen in it. Otherwise None."""
    if _UNSEEN.search(text) or any(letter.isspace() or letter == "\\" for letter in text):
        return None
    try:
        parts = urlsplit(text)
    except ValueError:
        return None
    return text if parts.scheme in ("http", "https") and parts.hostname else None


def json_line(value: object) -> str:
    """The value as one line of JSON that reads back the same. No character in it ends a line or steers a terminal;
    a lone surrogate, which JSON cannot carry, becomes U+FFFD."""
    try:
        line = orjson.dumps(value).decode()
    except orjson.JSONEncodeError:
        line = orjson.dumps(every_text(value, lambda text: cast(str, _SURROGATE.sub("\ufffd", text)))).decode()
    return cast(str, _JSON_UNSEEN.sub(lambda match: _json_escape(match[0]), line))


def every_text(value: _T, change: Callable[[str], str]) -> _T:
    """The same value with `change` applied to every text in it: in frozen dataclasses, mappings (keys too),
    tuples, lists and sets. Enum members and keys of the catalogues are kyber's own words and stay; an object of any
    other kind becomes its text."""
    return cast(_T, _every_text(value, cache(change)))  # the same titles and paths come again and again


def _every_text(value: Any, change: Callable[[str], str]) -> Any:
    if type(value) is str:  # most values are, and the patterns below are slow to try
        return change(value)
    match value:
        case Enum() | Key():
            return value
        case str():
            return change(value)
        case Mapping():
            return {_every_text(key, change): _every_text(item, change) for key, item in value.items()}
        case tuple() | list() | set() | frozenset():
            return type(value)(_every_text(item, change) for item in value)
        case _ if is_dataclass(value) and not isinstance(value, type):
            return replace(value, **{f.name: _every_text(getattr(value, f.name), change) for f in fields(value)})
        case None | bool() | int() | float() | date():
            return value
        case _:
            return change(str(value))


def _escape(letter: str) -> str:
    number = ord(letter)
    if letter in _SHORT:
        return _SHORT[letter]
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x1_0000 else f"\\U{number:08x}"


def _json_escape(letter: str) -> str:
    units = letter.encode("utf-16-be")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
