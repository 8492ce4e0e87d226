"""Line formats whose columns are named by lines of their own: `#Fields: ...` of W3C logs, `#fields ...` of Zeek's.

Such lines stand at the start of a file, and again where its columns change. Reading may begin anywhere: then the lines
before that place are taken from the sample of the start of the input.
"""

from collections.abc import Callable

from kyber.logs.batch import Chunk, Parsed
from kyber.logs.formats import Context
from kyber.logs.formats.line import LineParser, Read

__all__ = ["HeadedParser"]


class HeadedParser(LineParser):
    """Reads the lines of one input; those that begin with `#` are told to `direct`, and carry no event."""

    def __init__(self, context: Context, direct: Callable[[str], None], read: Read) -> None:
        super().__init__(self._line)
        self._sample: bytes | None = context.sample
        self._direct, self._event = direct, read

    def feed(self, chunk: Chunk) -> Parsed:
        """One event a line, under the columns that were named last."""
        if self._sample is not None and chunk.records:
            for line in self._sample[: chunk.offsets[0]].split(b"\n"):
                if line.startswith(b"#"):
                    self._direct(line.decode(errors="replace").rstrip("\r"))
            self._sample = None
        return super().feed(chunk)

    def _line(self, text: str) -> dict[str, object] | None:
        if text[0] != "#":
            return self._event(text)
        self._direct(text)
        return None
