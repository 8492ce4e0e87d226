"""Formats of which a line is a record: lines in, events out. What is the same for all of them stands here.

Bytes that are not UTF-8 are replaced, and NULs before a line (a file cut while it was being written) removed; both are
counted as repaired.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from kyber.errors import KyberError
from kyber.logs.batch import Chunk, Parsed, Reject
from kyber.logs.values import older

__all__ = ["Event", "LineParser", "MalformedError", "not_this", "texts"]

Event = dict[str, object]
"""A flat event: column names and their values. `event.original` is the whole line."""

Read = Callable[[str], Event | None]
"""A line that is not blank, without its end -> its event; None for a line that carries none, as a header or a comment.
Raises MalformedError."""

FACT_LENGTH: Final = 80
"""Characters of a rejected line that its facts tell."""


class MalformedError(KyberError):
    """A text that is no record of its format: the reason's code, and the facts that the catalogue's words ask for."""

    def __init__(self, code: str, facts: Mapping[str, object]) -> None:
        super().__init__(f"{code}: {', '.join(f'{key} {value}' for key, value in facts.items())}")
        self.code = code
        self.facts = facts


def not_this(text: str) -> MalformedError:
    """F44: the line is not what its format writes."""
    return MalformedError("F44", {"start": text[:FACT_LENGTH]})


def texts(chunk: Chunk) -> Iterator[tuple[int, str, bool]]:
    """Each record's index, its text without line end (empty where it is blank), and whether it had to be repaired."""
    for index, raw in enumerate(chunk.records):
        try:
            text, repaired = raw.decode(), False
        except UnicodeDecodeError:
            text, repaired = older(raw), True
        if text[:1] in {"\0", "\ufeff"}:
            repaired = repaired or text[0] == "\0"
            text = text.lstrip("\0\ufeff")
        text = text.rstrip("\r\n")
        yield index, "" if text.isspace() else text, repaired


class LineParser:
    """Reads the lines of one input. Every line is an event, a reject or blank; none is held back between calls."""

    pending: int | None = None

    def __init__(self, read: Read) -> None:
        self._read = read

    @property
    def notes(self) -> Mapping[str, int]:
        """Nothing is assumed, unless a format says so."""
        return {}

    def feed(self, chunk: Chunk) -> Parsed:
        """One event a line."""
        parsed = Parsed()
        for index, text, repaired in texts(chunk):
            if not text:
                parsed.blank += 1
                continue
            raw, number, offset = chunk.records[index], chunk.first + index, chunk.offsets[index]
            try:
                event = self._read(text)
            except MalformedError as why:
                parsed.rejects.append(Reject(number, offset, raw, why.code, why.facts))
                continue
            if event is None:
                parsed.blank += 1
                continue
            event["event.original"] = text
            parsed.events.append(event)
            parsed.raw.append(raw)
            parsed.numbers.append(number)
            parsed.offsets.append(offset)
            parsed.repaired += repaired
        return parsed

    def finish(self) -> Parsed:
        """Nothing: no line is held back."""
        return Parsed()
