"""Lines of a format that kyber does not know -> events that hold the line as their message, and say so.

Keywords can still find something in them, and nothing is lost; but no field is known, so each event is counted as read
without being understood. A line that plainly goes on the one before, as in a stack trace, is in the same event. What is
not even text is a reject.
"""

import re
from collections.abc import Mapping

from kyber.logs.batch import Chunk, Parsed, Reject
from kyber.logs.formats import Context, Format
from kyber.logs.formats.multiline import joined, of_trace
from kyber.logs.values import older

_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
"""What a text of an older encoding does not hold: controls other than white space and escape."""


class TextParser:
    """One event a record."""

    pending: int | None = None

    def __init__(self, _: Context) -> None:
        self.notes: Mapping[str, int] = {}

    def feed(self, chunk: Chunk) -> Parsed:
        """Every line becomes an event or a reject, or is blank."""
        parsed = Parsed()
        for number, (record, offset) in enumerate(zip(chunk.records, chunk.offsets, strict=True), chunk.first):
            line = record.rstrip(b"\r")
            if not line.strip():
                parsed.blank += 1
                continue
            try:
                message, repaired = line.decode(), False
            except UnicodeDecodeError:
                message, repaired = older(line), True
            if "\0" in message or (repaired and _BINARY.search(line)):
                parsed.rejects.append(Reject(number, offset, record, "F43"))
                continue
            parsed.repaired += repaired
            parsed.events.append({"message": message, "event.original": message})
            parsed.raw.append(record)
            parsed.numbers.append(number)
            parsed.offsets.append(offset)
        self.notes = {"F42": self.notes.get("F42", 0) + len(parsed.events)}
        return parsed

    def finish(self) -> Parsed:
        """Nothing is held back."""
        return Parsed()


TEXT = Format(
    name="text",
    title="Lines of an unknown format",
    detect=lambda sample: 1,
    parser=joined(TextParser, of_trace),
    table="text",
)
