"""Delimited text with a header (CSV, TSV, semicolons, bars): records in, events under the header's names out.

The delimiter is told from the start of the input, and the header is its first record, wherever reading begins. A source
says what its own columns are to be called (`read.columns`); others keep their names. An empty cell is a field that is
not there. Cells beyond the header are kept as `csv.extra`. The time is in a column that is called `@timestamp`, or so
that it can only be one.

Notes: F20, F21 the year or zone of a time was assumed.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from kyber.logs.delimited import cells, is_header, is_preamble, records, sniff
from kyber.logs.formats import Context, Format
from kyber.logs.formats.headers import Clock
from kyber.logs.formats.line import Event, LineParser
from kyber.logs.values import NO_TIME, moment

__all__ = ["CSV", "DelimitedParser", "detect"]

EXTRA: Final = "csv.extra"
TIME: Final = "@timestamp"
MAX_NAMES: Final = 4_096
"""Columns of a header; cells beyond them are kept together."""
_WHOLE: Final = (
    "@timestamp",
    "timestamp",
    "datetime",
    "date_time",
    "dateandtime",
    "time_local",
    "timegenerated",
    "timecreated",
    "creationtime",
    "creationdate",
    "eventtime",
    "event_time",
    "eventdate",
    "logtime",
    "logdate",
    "generatedtime",
    "receivetime",
    "starttime",
    "start_time",
    "ts",
    "time",
    "date",
    "aika",
)
_DATES: Final = ("date", "day", "päivä", "päivämäärä", "pvm")
_CLOCKS: Final = ("time", "aika", "clock", "kellonaika", "klo")
_SURE: Final = 0.7
"""Which share of the records must have as many cells as the header."""


def _known_as(name: str) -> str:
    return re.sub(r"[ -]", "", name).lower()


class DelimitedParser(LineParser):
    """Reads the records of one input."""

    def __init__(self, context: Context) -> None:
        super().__init__(self._event)
        self._columns = context.columns
        self._zone = context.zone
        self._clock = Clock(context)
        self._cells = cells(sniff(context.sample)[0])
        self._header = ""
        self._names: list[str] = []
        self._whole: int | None = None
        self._parts: tuple[int, int] | None = None
        if context.sample:
            delimiter, _ = sniff(context.sample)
            for text in records(context.sample, delimiter, 1):
                self._begin(text)

    @property
    def notes(self) -> Mapping[str, int]:
        """How many times' year (F20) and zone (F21) were assumed."""
        return self._clock.notes

    def _begin(self, text: str) -> None:
        """A header: which columns there are, and which of them tell the time."""
        self._header = text
        own = [name.strip() for name in self._cells(text)[:MAX_NAMES]]
        self._names = named(own, self._columns)
        called = [TIME if name == TIME else _known_as(given) for name, given in zip(self._names, own, strict=True)]
        places = {name: place for place, name in reversed(list(enumerate(called)))}
        date = next((places[name] for name in _DATES if name in places), None)
        clock = next((places[name] for name in _CLOCKS if name in places), None)
        self._whole = next((places[name] for name in _WHOLE if name in places), None)
        if TIME not in places and date is not None and clock is not None:
            self._parts = date, clock

    def _event(self, text: str) -> Event | None:
        if not self._header and not is_preamble(text):
            self._begin(text)
            return None
        if text == self._header or is_preamble(text):
            return None
        return self.event(self._cells(text))

    def event(self, row: list[str]) -> Event:
        """The event of a record's cells."""
        event: Event = {name: cell for name, cell in zip(self._names, row, strict=False) if cell}
        if len(row) > len(self._names) and any(extra := row[len(self._names) :]):
            event[EXTRA] = extra
        when = self._when(row)
        if when is not None:
            event[TIME] = when
        return event

    def _when(self, row: list[str]) -> int | None:
        """When a record says that it happened: microseconds since the epoch (UTC); None where it does not."""
        if self._parts is not None and max(self._parts) < len(row):
            date, clock = (row[place].strip() for place in self._parts)
            if date and (found := self._moment(f"{date} {clock}")) is not None:
                return found
        if self._whole is None or self._whole >= len(row):
            return None
        return self._moment(row[self._whole].strip())

    def _moment(self, text: str) -> int | None:
        found = moment(text, self._zone)
        return found if found != NO_TIME else self._clock.read(text)


def named(own: Iterable[str], columns: Mapping[str, str]) -> list[str]:
    """What the columns of a header are called: as the source says, otherwise as they are; no name stands for two."""
    taken = {"event.original", EXTRA, ""}
    names: list[str] = []
    for place, name in enumerate(own, start=1):
        choices = (columns.get(name, name), name, f"column{place}", f"{name}_{place}", f"csv.column{place}")
        chosen = next(one for one in choices if one not in taken)
        taken.add(chosen)
        names.append(chosen)
    return names


def header_of(sample: bytes) -> list[str]:
    """The names in the first record of a sample, where that looks like a header, and the records below it like rows."""
    if sample[:1] in (b"{", b"[", b"<") or b"\0" in sample[:4_096]:
        return []
    delimiter, share = sniff(sample)
    if share < _SURE:
        return []
    first, *rows = map(cells(delimiter), records(sample, delimiter))
    if not is_header(first) or sum(map(len, rows)) < 3:
        return []
    prose = len(first) < 3 and (all(map(is_header, rows)) or first[-1].startswith(" "))
    return [] if prose else [name.strip() for name in first]


def detect(sample: bytes) -> int:
    """64 where a sample has a header and rows: more than for lines that begin with a time. 0 otherwise."""
    return 64 if header_of(sample) else 0


CSV: Final = Format(
    name="csv",
    title="Delimited text with a header (CSV, TSV, semicolons, bars)",
    framing="csv",
    detect=detect,
    parser=DelimitedParser,
    table="json",
)
