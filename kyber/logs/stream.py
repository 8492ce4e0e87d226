"""One input -> its decompressed bytes, in UTF-8, within bounds.

Nothing is trusted: a compressed stream that grows out of proportion is stopped, and what came before a break is given.
"""

import bz2
import codecs
import io
import lzma
import os
import sys
import zlib
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, BinaryIO, Final

import zstandard

from kyber.logs import archive
from kyber.logs.inputs import Input, opened

PIECE = 2**20
"""Bytes taken from a stream at once, and so the most that is lost where reading fails."""
MAX_RATIO = 1_000
"""Decompressed : compressed. Honest logs reach 100:1."""
FREE_BYTES = 64 * 2**20
"""Decompressed bytes that are allowed whatever the ratio."""
MAX_DICTIONARY = 256 * 2**20
"""Bytes of memory that unpacking xz may take; its highest preset takes 65 MiB."""
SAMPLE = 2**18
"""Bytes from which a format is told. The largest Windows event (32 Ki characters) fits, every one escaped as JSON."""
FINGERPRINT = 256
"""Bytes of an input's start by which it is known, whatever its name."""

_MAGIC: Final = (
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"BZh", "bzip2"),
)
_UTF16: Final = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}


class ReadingError(Exception):
    """An input cannot be read further; `code` is the F-code that says why."""

    def __init__(self, code: str, **facts: object) -> None:
        super().__init__(code)
        self.code, self.facts = code, facts


def out_of_memory() -> ReadingError:
    """What stops the reading of an input that this machine has no memory for."""
    return ReadingError("F06", why="out of memory")


class Stream:
    """One input opened for reading: decompressed bytes, with how far the stored bytes have been read (`consumed`).

    Raises ReadingError from `read` when the input breaks off, cannot be decompressed, or grows out of proportion; all
    that came before is given first.
    """

    def __init__(self, given: Input) -> None:
        self.input = given
        self.produced = 0
        self._ahead = b""
        self._over = b""  # decoded, and not given yet
        self._failure: ReadingError | None = None
        self._decoder: codecs.IncrementalDecoder | None = None
        try:
            self._raw: BinaryIO = _source(given)
        except (OSError, ValueError) as error:
            raise ReadingError("F02", why=getattr(error, "strerror", None) or str(error)) from None
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        member = self.input.member
        try:
            self._counter = _Counted(self._raw if member is None else archive.Stored(self._raw, member))
            whole: io.RawIOBase = self._counter
            if member is not None:
                data = io.BufferedReader(self._counter, PIECE)
                whole = archive.Checked(_Unpacked(data, "deflate") if member.deflated else data, member)
            buffered = io.BufferedReader(whole, PIECE)
            head = buffered.peek(8)
        except (OSError, EOFError, zlib.error) as error:
            code = "F02" if member is None else "F06"
            raise ReadingError(code, why=getattr(error, "strerror", None) or str(error)) from None
        if head.startswith(archive.MAGIC):  # one that can be read as a file would have been
            raise ReadingError("F13")
        self._buffered = buffered
        self.compression = next((name for magic, name in _MAGIC if head.startswith(magic)), None)
        self._stream = _Unpacked(buffered, self.compression) if self.compression else buffered
        start = self._pull(SAMPLE)
        self._begin = start[:FINGERPRINT]
        encoding = "" if start.startswith(codecs.BOM_UTF32_LE) else _UTF16.get(start[:2], "")
        if encoding:
            self._decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
            self._ahead = start[2:]
            self.sample = self._ahead.decode(encoding, "replace").encode()[:SAMPLE]
        else:
            self.sample = self._ahead = start.removeprefix(codecs.BOM_UTF8)
        self.begin = len(start) - len(self._ahead)
        """Where the text begins in what was decompressed."""
        self.fingerprint = sha256(self.sample[:FINGERPRINT]).digest()

    @property
    def consumed(self) -> int:
        """Bytes of the stored input read so far."""
        return self._counter.count

    @property
    def _is_packed(self) -> bool:
        return self.compression is not None or self.input.member is not None

    @property
    def _free(self) -> int:
        """Bytes that are allowed whatever the ratio: the members of an archive share those of one file."""
        return FREE_BYTES if self.input.member is None else FREE_BYTES // self.input.member.among

    def _pull(self, size: int) -> bytes:
        """`size` bytes, decompressed; fewer before the end and before a break, which the next call raises."""
        got = [self._ahead[:size]] if self._ahead else []
        self._ahead = self._ahead[size:]
        want = size - sum(map(len, got))
        try:
            while want > 0 and not self._failure and (data := self._stream.read1(min(want, PIECE))):
                got.append(data)
                want -= len(data)
                self.produced += len(data)
                if self._is_packed and self.produced > max(self._free, MAX_RATIO * self.consumed):
                    self._failure = ReadingError("F05", ratio=MAX_RATIO)
        except (OSError, EOFError, MemoryError, zlib.error, lzma.LZMAError, zstandard.ZstdError) as error:
            self._failure = ReadingError("F06", why=str(error))
        if self._failure and not got:
            raise self._failure
        return b"".join(got)

    def read(self, size: int) -> bytes:
        """About `size` bytes, decompressed and as UTF-8 where the input was UTF-16; empty at the end."""
        if self._decoder is None:
            return self._pull(size)
        if self._over:
            over, self._over = self._over, b""
            return over
        while data := self._pull(size):
            if decoded := self._decoder.decode(data):
                return decoded.encode()
        return self._decoder.decode(b"", final=True).encode()

    def skip(self, size: int) -> bool:
        """Pass over bytes that were read before; whether there were so many. Raises ReadingError as `read` does."""
        ahead = self._ahead[size:]
        if self._decoder is None and (ahead or not self.file):
            size -= len(self._ahead) - len(ahead)
            self._ahead = ahead
        elif self._decoder is None and self.file:
            size -= len(self._ahead)
            self._ahead = b""
            room = os.fstat(self._raw.fileno()).st_size - self.produced
            step = min(size, max(room, 0))
            self._buffered.seek(step, os.SEEK_CUR)
            self.produced += step
            return step == size
        while size > 0 and (data := self.read(min(size, PIECE))):
            self._over = data[size:]
            size -= len(data)
        return size <= 0

    def take(self, size: int) -> bytes:
        """So many bytes as `read` gives them; fewer at the end. Raises ReadingError as `read` does."""
        got = b""
        while len(got) < size and (data := self.read(size - len(got))):
            got += data
        self._over = got[size:]
        return got[:size]

    @property
    def state(self) -> os.stat_result:
        """What the system knows of the file now."""
        return os.fstat(self._raw.fileno())

    @property
    def unchanged(self) -> bool:
        """Whether the file still begins as it did, and holds what was read: False after it was cut short."""
        if self.file is None:
            return True
        try:
            begin = os.pread(self._raw.fileno(), len(self._begin), 0)
        except AttributeError:  # Windows
            return True
        return begin == self._begin and self.state.st_size >= self.produced

    @property
    def file(self) -> BinaryIO | None:
        """The input itself where it is neither compressed nor a pipe, for what has to be read out of order."""
        is_file = self.input.content is None and not self._is_packed
        return self._raw if is_file and self._raw.seekable() else None

    @property
    def plain(self) -> bool:
        """Whether the input is a file that holds the very bytes that are read."""
        return self.file is not None and self._decoder is None

    def close(self) -> None:
        """Close what was opened; standard input stays open."""
        if self.input.path is not None:
            self._raw.close()


def _source(given: Input) -> BinaryIO:
    """What an input is read from. Raises OSError and ValueError."""
    if given.content is not None:
        return io.BytesIO(given.content)
    return sys.stdin.buffer if given.path is None else opened(given.path, given.pipe)


class _Counted(io.RawIOBase):
    """A raw stream that counts the bytes taken from it."""

    def __init__(self, raw: "BinaryIO | archive.Stored") -> None:
        self.raw, self.count = raw, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self.raw.seekable()

    def tell(self) -> int:
        return self.raw.tell()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self.count = self.raw.seek(offset, whence)
        return self.count

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        size = self._into(view)
        # A pipe may give its first bytes one by one; only together do they tell how it is compressed.
        while size and self.count + size < 8 and (more := self._into(view[size:])):
            size += more
        self.count += size
        return size

    def _into(self, view: memoryview) -> int:
        if isinstance(self.raw, io.BufferedIOBase):
            return self.raw.readinto1(view)
        data = self.raw.read(len(view))
        view[: len(data)] = data
        return len(data)


_UNPACKING: Final[Mapping[str, tuple[Callable[[], Any], int]]] = {
    "gzip": (lambda: zlib.decompressobj(31), 4_096),
    "zstd": (lambda: zstandard.ZstdDecompressor().decompressobj(), 1_024),
    "xz": (lambda: lzma.LZMADecompressor(memlimit=MAX_DICTIONARY), 4_096),
    "bzip2": (bz2.BZ2Decompressor, 64),
    "deflate": (lambda: zlib.decompressobj(-15), 4_096),
}
"""What unpacks one member, and how many bytes it is fed at a time: so few that what comes of them at the format's
highest ratio fits in memory (gzip 4 MiB, zstd 32 MiB, xz 28 MiB, bzip2 90 MiB)."""


class _Unpacked:
    """Compressed members one after the other, with zeros between them at most, as one stream.

    Raises EOFError where the last one is cut short. The readers that come with the formats lose what came just before
    a break, or (zstd) do not tell a break from the end, or (xz, bzip2) an end from a damaged second member.
    """

    def __init__(self, raw: BinaryIO, compression: str) -> None:
        self._raw = raw
        self._fresh, self._piece = _UNPACKING[compression]
        # What deflate begins with may be a zero that counts; the other formats have a mark.
        self._member: Any = self._fresh() if compression == "deflate" else None
        self._rest = self._held = b""

    def read1(self, size: int) -> bytes:
        while not self._held:
            data, self._rest = self._rest or self._raw.read(self._piece), b""
            if not data:
                if self._member is not None:
                    raise EOFError("the compressed data is cut short")
                return b""
            if self._member is None:
                data = data.lstrip(b"\0")
                if not data:
                    continue
                self._member = self._fresh()
            self._held = self._member.decompress(data)
            if self._member.eof:
                self._rest, self._member = self._member.unused_data, None
        given, self._held = self._held[:size], self._held[size:]
        return given
