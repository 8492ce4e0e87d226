"""Delimited text (CSV and its kin): a sample in, its delimiter and header out; a record in, its cells out.

Source: RFC 4180, and what Python's csv module makes of what does not follow it: a quote that does not begin a cell is
a character like any other, and so is what follows the quote that ends one.
"""

import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Final

DELIMITERS: Final = (",", ";", "\t", "|")
RECORDS_SAMPLED: Final = 50
WHOLE: Final = 2**17
"""Bytes; a sample that is shorter is not cut."""
LONGEST_NAME: Final = 64
"""Characters of a column's name, for a line to be taken for a header."""

_PREAMBLE: Final = re.compile(r"sep=.|#TYPE .*", re.DOTALL)
_NAME: Final = re.compile(r"[@#]?[^\W\d][\w @.()/#%+:&?\[\]-]*")

Cells = Callable[[str], list[str]]
"""A record -> its cells."""
GoesOn = Callable[[bytes, bool], bool]
"""A line, and whether a quoted cell was open before it -> whether one is open after it."""


def is_preamble(text: str) -> bool:
    """Whether a line stands before the header, as Excel (`sep=;`) and PowerShell (`#TYPE ...`) write it."""
    return _PREAMBLE.fullmatch(text) is not None


@cache
def cells(delimiter: str) -> Cells:
    """What takes records apart at a delimiter. No record is wrong: what is odd about it is part of a cell."""
    sign = re.escape(delimiter)
    form = re.compile(rf'(?:"((?:[^"]|"")*+)"?([^{sign}]*)|([^{sign}]*))({sign}|\Z)')

    def apart(text: str) -> list[str]:
        if '"' not in text:
            return text.split(delimiter)
        found: list[str] = []
        for cell in form.finditer(text):
            quoted, after, bare, end = cell.groups()
            found.append(bare if quoted is None else quoted.replace('""', '"') + after)
            if not end:
                break
        return found

    return apart


@cache
def goes_on(delimiter: str) -> GoesOn:
    """What tells where a record goes on after the end of a line: within a quoted cell."""
    sign = re.escape(delimiter.encode()).decode()
    whole = rf'(?:(?:"(?:[^"]|"")*+"[^{sign}]*+|(?!")[^{sign}]*+)(?:{sign}|\Z))*+'
    outside = re.compile(whole.encode(), re.DOTALL)
    inside = re.compile(rf'(?:[^"]|"")*+"[^{sign}]*+(?:\Z|{sign}{whole})'.encode(), re.DOTALL)

    def is_open(line: bytes, was_open: bool) -> bool:
        if not was_open:
            return b'"' in line and (found := outside.match(line)) is not None and found.end() < len(line)
        found = inside.match(line)
        return found is None or found.end() < len(line)

    return is_open


def records(sample: bytes, delimiter: str, most: int = RECORDS_SAMPLED) -> list[str]:
    """The first records of a sample that are not blank; of a long one, without the last, which may have been cut."""
    is_open, found, open_ = goes_on(delimiter), list[str](), list[bytes]()
    lines = sample.split(b"\n")
    for line in lines[:-1] if len(sample) >= WHOLE and len(lines) > 1 else lines:
        more = is_open(line, bool(open_))
        open_.append(line)
        if more:
            continue
        text = b"\n".join(open_).decode(errors="replace").lstrip("\0\ufeff").rstrip("\r\n")
        open_ = []
        if text and not text.isspace() and not is_preamble(text):
            found.append(text)
            if len(found) >= most:
                break
    return found


def sniff(sample: bytes) -> tuple[str, float]:
    """The delimiter that parts the records of a sample most evenly, and which share of them it parts like the first.

    The share is 0 where no delimiter parts the first record.
    """
    if (said := re.match(rb"(?:\xef\xbb\xbf)?sep=(.)\r?\n", sample)) is not None and said[1].isascii():
        return said[1].decode(), 1.0
    best, known = (0.0, 0), DELIMITERS[0]
    for delimiter in DELIMITERS:
        found = [len(cells(delimiter)(text)) for text in records(sample, delimiter)]
        if found and found[0] > 1:
            share = found.count(found[0]) / len(found)
            if (share, found[0]) > best:
                best, known = (share, found[0]), delimiter
    return known, best[0]


def is_header(names: Sequence[str]) -> bool:
    """Whether cells look like the names of columns."""
    folded = [name.strip().lower() for name in names]
    return (
        len(set(folded)) == len(folded) > 1
        and all(_NAME.fullmatch(name) and len(name) <= LONGEST_NAME and name.count(" ") < 5 for name in folded)
        and not any(name.endswith((".", ":")) for name in folded)
    )
