"""Decompressed bytes -> chunks of raw records, each with where it began: how the records of an input are cut.

A record longer than the limit is cut and marked.
"""

import io
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate, islice
from typing import Any, BinaryIO, Protocol, cast

import numpy as np

from kyber.logs.batch import Chunk
from kyber.logs.delimited import GoesOn, goes_on, sniff
from kyber.logs.native import native
from kyber.logs.stream import ReadingError, Stream

MAX_RECORD = 2**20
"""Bytes of one record; what is longer is cut here and the rest of it passed over."""
CHUNK = 32 * 2**20
"""Bytes of raw records read before they are parsed and stored together."""
PIECE = 2**20
"""Bytes of lines read before they are parsed in a scan: few enough to lie in a processor's own memory."""
MAX_RECORDS = 250_000
"""Records parsed at once, about: short ones cost more than their bytes."""
MAX_HELD = 2**31
"""Bytes of an event log that is compressed or comes by standard input, and so has to be held whole."""
MAX_FIELD = 768 * 2**20
"""Bytes of one binary field in the journal's export form; systemd takes no longer one either."""
BROKEN = b"\x00broken: "
"""What begins a record that its container could not give."""


class Readable(Protocol):
    """What lines, values and entries are cut from: a Stream, or what a program writes."""

    def read(self, size: int, /) -> bytes:
        """About `size` bytes; empty at the end. Raises ReadingError."""
        ...


def lines(
    stream: Readable, size: int = PIECE, number: int = 1, offset: int = 0, most: int = MAX_RECORDS
) -> Iterator[Chunk]:
    """Chunks of whole lines, without their line feeds. The last line needs none. Long lines are cut and marked.

    The first line is record `number`, and begins at `offset` of the input: where the stream stands. A chunk is of
    `size` bytes and `most` lines at most, about.
    """
    head, length = b"", 0  # a line that has begun: its start, and how long it is by now
    for data, last in _full(stream, size):
        reader = io.BytesIO(data)
        while (some := list(islice(reader, most))) or (last and length):
            unended = not (some and some[-1].endswith(b"\n"))
            if unended and not last:
                rest = some.pop()
                if not some:
                    head, length = head + rest[: MAX_RECORD - len(head)], length + len(rest)
                    break
            else:
                rest = b""
            ended = len(some) - (unended and last)
            records = [line[:-1] for line in some[:ended]] + (some[ended:] or [b""] if unended and last else [])
            following = offset + length + sum(map(len, some))
            yield _chunk(records, head, length, number, offset, following, unended and last)
            number += len(records)
            offset = following
            head, length = rest[:MAX_RECORD], len(rest)


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines, as they stand in `data` from `begin` to `end`; the first is record `number` and begins at `offset`
    of the input."""

    data: bytes
    begin: int
    end: int
    number: int
    offset: int

    @property
    def lines(self) -> int:
        """How many lines there are, if the last one is ended."""
        if native is not None:
            found: int = native.lines(self.data, self.begin, self.end)
            return found
        data = np.frombuffer(self.data, dtype=np.uint8)[self.begin : self.end]
        return int(np.count_nonzero(data == ord("\n")))


def blocks(stream: Readable, size: int = PIECE) -> Iterator[Block | Chunk]:
    """Whole lines, about `size` bytes at a time. Where a line is as long as that, chunks of lines from there on.

    Raises ReadingError as the stream does, after the whole lines before it. A line across two pieces is a block.
    """
    number, offset, rest = 1, 0, b""
    for data, last in _full(stream, size):
        cut = len(data) if last else data.rfind(b"\n") + 1
        if not cut and len(data) >= size:
            yield from lines(Again(rest + data, stream), number=number, offset=offset)
            return
        begin = 0
        if rest and (cut or last):
            begin = data.find(b"\n") + 1 or cut
            yield Block(rest + data[:begin], 0, len(rest) + begin, number, offset)
            number, offset, rest = number + 1, offset + len(rest) + begin, b""
        if cut > begin:
            yield (block := Block(data, begin, cut, number, offset))
            number, offset = number + block.lines, offset + cut - begin
        rest += data[cut:]


class Again:
    """Bytes that were read, before those that follow them."""

    def __init__(self, data: bytes, stream: Readable) -> None:
        self.data, self.stream = io.BytesIO(data), stream

    def read(self, size: int, /) -> bytes:
        """About so many bytes; see Readable."""
        return self.data.read(size) or self.stream.read(size)


def _full(stream: Readable, size: int) -> Iterator[tuple[bytes, bool]]:
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


def _chunk(records: list[bytes], head: bytes, length: int, number: int, offset: int, end: int, unended: bool) -> Chunk:
    """Lines of which the first has a head of `length` bytes that was read before."""
    sizes = list(map(len, records))
    sizes[0] += length
    records[0] = head + records[0]
    offsets = list(accumulate((size + 1 for size in sizes[:-1]), initial=offset))
    cut = frozenset(index for index, size in enumerate(sizes) if size > MAX_RECORD) if max(sizes) > MAX_RECORD else ()
    for index in cut:
        records[index] = records[index][:MAX_RECORD]
    return Chunk(records, offsets, number, frozenset(cut), end, unended)


def delimited(
    stream: Stream, size: int = CHUNK, number: int = 1, offset: int = 0, most: int = MAX_RECORDS
) -> Iterator[Chunk]:
    """Chunks of whole records of delimited text, whose quoted cells may hold line feeds.

    A quote that is not closed within the limit, or not at all, is taken for a character: its lines are records each.
    """
    rows, at = _Rows(goes_on(sniff(stream.sample)[0])), number
    try:
        for lines_of in lines(stream, size, at, offset, most):
            chunk = rows.feed(lines_of, number)
            if chunk.records:
                yield chunk
            number += len(chunk.records)
    except ReadingError:
        if (rest := rows.finish(number)).records:
            yield rest
        raise
    if (rest := rows.finish(number)).records:
        yield rest


class _Rows:
    """Joins lines to records. `held` are the lines of the open one, each with its offset and whether it was cut."""

    def __init__(self, is_open: GoesOn) -> None:
        self.is_open = is_open
        self.held: list[tuple[bytes, int, bool]] = []
        self.length = 0
        self.made: list[tuple[bytes, int, bool]] = []
        self.end: int | None = None
        self.unended = False

    def feed(self, chunk: Chunk, number: int) -> Chunk:
        """The records that end in a chunk of lines."""
        self.end, self.unended = chunk.end, chunk.open
        if not self.held and not any(b'"' in line for line in chunk.records):
            return Chunk(chunk.records, chunk.offsets, number, chunk.cut, chunk.end, chunk.open)
        for index, (line, offset) in enumerate(zip(chunk.records, chunk.offsets, strict=True)):
            cut = index in chunk.cut
            more = not cut and self.is_open(line, bool(self.held))
            self.held.append((line, offset, cut))
            self.length += len(line) + 1
            if cut or self.length > MAX_RECORD + 1:
                self._apart()
            elif not more:
                self.made.append((b"\n".join(one for one, _, _ in self.held), self.held[0][1], False))
                self.held, self.length = [], 0
        return self._given(number)

    def finish(self, number: int) -> Chunk:
        """What is left at the end."""
        self._apart()
        return self._given(number)

    def _apart(self) -> None:
        self.made.extend(self.held)
        self.held, self.length = [], 0

    def _given(self, number: int) -> Chunk:
        made, self.made = self.made, []
        cut = frozenset(index for index, (_, _, was_cut) in enumerate(made) if was_cut)
        end = self.held[0][1] if self.held else self.end
        unended = self.unended and not self.held
        return Chunk([one for one, _, _ in made], [offset for _, offset, _ in made], number, cut, end, unended)


_STRUCTURE = re.compile(rb'(?:[^"{}\[\]]++|"(?:[^"\\\n]++|\\[^\n]?+)*+(?:"|(?=\n)))*+([{}\[\]])')
"""Up to the next bracket or brace outside texts. A text that is not closed ends with its line."""
_BETWEEN = re.compile(rb"(?:[\s,]++|Record \d+(?!\S))*+")
_UNINDENTED = re.compile(rb"\{[ \t\r]*\n([ \t]*)")


ENVELOPE = re.compile(
    rb'\{\s*(?:"[^"\\]{0,64}"\s*:\s*(?:"[^"\\]{0,512}"|[0-9]{1,12}|null|true|false)\s*,\s*){0,4}'
    rb'"(?:Records|records|value)"\s*:\s*\[(?=\s*[\[{\]])'
)
"""What an object begins with that only wraps an array of events, as cloud services export them."""
_LONGEST_ENVELOPE = 4_096


def documents(stream: Readable, size: int = CHUNK) -> Iterator[Chunk]:
    """Chunks of JSON values that may span lines: one after the other, or the elements of arrays.

    What stands between them and is not JSON becomes a record of its own, so that its parser can reject it by name. A
    value that breaks off ends where a line begins with a brace no further in than the value's own.
    """
    return _documents(_Documents(), stream, size)


def enveloped(stream: Readable, size: int = CHUNK) -> Iterator[Chunk]:
    """As `documents`, but an object that only wraps an array of events (`{"Records": [...]}`) gives its elements.

    What stands beside the array is let go: it tells of the export, not of an event.
    """
    return _documents(_Enveloped(), stream, size)


def _documents(found: "_Documents", stream: Readable, size: int) -> Iterator[Chunk]:
    number, data = 1, b" "
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
                if self._undecided(sign, place, data):
                    self.at = place
                    break
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
        unended = False
        if not data:
            unended = self.depth > 0
            self._give(len(block)) if self.depth else self._between(len(block))
        elif len(block) - self.at > CHUNK:  # a text without end
            self.at = len(block)
        if not self.depth and self.at - self.start > MAX_RECORD:
            self._between(self.at)
        self._forget()
        chunk = Chunk(self.records, self.offsets, number, frozenset(self.cut), open=unended)
        self.records, self.offsets, self.cut = [], [], set()
        return chunk

    def _undecided(self, sign: bytes, place: int, data: bytes) -> bool:
        """Whether more bytes have to be seen before it is plain what begins here."""
        return False

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


class _Enveloped(_Documents):
    """Looks into objects that wrap an array. `wrapped`: braces that are open around it, or beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.wrapped = 0

    def _undecided(self, sign: bytes, place: int, data: bytes) -> bool:
        may_wrap = sign == b"{" and not self.inside and not self.wrapped
        return may_wrap and bool(data) and len(self.block) - place < _LONGEST_ENVELOPE

    def _outside(self, sign: bytes, place: int) -> None:
        if self.wrapped and not self.inside:  # beside the array
            self.start = place + 1
            self.wrapped += {b"{": 1, b"}": -1}.get(sign, 0)
        elif sign == b"{" and not self.inside and (found := ENVELOPE.match(self.block, place)) is not None:
            self._between(place)
            self.inside, self.wrapped = True, 1
            self.start = self.at = found.end()
        else:
            super()._outside(sign, place)


_TEXT_FIELDS = re.compile(rb"(?:[^=\n]++=[^\n]*+\n)*+")
_LENGTH = 8
"""Bytes that tell how long a binary field is, little-endian."""


def journal(stream: Readable, size: int = CHUNK) -> Iterator[Chunk]:
    """Chunks of whole entries in systemd's Journal Export Format, without the blank line that ends each.

    An entry is lines `FIELD=value`, or `FIELD`, a length and so many bytes of data, in which blank lines may stand. A
    length that cannot be true is not believed: what follows it is read as lines.
    """
    found, number, data = _Entries(), 1, b" "
    while data:
        data = stream.read(size)
        step = len(data) // (1 + data.count(b"\n\n") // MAX_RECORDS) or 1
        for start in range(0, max(len(data), 1), step):
            chunk = found.feed(data[start : start + step], number)
            if chunk.records:
                yield chunk
            number += len(chunk.records)


class _Entries:
    """Finds where entries end, looking at each byte about once.

    `head` is what is kept of the open entry and `length` its bytes so far; `rest` is what was not looked at yet, and
    `base` its offset. `skip` bytes of a long binary field are still to come; `within`: a long line is.
    """

    def __init__(self) -> None:
        self.head = self.rest = b""
        self.length = self.base = self.skip = 0
        self.within = False
        self.records: list[bytes] = []
        self.offsets: list[int] = []
        self.cut: set[int] = set()

    def feed(self, data: bytes, number: int) -> Chunk:
        """The entries that end in `data`; in none at all (the end), what is left."""
        block = self.rest + data
        start = at = 0  # up to `start` all is given, up to `at` all is looked at
        while at < len(block):
            if block.startswith(b"\n", at) and not (self.skip or self.within):
                self._take(block[start:at])
                self._give(self.base + at)
                start = at = at + 1
                continue
            end = self._field(block, at, not data)
            if end == at:
                break
            at = end
        self._take(block[start:at])
        self.rest, self.base = block[at:], self.base + at
        unended = not data and self.length > 0
        if unended:
            self._give(self.base)
        chunk = Chunk(self.records, self.offsets, number, frozenset(self.cut), self.base - self.length, unended)
        self.records, self.offsets, self.cut = [], [], set()
        return chunk

    def _field(self, block: bytes, at: int, last: bool) -> int:
        """Where the fields that begin at `at` end; `at` itself where that cannot be told yet."""
        if self.skip:
            step = min(self.skip, len(block) - at)
            self.skip -= step
            return at + step
        if not self.within and (end := cast(re.Match[bytes], _TEXT_FIELDS.match(block, at)).end()) > at:
            return end
        line = block.find(b"\n", at)
        if line < 0:  # a line without end is not held back for ever
            self.within = self.within or len(block) - at > MAX_RECORD
            return len(block) if self.within or last else at
        end = line + 1
        if self.within or line - at > MAX_RECORD or b"=" in block[at:line]:
            self.within = False
            return end
        if len(block) < end + _LENGTH:
            return end if last else at
        length = int.from_bytes(block[end : end + _LENGTH], "little")
        stop = end + _LENGTH + length
        if length > MAX_FIELD:
            return end
        if length > MAX_RECORD:
            self.skip = length + 1
            return end + _LENGTH
        if stop >= len(block):
            return end if last else at
        return stop + 1 if block.startswith(b"\n", stop) else end

    def _take(self, data: bytes) -> None:
        """Bytes of the open entry."""
        self.head += data[: max(MAX_RECORD - len(self.head), 0)]
        self.length += len(data)

    def _give(self, end: int) -> None:
        """The open entry, which ends at an offset; nothing where it has nothing in it."""
        if self.length:
            if self.length > MAX_RECORD:
                self.cut.add(len(self.records))
            self.records.append(self.head)
            self.offsets.append(end - self.length)
        self.head, self.length = b"", 0


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


FRAMINGS: Mapping[str, Callable[[Stream], Iterator[Chunk]]] = {
    "lines": lines,
    "json": documents,
    "envelope": enveloped,
    "journal": journal,
    "csv": delimited,
    "evtx": event_log,
}
