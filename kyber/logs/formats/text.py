"""Lines of a format that kyber does not know: each is kept whole as a reject with its reason, and counted."""

from collections.abc import Mapping

from kyber.logs.batch import Chunk, Parsed, Reject
from kyber.logs.formats import Context, Format


class TextParser:
    """Rejects every line that is not blank."""

    notes: Mapping[str, int] = {}

    def feed(self, chunk: Chunk) -> Parsed:
        """One reject a line."""
        parsed = Parsed()
        for number, (record, offset) in enumerate(zip(chunk.records, chunk.offsets, strict=True), chunk.first):
            if record.strip():
                parsed.rejects.append(Reject(number, offset, record, "F42"))
            else:
                parsed.blank += 1
        return parsed

    def finish(self) -> Parsed:
        """Nothing is held back."""
        return Parsed()


def _parser(_: Context) -> TextParser:
    return TextParser()


TEXT = Format(name="text", title="Lines of an unknown format", detect=lambda sample: 1, parser=_parser, table="text")
