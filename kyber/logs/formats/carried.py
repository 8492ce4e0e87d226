"""Formats whose records come alone or behind a syslog header: lines in; the header's fields and the record out."""

import re
from collections.abc import Callable, Mapping
from typing import Final

from kyber.logs.formats import Context
from kyber.logs.formats.headers import Clock
from kyber.logs.formats.line import Event, LineParser, not_this
from kyber.logs.formats.syslog import envelope

LONGEST_ENVELOPE: Final = 512
"""Characters of a line in which a record begins."""
LINES_SAMPLED: Final = 200

Read = Callable[[str, Clock], Event | None]
"""A record, without what stands before it -> its event; None where it is none. Raises MalformedError."""


class CarriedParser(LineParser):
    """Reads the lines of one input. `start` finds where the record of a line begins; what stands before is syslog's."""

    def __init__(self, context: Context, start: re.Pattern[str], read: Read) -> None:
        super().__init__(self._event)
        self._clock = Clock(context)
        self._start, self._read_record = start, read

    @property
    def notes(self) -> Mapping[str, int]:
        """How many events' year (F20) and time zone (F21) were assumed."""
        return self._clock.notes

    def _event(self, text: str) -> Event:
        start = self._start.search(text, 0, LONGEST_ENVELOPE)
        found = None if start is None else self._read_record(text[start.start() :], self._clock)
        if start is None or found is None:
            raise not_this(text)
        header, assumed = envelope(text[: start.start()], self._clock.times) if start.start() else ({}, 0)
        if "@timestamp" in header and "@timestamp" not in found:
            self._clock.count(assumed)
        return {**header, **found}


def share(sample: bytes, start: re.Pattern[str]) -> float:
    """How many of a sample's lines hold the start of a record, 0..1."""
    lines = sample.decode(errors="replace").split("\n")
    if len(lines) > 1:
        lines.pop()  # the last line may have been cut, and is empty where it was not
    lines = [line for line in lines[:LINES_SAMPLED] if line.strip("\0\ufeff \r\t")]
    held = sum(start.search(line, 0, LONGEST_ENVELOPE) is not None for line in lines)
    return held / len(lines) if lines else 0
