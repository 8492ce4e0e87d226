"""The formats that kyber reads: one module each, raw records in, events out.

To add one: write a module with a `detect` and a parser, add a line to FORMATS. A parser never raises for the
bytes it is given, never looks at a clock, and accounts for every record: event, reject or blank.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Protocol

from kyber.logs.batch import Chunk, Parsed


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a parser is told about its input.

    `reference` (aware) is the latest time that a record without a year can have: the file's own time. `zone` is for
    times without an offset. `sample` is the start of the input (up to 256 KiB), wherever reading begins: a header that
    names columns stands there. `columns` says what a source's own columns are to be called; `starts`, a regular
    expression (RE2), what the first line of a record matches, where records have several.
    """

    reference: datetime
    zone: tzinfo
    sample: bytes = b""
    columns: Mapping[str, str] = field(default_factory=dict)
    starts: str | None = None


class Parser(Protocol):
    """Reads one input from its start to its end. State (records of one event still open) lives between the calls."""

    def feed(self, chunk: Chunk) -> Parsed: ...
    def finish(self) -> Parsed: ...
    @property
    def pending(self) -> int | None:
        """The offset of the first record that is held back, because its event may go on; None where there is none."""
        ...

    @property
    def notes(self) -> Mapping[str, int]:
        """What the parser had to assume, as code -> count (F-codes in the catalogues), e.g. a year that was missing."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A format: how its records are cut, how sure it is of a sample, and how they are parsed.

    `framing` is a name in `records.FRAMINGS`. `detect` gets up to the first 256 KiB (decompressed) and answers 0..100:
    how sure it is. `product` and `service` are what an input of this format is for rules. `column` turns a field's path
    in an event into its column's name. `json`: its records are JSON, each value written as JSON does. `own_identity`:
    a record says itself which it is, wherever it is read.
    """

    name: str
    title: str
    framing: str = "lines"
    detect: Callable[[bytes], int]
    parser: Callable[[Context], Parser]
    product: str | None = None
    service: str | None = None
    table: str
    column: Callable[[str], str] = str
    json: bool = False
    own_identity: bool = False
