"""Lines that belong together -> one record each, before a format's parser sees them: stack traces, wrapped messages.

A line goes on the record before it where the format's own rule says so (it is indented), or where it does not match
the source's `starts`. Blank lines within a record belong to it; those after it are blank. Every line stays accounted
for: an event, and a reject, says how many it holds.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from kyber.logs.batch import Chunk, Parsed
from kyber.logs.formats import Context, Parser

MAX_LINES = 1_000
"""Lines of one record; what goes on beyond them is a record of its own."""
MAX_BYTES = 2**20
"""Bytes of one record of several lines, likewise."""
LOOKED_AT = 4_096
"""Bytes of a line in which the beginning of a record is looked for."""

GoesOn = Callable[[bytes], bool]
"""Whether a line that is not blank goes on the record before it."""

_TRACE: Final = re.compile(rb"[ \t]|Caused by: |Suppressed: |Traceback \(most recent call last\):")


def indented(line: bytes) -> bool:
    """Whether a line begins with white space."""
    return line[:1] in (b" ", b"\t")


def of_trace(line: bytes) -> bool:
    """Whether a line is indented, or is one that programs write within a stack trace."""
    return _TRACE.match(line) is not None


def not_starting(pattern: str) -> GoesOn:
    """Lines go on that do not match `pattern` from their beginning. Raises ValueError where RE2 does not know it."""
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        match = re2.compile(pattern, options).match
    except re2.error as error:
        raise ValueError(str(error)) from None
    return lambda line: match(line[:LOOKED_AT].decode(errors="replace")) is None


def joined(make: Callable[[Context], Parser], goes_on: GoesOn | None = None) -> Callable[[Context], Parser]:
    """What makes a format's parser, with lines joined by the source's `starts`, or else by the format's own rule.

    The parser has to hold nothing back between its calls.
    """

    def parser(context: Context) -> Parser:
        rule = goes_on if context.starts is None else not_starting(context.starts)
        return make(context) if rule is None else Joined(make(context), rule)

    return parser


@dataclass(slots=True)
class _Records:
    """Records that are whole, side by side: what they are made of, and how many lines each holds."""

    raw: list[bytes] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    held: list[int] = field(default_factory=list)
    cut: set[int] = field(default_factory=set)
    blank: int = 0


class Joined:
    """A parser whose records may be several lines. The last record is held back until the next one begins."""

    def __init__(self, inner: Parser, goes_on: GoesOn) -> None:
        self._inner, self._goes_on = inner, goes_on
        self._lines: list[bytes] = []  # of the open record
        self._after: list[bytes] = []  # blank lines that may turn out to stand within it
        self._size = self._number = self._offset = 0
        self._cut = False

    @property
    def notes(self) -> Mapping[str, int]:
        """What the parser of the records had to assume."""
        return self._inner.notes

    @property
    def pending(self) -> int | None:
        """The offset of the open record."""
        return self._offset if self._lines else None

    def feed(self, chunk: Chunk) -> Parsed:
        """The records that a later line has shown to be whole."""
        whole = _Records()
        for index, line in enumerate(chunk.records):
            self._size += len(line) + 1
            room = len(self._lines) + len(self._after) < MAX_LINES and self._size <= MAX_BYTES
            if not line.strip():
                self._after.append(line)
                if not (self._lines and room):
                    self._close(whole)
                continue
            if self._lines and room and self._goes_on(line):
                self._lines += (*self._after, line)
                self._after = []
            else:
                self._close(whole)
                self._lines, self._size = [line], len(line) + 1
                self._number, self._offset = chunk.first + index, chunk.offsets[index]
            self._cut = self._cut or index in chunk.cut
        return self._parsed(whole)

    def finish(self) -> Parsed:
        """The open record, as it is."""
        whole = _Records()
        self._close(whole)
        return self._parsed(whole)

    def _close(self, whole: _Records) -> None:
        """The open record is whole; the blank lines after it are blank."""
        whole.blank += len(self._after)
        if self._lines:
            if self._cut:
                whole.cut.add(len(whole.raw))
            whole.raw.append(b"\n".join(self._lines))
            whole.numbers.append(self._number)
            whole.offsets.append(self._offset)
            whole.held.append(len(self._lines))
        self._lines, self._after, self._size, self._cut = [], [], 0, False

    def _parsed(self, whole: _Records) -> Parsed:
        """What the inner parser makes of records, with their own numbers, and with every line of them counted."""
        parsed = self._inner.feed(Chunk(whole.raw, whole.offsets, 0, frozenset(whole.cut)))
        held = [whole.held[index] for index in parsed.numbers]
        parsed.numbers = [whole.numbers[index] for index in parsed.numbers]
        parsed.rejects = [
            replace(one, record=whole.numbers[one.record], held=whole.held[one.record]) for one in parsed.rejects
        ]
        if len(whole.raw) < sum(whole.held):
            parsed.held = held
        # What is in no event and no reject was blank, or a header, to the inner parser.
        parsed.blank = whole.blank + sum(whole.held) - sum(held) - sum(one.held for one in parsed.rejects)
        return parsed
