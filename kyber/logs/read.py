"""Files, folders, globs, compressed files and standard input -> chunks of raw records.

Nothing is trusted: a compressed stream that grows out of proportion is stopped, a record longer than the limit is cut
and marked, a file that cannot be opened is a Problem and the rest goes on.
"""

import bz2
import codecs
import glob
import gzip
import io
import lzma
import os
import re
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO, cast

import zstandard

from kyber.logs.batch import Chunk
from kyber.problem import Place, Problem, Severity

MAX_RECORD = 2**20
"""Bytes of one record; what is longer is cut here and the rest of the line passed over."""
CHUNK = 32 * 2**20
"""Bytes of raw records read before they are parsed: what bounds the memory of a scan."""
MAX_RATIO = 1_000
"""Decompressed : compressed. Honest logs reach 100:1."""
FREE_BYTES = 64 * 2**20
"""Decompressed bytes that are allowed whatever the ratio."""
MAX_HELD = 2**31
"""Bytes of a compressed event log, which has to be unpacked whole."""
MAX_FILES = 200_000
SAMPLE = 65_536
FINGERPRINT = 256
BROKEN = b"\x00broken: "
"""What begins a record that its container could not give."""

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"BZh", "bzip2"),
)
_UTF16 = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}


class ReadingError(Exception):
    """An input cannot be read further; `code` is the F-code that says why."""

    def __init__(self, code: str, **facts: object) -> None:
        super().__init__(code)
        self.code, self.facts = code, facts


@dataclass(frozen=True, slots=True)
class Input:
    """One thing to read. `name` is what the user is shown; `path` is None for standard input. `size` in bytes as stored."""

    name: str
    path: Path | None
    size: int
    modified: datetime


def inputs(paths: Sequence[str], now: datetime) -> tuple[list[Input], list[Problem]]:
    """The files that paths mean: files themselves, folders with all below them, globs, `-` for standard input.

    Symbolic links below a folder are not followed out of it. Sorted by name within each path; a file is read once.
    """
    found: dict[Path, Input] = {}
    problems: list[Problem] = []
    stdin: list[Input] = []
    for given in paths:
        if given == "-":
            stdin.append(Input("<stdin>", None, 0, now))
            continue
        path = Path(given)
        if path.is_dir():
            files: Iterable[Path] = _below(path, problems)
        elif path.exists():
            files = [path]
        else:
            files = [Path(one) for one in sorted(glob.glob(given, recursive=True)) if Path(one).is_file()]
            if not files:
                problems.append(Problem(Place(given), "F01"))
        for file in files:
            try:
                state = file.stat()
                found.setdefault(
                    file.resolve(),
                    Input(str(file), file, state.st_size, datetime.fromtimestamp(state.st_mtime, UTC)),
                )
            except OSError as error:
                problems.append(Problem(Place(str(file)), "F02", {"why": error.strerror or str(error)}))
            if len(found) > MAX_FILES:
                problems.append(Problem(Place(given), "F03", {"limit": MAX_FILES}))
                break
    return [*stdin, *found.values()], problems


def _below(folder: Path, problems: list[Problem]) -> Iterator[Path]:
    """Every regular file below a folder, sorted; hidden ones and links that lead outside are left out."""
    root = folder.resolve()

    def passed_over(error: OSError) -> None:
        problems.append(Problem(Place(str(error.filename)), "F02", {"why": error.strerror or str(error)}))

    for where, folders, names in _walk(folder, passed_over):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            file = where / name
            if name.startswith("."):
                continue
            if file.is_symlink() and not file.resolve().is_relative_to(root):
                problems.append(Problem(Place(str(file)), "F04", severity=Severity.WARNING))
            elif file.is_file():
                yield file


def _walk(folder: Path, onerror: Callable[[OSError], None]) -> Iterator[tuple[Path, list[str], list[str]]]:
    for where, folders, names in os.walk(folder, onerror=onerror):
        yield Path(where), folders, names


class Stream:
    """One input opened for reading: decompressed bytes, with how far the stored bytes have been read (`consumed`).

    Raises ReadingError from `read` when the input breaks off, cannot be decompressed, or grows out of proportion.
    """

    def __init__(self, given: Input) -> None:
        self.input = given
        self.produced = 0
        self.compression: str | None = None
        try:
            self._raw: BinaryIO = sys.stdin.buffer if given.path is None else given.path.open("rb")
            peeked = io.BufferedReader(cast(io.RawIOBase, _Counted(self._raw)), 2**20)
            self._counter = cast(_Counted, peeked.raw)
            head = peeked.peek(8)[:8]
        except OSError as error:
            raise ReadingError("F02", why=error.strerror or str(error)) from None
        self.compression = next((name for magic, name in _MAGIC if head.startswith(magic)), None)
        self._stream: BinaryIO = _opened(self.compression, peeked)
        self._ahead = b""
        self._decoder = None
        start = self._pull(SAMPLE)
        if start[:2] in _UTF16 and not start.startswith(b"\xff\xfe\x00\x00"):
            self._decoder = codecs.getincrementaldecoder(_UTF16[start[:2]])(errors="replace")
            start = self._decoder.decode(start[2:]).encode("utf-8", "replace")
        elif start.startswith(b"\xef\xbb\xbf"):
            start = start[3:]
        self._ahead = start
        self.sample = start[:SAMPLE]
        self.fingerprint = sha256(start[:FINGERPRINT]).digest()

    @property
    def consumed(self) -> int:
        """Bytes of the stored input read so far."""
        return self._counter.count

    def _pull(self, size: int) -> bytes:
        got: list[bytes] = []
        want = size
        try:
            while want > 0 and (data := self._stream.read(want)):
                got.append(data)
                want -= len(data)
                self.produced += len(data)
                if (
                    self.compression
                    and self.produced > FREE_BYTES
                    and self.produced > MAX_RATIO * max(self.consumed, 1)
                ):
                    raise ReadingError("F05", ratio=MAX_RATIO)
        except ReadingError:
            raise
        except (OSError, EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError) as error:
            if got:  # what came before the break is read first; the next call meets the break again
                self._broken: Exception | None = error
                self._stream = cast(BinaryIO, _Broken(error))
                return b"".join(got)
            raise ReadingError("F06", why=str(error)) from None
        return b"".join(got)

    def read(self, size: int) -> bytes:
        """Up to `size` bytes, decompressed and as UTF-8 where the input was UTF-16; empty at the end."""
        if self._ahead:
            ahead, self._ahead = self._ahead[:size], self._ahead[size:]
            return ahead
        data = self._pull(size)
        if self._decoder is not None:
            return self._decoder.decode(data, final=not data).encode("utf-8", "replace")
        return data

    def close(self) -> None:
        """Close what was opened; standard input stays open."""
        if self.input.path is not None:
            self._raw.close()


class _Broken:
    """A stream whose next read meets an error that was put off."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def read(self, size: int) -> bytes:
        raise self.error


class _Counted(io.RawIOBase):
    """A raw stream that counts the bytes taken from it."""

    def __init__(self, raw: BinaryIO) -> None:
        self.raw, self.count = raw, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast(bytearray, buffer))
        data = self.raw.read1(len(view)) if hasattr(self.raw, "read1") else self.raw.read(len(view))
        view[: len(data)] = data
        self.count += len(data)
        return len(data)


def _opened(compression: str | None, raw: io.BufferedReader) -> BinaryIO:
    if compression == "gzip":
        return cast(BinaryIO, gzip.GzipFile(fileobj=raw))
    if compression == "zstd":
        return cast(BinaryIO, zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True))
    if compression == "xz":
        return cast(BinaryIO, lzma.LZMAFile(raw))
    if compression == "bzip2":
        return cast(BinaryIO, bz2.BZ2File(raw))
    return cast(BinaryIO, raw)


def lines(stream: Stream, size: int = CHUNK) -> Iterator[Chunk]:
    """Chunks of whole lines, without their line feeds. The last line needs none. Long lines are cut and marked."""
    number, offset = 1, 0
    head, length = b"", 0  # a line that has begun: its start, and how long it is by now
    while data := stream.read(size):
        end = data.rfind(b"\n")
        if end < 0:
            head, length = head + data[: MAX_RECORD - len(head)], length + len(data)
            continue
        chunk = _chunk(data[:end].split(b"\n"), head, length, number, offset)
        yield chunk
        number += len(chunk.records)
        offset += length + end + 1
        head, length = data[end + 1 :][:MAX_RECORD], len(data) - end - 1
    if length:
        yield _chunk([b""], head, length, number, offset)


def _chunk(records: list[bytes], head: bytes, length: int, number: int, offset: int) -> Chunk:
    """Lines of which the first has a head of `length` bytes that was read before."""
    sizes = list(map(len, records))
    sizes[0] += length
    records[0] = head + records[0]
    offsets = list(accumulate((size + 1 for size in sizes[:-1]), initial=offset))
    cut = frozenset(index for index, size in enumerate(sizes) if size > MAX_RECORD) if max(sizes) > MAX_RECORD else ()
    for index in cut:
        records[index] = records[index][:MAX_RECORD]
    return Chunk(records, offsets, number, frozenset(cut))


_JSON_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[{}\[\]]', re.DOTALL)
_BETWEEN = re.compile(rb"[\s,]*(?:Record \d+\s*)?")


def documents(stream: Stream, size: int = CHUNK) -> Iterator[Chunk]:
    """Chunks of JSON values that may span lines: one after the other, or the elements of one array.

    What stands between them and is not JSON becomes a record of its own, so that its parser can reject it by name.
    """
    number, offset, rest = 1, 0, b""
    inside = 0  # 1 within the one array that holds the records
    while True:
        data = stream.read(size)
        block = rest + data
        records, ends, inside, at = _values(block, inside, first=offset == 0, last=not data)
        if records:
            chunk = Chunk(records, [offset + end for end in ends], number)
            number += len(records)
            yield chunk
        rest, offset = block[at:], offset + at
        if not data or len(rest) > MAX_RECORD:
            break
    length = len(rest.strip())
    while data := stream.read(size):
        length += len(data)
    if length:
        yield Chunk([rest[:MAX_RECORD]], [offset], number, frozenset((0,)) if length > MAX_RECORD else frozenset())


def _values(block: bytes, inside: int, *, first: bool, last: bool) -> tuple[list[bytes], list[int], int, int]:
    records: list[bytes] = []
    starts: list[int] = []
    at = start = 0
    if first and block.lstrip()[:1] == b"[":
        inside, at = 1, block.index(b"[") + 1
    depth = 0
    for token in _JSON_TOKEN.finditer(block, at):
        sign = token[0]
        if sign in (b"{", b"["):
            if depth == 0:
                start = _BETWEEN.match(block, at).end()  # type: ignore[union-attr] - the pattern matches nothing too
                if block[start : token.start()].strip():
                    records.append(block[start : token.start()].strip())
                    starts.append(start)
                start = token.start()
            depth += 1
        elif sign in (b"}", b"]"):
            if depth == 0:
                if inside and sign == b"]":
                    inside, at = 0, token.end()
                continue
            depth -= 1
            if depth == 0:
                at = token.end()
                records.append(block[start:at])
                starts.append(start)
    if last and depth == 0:
        tail = block[at:].strip(b" \t\r\n,]")
        if not tail:
            at = len(block)
    return records, starts, inside, at


def event_log(stream: Stream) -> Iterator[Chunk]:
    """Chunks of a Windows event log (EVTX): each record as JSON text, its record id in place of an offset.

    A record or a chunk of the log that is damaged becomes a record that begins with BROKEN, and the rest goes on.
    """
    from evtx import PyEvtxParser

    if stream.compression or stream.input.path is None:
        held = io.BytesIO()
        while data := stream.read(CHUNK):
            held.write(data)
            if held.tell() > MAX_HELD:
                raise ReadingError("F05", ratio=MAX_RATIO)
        held.seek(0)
        source: object = held
    else:
        source = str(stream.input.path)
    try:
        found = iter(PyEvtxParser(source, number_of_threads=1).records_json())
    except (RuntimeError, OSError, ValueError) as error:
        raise ReadingError("F06", why=str(error)) from None
    number, size = 1, 0
    records: list[bytes] = []
    ids: list[int] = []
    while True:
        try:
            record = next(found)
            text, identity = record["data"].encode("utf-8", "replace"), int(record["event_record_id"])
        except StopIteration:
            break
        except (RuntimeError, OSError, ValueError) as error:
            text, identity = BROKEN + str(error).encode("utf-8", "replace"), 0
        records.append(text)
        ids.append(identity)
        size += len(text)
        if size >= CHUNK:
            yield Chunk(records, ids, number)
            number, size = number + len(records), 0
            records, ids = [], []
    if records:
        yield Chunk(records, ids, number)


FRAMINGS: Mapping[str, Callable[[Stream], Iterator[Chunk]]] = {"lines": lines, "json": documents, "evtx": event_log}
