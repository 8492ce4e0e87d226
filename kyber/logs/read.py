"""Files, folders, globs, compressed files and standard input -> chunks of raw records.

Nothing is trusted: a compressed stream that grows out of proportion is stopped, a record longer than the limit is cut
and marked, a file that cannot be opened is a Problem and the rest goes on.
"""

import bz2
import codecs
import errno
import glob
import io
import lzma
import os
import re
import stat
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import zstandard

from kyber.logs.batch import Chunk
from kyber.problem import Place, Problem, Severity

MAX_RECORD = 2**20
"""Bytes of one record; what is longer is cut here and the rest of it passed over."""
CHUNK = 32 * 2**20
"""Bytes of raw records read before they are parsed: what bounds the memory of a scan."""
MAX_RECORDS = 250_000
"""Records parsed at once, about: short ones cost more than their bytes."""
PIECE = 2**20
"""Bytes taken from a stream at once, and so the most that is lost where reading fails."""
MAX_RATIO = 1_000
"""Decompressed : compressed. Honest logs reach 100:1."""
FREE_BYTES = 64 * 2**20
"""Decompressed bytes that are allowed whatever the ratio."""
MAX_DICTIONARY = 256 * 2**20
"""Bytes of memory that unpacking xz may take; its highest preset takes 65 MiB."""
MAX_HELD = 2**31
"""Bytes of an event log that is compressed or comes by standard input, and so has to be held whole."""
MAX_FILES = 200_000
SAMPLE = 2**18
"""Bytes from which a format is told. The largest Windows event (32 Ki characters) fits, every one escaped as JSON."""
FINGERPRINT = 256
BROKEN = b"\x00broken: "
"""What begins a record that its container could not give."""

_MAGIC: Final = (
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"BZh", "bzip2"),
)
_NOT_THERE: Final = frozenset((errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EINVAL))
_NOT_REGULAR: Final = "not a regular file"
_NO_WAITING: Final[int] = getattr(os, "O_NONBLOCK", 0)
_UTF16: Final = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}


class ReadingError(Exception):
    """An input cannot be read further; `code` is the F-code that says why."""

    def __init__(self, code: str, **facts: object) -> None:
        super().__init__(code)
        self.code, self.facts = code, facts


def out_of_memory() -> ReadingError:
    """What stops the reading of an input that this machine has no memory for."""
    return ReadingError("F06", why="out of memory")


@dataclass(frozen=True, slots=True)
class Input:
    """One thing to read. `name` is for the user; `path` is None for standard input; `size` is in bytes as stored.

    `pipe`: it may be opened though it is no regular file, and so may wait for as long as its writer likes.
    """

    name: str
    path: Path | None
    size: int
    modified: datetime
    pipe: bool = False


def inputs(paths: Sequence[str], now: datetime, *, pipes: bool = False) -> tuple[list[Input], list[Problem]]:
    """The files that paths mean: files themselves, folders with all below them, globs, `-` for standard input.

    Below a folder, hidden files are left out, and so is what is no regular file; a symbolic link that leads out of it,
    or out of the folder where a glob begins, is a Problem. So is what is no regular file and named itself, unless
    `pipes`, for paths that the user typed. Sorted by name within each path; a file is read once.
    """
    found: dict[str, Input] = {}
    problems: list[Problem] = []
    for given in paths:
        if given == "-":
            found.setdefault(given, Input("<stdin>", None, 0, now))
            continue
        for file in _files(given, problems):
            try:
                state = file.stat()
            except OSError as error:
                problems.append(_unreadable(file, error))
                continue
            identity = os.path.realpath(file)
            regular = stat.S_ISREG(state.st_mode)
            if identity in found or not (regular or file == Path(given)):
                continue
            if not (regular or pipes):
                problems.append(Problem(Place(given), "F02", {"why": _NOT_REGULAR}))
                continue
            if len(found) >= MAX_FILES:
                problems.append(Problem(Place(given), "F03", {"limit": MAX_FILES}))
                return list(found.values()), problems
            found[identity] = Input(str(file), file, state.st_size, _modified(state, now), not regular)
    return list(found.values()), problems


def _modified(state: os.stat_result, now: datetime) -> datetime:
    try:
        return datetime.fromtimestamp(state.st_mtime, UTC)
    except (ValueError, OverflowError, OSError):  # a time outside the calendar
        return now


def _unreadable(file: Path, error: OSError) -> Problem:
    return Problem(Place(str(file)), "F02", {"why": error.strerror or str(error)})


def _files(given: str, problems: list[Problem]) -> Iterator[Path]:
    """The files that one path means, with what lies in the way of others."""
    path = Path(given)
    try:
        path.stat()
    except ValueError:  # no file can have such a name
        problems.append(Problem(Place(given), "F01"))
        return
    except OSError as error:
        if error.errno not in _NOT_THERE:
            problems.append(_unreadable(path, error))
            return
        home, matches = os.path.realpath(_fixed(path)), list(_matching(path))
        if not matches:
            problems.append(Problem(Place(given), "F01"))
    else:
        home, matches = os.path.realpath(path), [path]
    for match in matches:
        if _leaves(match, home):
            problems.append(Problem(Place(str(match)), "F04", severity=Severity.WARNING))
        elif os.path.isdir(match):  # noqa: PTH112 - Path.is_dir raises where a folder may be listed and not entered
            yield from _below(match, home, problems)
        else:
            yield match


def _matching(pattern: Path) -> Iterator[Path]:
    """What a glob matches, sorted, without what is hidden. It does not walk through links to folders."""
    fixed = _fixed(pattern)
    if fixed == pattern:
        return
    rest = pattern.relative_to(fixed)
    shows = any(part.startswith(".") for part in rest.parts)
    try:
        found = sorted(fixed.glob(str(rest)))
    except (ValueError, OSError):
        return
    for match in found:
        if shows or not any(part.startswith(".") for part in match.relative_to(fixed).parts):
            yield match


def _fixed(pattern: Path) -> Path:
    """The part of a pattern before its first wildcard."""
    magic = (index for index, part in enumerate(pattern.parts) if glob.has_magic(part))
    return Path(*pattern.parts[: next(magic, len(pattern.parts))])


def _leaves(path: Path, home: str) -> bool:
    # Not Path.resolve: where links go round in circles, it raises.
    return not Path(os.path.realpath(path)).is_relative_to(home)


def _below(folder: Path, home: str, problems: list[Problem]) -> Iterator[Path]:
    """What is below a folder, neither hidden nor a folder, sorted. `home` is what links must not lead out of."""

    def passed_over(error: OSError) -> None:
        problems.append(_unreadable(Path(str(error.filename)), error))

    for where, folders, names in os.walk(folder, onerror=passed_over):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted((*folders, *names)):
            path = Path(where) / name
            if name.startswith("."):
                continue
            if os.path.islink(path) and _leaves(path, home):  # noqa: PTH114 - as above
                problems.append(Problem(Place(str(path)), "F04", severity=Severity.WARNING))
            elif name not in folders:
                yield path


def _opened(path: Path, pipe: bool) -> BinaryIO:
    """A file opened without ever waiting for a writer, unless it may be a pipe. Raises OSError where it is neither."""
    if pipe:
        return path.open("rb")
    file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | _NO_WAITING))  # noqa: SIM115
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):  # it has changed since it was listed
        file.close()
        raise OSError(_NOT_REGULAR)
    return file


class Stream:
    """One input opened for reading: decompressed bytes, with how far the stored bytes have been read (`consumed`).

    Raises ReadingError from `read` when the input breaks off, cannot be decompressed, or grows out of proportion; all
    that came before is given first.
    """

    def __init__(self, given: Input) -> None:
        self.input = given
        self.produced = 0
        self._ahead = b""
        self._failure: ReadingError | None = None
        self._decoder: codecs.IncrementalDecoder | None = None
        try:
            self._raw: BinaryIO = sys.stdin.buffer if given.path is None else _opened(given.path, given.pipe)
        except (OSError, ValueError) as error:
            raise ReadingError("F02", why=getattr(error, "strerror", None) or str(error)) from None
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        self._counter = _Counted(self._raw)
        buffered = io.BufferedReader(self._counter, PIECE)
        try:
            head = buffered.peek(8)
        except OSError as error:
            raise ReadingError("F02", why=error.strerror or str(error)) from None
        self.compression = next((name for magic, name in _MAGIC if head.startswith(magic)), None)
        self._stream = _Unpacked(buffered, self.compression) if self.compression else buffered
        start = self._pull(SAMPLE)
        encoding = "" if start.startswith(codecs.BOM_UTF32_LE) else _UTF16.get(start[:2], "")
        if encoding:
            self._decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
            self._ahead = start[2:]
            self.sample = self._ahead.decode(encoding, "replace").encode()[:SAMPLE]
        else:
            self.sample = self._ahead = start.removeprefix(codecs.BOM_UTF8)
        self.fingerprint = sha256(self.sample[:FINGERPRINT]).digest()

    @property
    def consumed(self) -> int:
        """Bytes of the stored input read so far."""
        return self._counter.count

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
                if self.compression and self.produced > max(FREE_BYTES, MAX_RATIO * self.consumed):
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
        while data := self._pull(size):
            if decoded := self._decoder.decode(data):
                return decoded.encode()
        return self._decoder.decode(b"", final=True).encode()

    @property
    def file(self) -> BinaryIO | None:
        """The input itself where it is neither compressed nor a pipe, for what has to be read out of order."""
        return self._raw if self.compression is None and self._raw.seekable() else None

    def close(self) -> None:
        """Close what was opened; standard input stays open."""
        if self.input.path is not None:
            self._raw.close()


class _Counted(io.RawIOBase):
    """A raw stream that counts the bytes taken from it."""

    def __init__(self, raw: BinaryIO) -> None:
        self.raw, self.count = raw, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        data = self._some(len(view))
        # A pipe may give its first bytes one by one; only together do they tell how it is compressed.
        while data and self.count + len(data) < 8 and (more := self._some(len(view) - len(data))):
            data += more
        view[: len(data)] = data
        self.count += len(data)
        return len(data)

    def _some(self, size: int) -> bytes:
        return self.raw.read1(size) if isinstance(self.raw, io.BufferedIOBase) else self.raw.read(size)


_UNPACKING: Final[Mapping[str, tuple[Callable[[], Any], int]]] = {
    "gzip": (lambda: zlib.decompressobj(31), 4_096),
    "zstd": (lambda: zstandard.ZstdDecompressor().decompressobj(), 1_024),
    "xz": (lambda: lzma.LZMADecompressor(memlimit=MAX_DICTIONARY), 4_096),
    "bzip2": (bz2.BZ2Decompressor, 64),
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
        self._member: Any = None
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


def lines(stream: Stream, size: int = CHUNK) -> Iterator[Chunk]:
    """Chunks of whole lines, without their line feeds. The last line needs none. Long lines are cut and marked."""
    number, offset = 1, 0
    head, length = b"", 0  # a line that has begun: its start, and how long it is by now
    for data, last in _portions(_full(stream, size)):
        end = len(data) if last and not data.endswith(b"\n") else data.rfind(b"\n")
        if end < 0 or (last and not length and not data):
            head, length = head + data[: MAX_RECORD - len(head)], length + len(data)
            continue
        chunk = _chunk(data[:end].split(b"\n"), head, length, number, offset)
        yield chunk
        number += len(chunk.records)
        offset += length + end + 1
        head, length = data[end + 1 :][:MAX_RECORD], len(data) - end - 1


def _portions(pieces: Iterable[tuple[bytes, bool]]) -> Iterator[tuple[bytes, bool]]:
    """Pieces of which none holds many more than MAX_RECORDS lines, however short those are."""
    for data, last in pieces:
        parts = max(1, -(-data.count(b"\n") // MAX_RECORDS))
        step = -(-len(data) // parts) or 1
        for start in range(0, max(len(data), 1), step):
            yield data[start : start + step] if parts > 1 else data, last and start + step >= len(data)


def _full(stream: Stream, size: int) -> Iterator[tuple[bytes, bool]]:
    """Pieces of a stream of `size` bytes, the last one shorter (perhaps empty), each with whether it is the last."""
    last = False
    while not last:
        pieces: list[bytes] = []
        held = 0
        while held < size and not last:
            try:
                data = stream.read(size - held)
            except ReadingError:
                yield b"".join(pieces), False
                raise
            pieces.append(data)
            held += len(data)
            last = not data
        yield b"".join(pieces), last


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


_STRUCTURE = re.compile(rb'(?:[^"{}\[\]]++|"(?:[^"\\\n]++|\\[^\n]?+)*+(?:"|(?=\n)))*+([{}\[\]])')
"""Up to the next bracket or brace outside texts. A text that is not closed ends with its line."""
_BETWEEN = re.compile(rb"(?:[\s,]++|Record \d+(?!\S))*+")
_UNINDENTED = re.compile(rb"\{[ \t\r]*\n([ \t]*)")


def documents(stream: Stream, size: int = CHUNK) -> Iterator[Chunk]:
    """Chunks of JSON values that may span lines: one after the other, or the elements of arrays.

    What stands between them and is not JSON becomes a record of its own, so that its parser can reject it by name. A
    value that breaks off ends where a line begins with a brace no further in than the value's own.
    """
    found, number, data = _Documents(), 1, b" "
    while data:
        data = stream.read(size)
        step = len(data) // (1 + data.count(b"{") // MAX_RECORDS) or 1
        for start in range(0, max(len(data), 1), step):
            chunk = found.feed(data[start : start + step], number)
            if chunk.records:
                yield chunk
            number += len(chunk.records)


class _Documents:
    """Finds where JSON values begin and end, looking at each byte once. `block` holds what is not given yet.

    Positions are in `block`: `at`, up to where it was looked at; `start`, where the open value, or what stands between
    values, begins. `base` is the offset of `block` in the stream; `dropped` bytes of the open value are no longer held.
    """

    def __init__(self) -> None:
        self.block = b""
        self.base = self.at = self.start = self.depth = self.dropped = self.column = 0
        self.inside = False  # the array that holds the values
        self.records: list[bytes] = []
        self.offsets: list[int] = []
        self.cut: set[int] = set()

    def feed(self, data: bytes, number: int) -> Chunk:
        """The values that end in `data`; in none at all (the end), what is left."""
        self.block += data
        block, structure = self.block, _STRUCTURE.match
        while token := structure(block, self.at):
            sign, place, self.at = token[1], token.start(1), token.end()
            if not self.depth:
                self._outside(sign, place)
            elif sign in b"}]":
                self.depth -= 1
                if not self.depth:
                    self._give(self.at)
            elif sign == b"{" and self._begins_anew(place):
                self._give(place)
                self._begin(place)
            else:
                self.depth += 1
        if not data:
            self._give(len(block)) if self.depth else self._between(len(block))
        elif len(block) - self.at > CHUNK:  # a text without end
            self.at = len(block)
        if not self.depth and self.at - self.start > MAX_RECORD:
            self._between(self.at)
        self._forget()
        chunk = Chunk(self.records, self.offsets, number, frozenset(self.cut))
        self.records, self.offsets, self.cut = [], [], set()
        return chunk

    def _outside(self, sign: bytes, place: int) -> None:
        if sign == b"}" or (sign == b"]" and not self.inside):
            return
        between = self._between(place)
        if sign == b"]" or (sign == b"[" and not self.inside and not between):
            self.inside = sign == b"["
            self.start = place + 1
        else:
            self._begin(place)

    def _begin(self, place: int) -> None:
        self.start, self.depth, self.column = place, 1, max(self._indent(place), 0)

    def _indent(self, place: int) -> int:
        """How far in a place is, when nothing but blanks stands before it on its line; otherwise -1."""
        before = self.block[max(place - 64, 0) : place]
        line = before.rstrip(b" \t")
        return len(before) - len(line) if line.endswith(b"\n") else -1

    def _begins_anew(self, place: int) -> bool:
        """Whether a brace within a value must be the next value's: it stands as far left, in JSON that is indented."""
        if not 0 <= self._indent(place) <= self.column:
            return False
        if self.block[max(place - 64, self.start) : place].rstrip()[-1:] not in (b"[", b",", b":"):
            return True  # no value holds a brace there
        second = _UNINDENTED.match(self.block, self.start)
        return self.inside if second is None else len(second[1]) > self.column

    def _give(self, end: int) -> None:
        """The open value, up to `end`."""
        value = self.block[self.start : end].rstrip()
        self._add(value, self.dropped)
        self.base, self.dropped = self.base + self.dropped, 0
        self.start, self.depth = end, 0

    def _between(self, end: int) -> bool:
        """What stands between values, up to `end`; whether there was anything."""
        self.start = min(cast(re.Match[bytes], _BETWEEN.match(self.block, self.start)).end(), end)
        other = self.block[self.start : end].rstrip(b" \t\r\n,")
        if other:
            self._add(other, 0)
        self.start = end
        return bool(other)

    def _add(self, record: bytes, dropped: int) -> None:
        if len(record) + dropped > MAX_RECORD:
            self.cut.add(len(self.records))
        self.records.append(record[:MAX_RECORD])
        self.offsets.append(self.base + self.start)

    def _forget(self) -> None:
        """Let go of what was given, and of the open value beyond the limit."""
        held = self.block[self.start : self.at]
        if self.depth and len(held) > MAX_RECORD + 64:
            # The last bytes stay: they tell how far in a brace is.
            held = held[:MAX_RECORD] + held[-64:]
            self.dropped += self.at - self.start - len(held)
        self.block = held + self.block[self.at :]
        self.base, self.start, self.at = self.base + self.start, 0, len(held)


_FILE_HEADER, _LOG_CHUNK = 4_096, 65_536
"""Bytes of an event log's header and of each chunk after it (Microsoft, MS-EVEN6; libevtx's description of EVTX)."""


def event_log(stream: Stream) -> Iterator[Chunk]:
    """Chunks of a Windows event log (EVTX): each record as JSON text, its record id in place of an offset.

    A record or a chunk of the log that is damaged becomes a record that begins with BROKEN, and the rest goes on.
    Raises ReadingError: F06 where it is no event log, and after its records where chunks of it are missing; F08 where
    it has to be held and is too large.
    """
    from evtx import PyEvtxParser

    log = stream.file or _held(stream)
    missing = _missing_chunks(log)
    stream.produced = log.tell()
    log.seek(0)
    number, size = 1, 0
    records: list[bytes] = []
    ids: list[int] = []
    try:
        found = iter(PyEvtxParser(log, number_of_threads=1).records_json())
    except BaseException as error:
        raise _unread(error) from None
    while True:
        try:
            record: Any = next(found)
            text, identity = record["data"].encode("utf-8", "replace"), int(record["event_record_id"])
        except StopIteration:
            break
        except (RuntimeError, OSError, ValueError) as error:
            text, identity = BROKEN + str(error).encode("utf-8", "replace"), 0
        except BaseException as error:
            raise _unread(error) from None
        records.append(text)
        ids.append(identity)
        size += len(text)
        if size >= CHUNK or len(records) >= MAX_RECORDS:
            yield Chunk(records, ids, number)
            number, size = number + len(records), 0
            records, ids = [], []
    if records:
        yield Chunk(records, ids, number)
    if missing:
        raise ReadingError("F06", why=f"chunks of the event log are missing or cut short: {missing}")


def _held(stream: Stream) -> BinaryIO:
    held = io.BytesIO()
    while data := stream.read(CHUNK):
        held.write(data)
        if held.tell() > MAX_HELD:
            raise ReadingError("F08", limit=MAX_HELD // 2**20)
    return held


def _unread(error: BaseException) -> BaseException:
    """What to raise for an error of the event log's package. Its panics are no Exception, and have no public name."""
    if isinstance(error, RuntimeError | OSError | ValueError) or type(error).__name__ == "PanicException":
        return ReadingError("F06", why=str(error))
    return error


def _missing_chunks(log: BinaryIO) -> int:
    """How many chunks the log's header counts, or the file begins, that are not there whole: the package is silent."""
    log.seek(42)
    counted = int.from_bytes(log.read(2), "little")
    size = log.seek(0, os.SEEK_END)
    begun = whole = 0
    for at in range(_FILE_HEADER, size, _LOG_CHUNK):
        log.seek(at)
        if log.read(8).strip(b"\0"):
            begun += 1
            whole += at + _LOG_CHUNK <= size
    log.seek(size)
    return max(counted, begun) - whole


FRAMINGS: Mapping[str, Callable[[Stream], Iterator[Chunk]]] = {"lines": lines, "json": documents, "evtx": event_log}
