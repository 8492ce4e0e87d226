"""Decompressed bytes -> chunks of raw records, each with where it began: how the records of an input are cut.

A record longer than the limit is cut and marked.
"""

import io
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Any, BinaryIO, cast

from kyber.logs.batch import Chunk
from kyber.logs.stream import ReadingError, Stream

MAX_RECORD = 2**20
"""Bytes of one record; what is longer is cut here and the rest of it passed over."""
CHUNK = 32 * 2**20
"""Bytes of raw records read before they are parsed: what bounds the memory of a scan."""
MAX_RECORDS = 250_000
"""Records parsed at once, about: short ones cost more than their bytes."""
MAX_HELD = 2**31
"""Bytes of an event log that is compressed or comes by standard input, and so has to be held whole."""
BROKEN = b"\x00broken: "
"""What begins a record that its container could not give."""


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
