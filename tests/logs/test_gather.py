"""JSON lines gathered natively are the events that they are otherwise: the same values, records and rejects."""

import gc
import json
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from itertools import pairwise
from typing import Any
from unittest.mock import patch

import numpy as np
import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kyber.logs import gather, parse, records
from kyber.logs.batch import Chunk, EventBatch, Origin
from kyber.logs.formats import Context
from kyber.logs.formats.known import FORMATS
from kyber.logs.parse import Batching, Job, Tally
from kyber.logs.records import Block, blocks
from kyber.logs.sigma.judge import Sieve
from kyber.logs.sigma.predicate import ANY, Glob
from kyber.logs.stream import ReadingError
from tests.logs.test_shapes import together

pytestmark = pytest.mark.skipif(not gather.NATIVE, reason="the extension is not installed: make native")

# -0.0 is left out: for Python it equals 0.0, so that a column of events in which both stand holds either.
PLAIN = st.text(max_size=6) | st.sampled_from(("å", "\u2028", "a/b", "\x7f", "K", "\U0001f600"))
SCALARS = (
    st.none()
    | st.booleans()
    | PLAIN
    | st.integers(-(2**70), 2**70)
    | st.integers(-20, 20)
    | st.floats(allow_nan=False).map(lambda one: one or 0.0)
)
EVENTS = st.dictionaries(
    st.sampled_from(("a", "b", "å", "", "A")) | PLAIN, SCALARS | st.lists(SCALARS, max_size=3), max_size=4
)
ODD = st.sampled_from(
    (
        b"", b" ", b"[]", b"{}", b"{", b'{"a":}', b'{"a":1,}', b'{"a":1}}', b'{"a":01}', b'{"a":-0}', b'{"a":1.}',
        b'{"a":.5}', b'{"a":1e5}', b'{"a":1E400}', b'{"a":-}', b'{"a":+1}', b'{"a":NaN}', b'{"a":tru}', b'{"a":nulll}',
        b'{"a":1.0}', b'{"a":1.00}', b'{"a":0.1}', b'{"a":18446744073709551615}',
        b'{"a":-9223372036854775808}', b'{"a":-9223372036854775809}', b'{"a":9999999999999999999}',
        b'{"a":"\\u00e5"}', b'{"a":"\xc3\xa5"}', b'{"a":"\\/"}', b'{"a":"/"}', b'{"a":"\\ud83d\\ude00"}',
        b'{"a":"\\ud83d"}', b'{"a":"\\x"}', b'{"a":"\\u12"}', b'{"a":"\\u+123"}', b'{"a":"\x01"}', b'{"a":"\t"}',
        b'{"a":"x', b'{"a":"\xe5"}', b'{"\\u0061":1}', b'{"a":1,"a":2}', b'\xef\xbb\xbf{"a":1}', b'{"a":1}\r',
        b' { "a" : [ 1 , "x" ] , "b" : [] } ', b'{"a":[1,]}', b'{"a":[[1]]}', b'{"a":[1,2],"b":[1, 2]}', b"\x00",
        b'{"a":{"b":1}}', b'{"a":"\\\\","b":"\\""}', b'{"a":"' + b"x" * 40 + b'"}',
    )
)  # fmt: skip


@st.composite
def lines(draw: st.DrawFn) -> list[bytes]:
    """Lines of JSON, few shapes among them, some odd, some hardly JSON."""
    kinds = draw(st.lists(EVENTS, min_size=1, max_size=3))

    def line() -> bytes:
        if draw(st.integers(0, 3)) == 0:
            return draw(ODD)
        event = {
            key: draw(st.sampled_from((value, draw(SCALARS)))) for key, value in draw(st.sampled_from(kinds)).items()
        }
        event = dict(draw(st.permutations(list(event.items()))))
        text = json.dumps(event, ensure_ascii=draw(st.booleans()), indent=None)
        return text.encode("utf-8", "surrogatepass").replace(b"\n", b" ")

    return [line() for _ in range(draw(st.integers(0, 25)))]


def read(
    data: bytes, size: int, *, native: bool, wanted: frozenset[str], named: Callable[[str], str] = str
) -> tuple[list[EventBatch], Tally]:
    """The batches of some lines, read in pieces of about some bytes."""
    form, tally = replace(FORMATS["json"], column=named), Tally()
    with patch.object(parse, "NATIVE", native):
        origin = Origin("s", "f", b"", UTC)
        job = Job(source="s", inputs=(), zone=UTC)
        batching = Batching(form, Context(reference=datetime.max, zone=UTC), origin, job, tally, wanted)
    assert (batching.gathering is not None) == native
    found = [one for some in blocks(BytesIO(data), size) for one in batching.take(some)]
    return [*found, *batching.finish()], tally


@contextmanager
def without_collector() -> Iterator[None]:
    """As a scan is."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def small() -> Any:
    return patch.multiple(gather, READY=4, PENDING=400), patch.multiple(parse, FEW=2)


@given(
    lines(),
    st.integers(1, 200),
    st.sets(st.sampled_from(("a", "b", "å"))),
    st.booleans(),
    st.sampled_from((str, str.lower)),
)
@example([b'{"a":"\\u00e5"}', b'{"a":"\xc3\xa5"}', b'{"a":1}', b'{"a":1.0}', b'{"a":true}'] * 2, 50, {"a"}, True, str)
@example([b'{"a":[1,2],"A":3}', b'{"A":[2,3],"a":1}', b'{"a":1,"A":[2,3]}'] * 3, 200, set(), True, str.lower)
def test_lines_gathered_natively_are_the_same_events(
    some: list[bytes], size: int, wanted: set[str], ended: bool, named: Callable[[str], str]
) -> None:
    data = b"\n".join(some) + (b"\n" if ended else b"")
    slow, counted = read(data, size, native=False, wanted=frozenset(wanted), named=named)
    bounds, few = small()
    with bounds, few:
        fast, tally = read(data, size, native=True, wanted=frozenset(wanted), named=named)
    assert together(fast) == together(slow)
    assert tally == counted
    for batch in fast:
        for name in batch.names:
            column = batch.column(name)
            assert column is not None
            kept = [(type(one), one) for one in column.values]
            assert len(kept) == len(set(kept)), "each value stands once"


@given(lines(), st.integers(1, 60))
def test_blocks_are_the_lines_of_their_input(some: list[bytes], size: int) -> None:
    data = b"\n".join(some)
    number, offset = 1, 0
    for block in blocks(BytesIO(data), size):
        if isinstance(block, Chunk):
            assert (block.first, block.offsets[0]) == (number, offset)
            assert max(map(len, some)) >= size
            return
        assert (block.number, block.offset) == (number, offset)
        assert block.data[block.begin : block.end] == data[offset : offset + block.end - block.begin]
        number, offset = number + block.lines, offset + block.end - block.begin
    assert offset == len(data)


class Broken:
    """A stream that fails after some bytes, and would give others if it were read on."""

    def __init__(self, data: bytes) -> None:
        self.data, self.failed = BytesIO(data), False

    def read(self, size: int, /) -> bytes:
        if data := self.data.read(size):
            return data
        assert not self.failed, "it was read on after it had failed"
        self.failed = True
        raise ReadingError("F03")


@given(lines(), st.integers(1, 60))
def test_before_a_break_the_same_lines_are_read_as_otherwise(some: list[bytes], size: int) -> None:
    def told(pieces: Iterator[Block | Chunk]) -> Iterator[bytes]:
        try:
            for one in pieces:
                yield from one.records if isinstance(one, Chunk) else one.data[one.begin : one.end].split(b"\n")[:-1]
        except ReadingError:
            yield b"broken"

    data = b"\n".join(some)
    assert list(told(blocks(Broken(data), size))) == list(told(records.lines(Broken(data), size)))


@given(
    st.lists(st.text("aAkKbB\u212a\u0130\\u0/1\u00e5", max_size=12), min_size=1, max_size=8),
    st.sampled_from(("abk", "kkk", "bab")),
)
def test_records_sieved_natively_are_those_that_may_hold_a_keyword(values: list[str], keyword: str) -> None:
    sieve = Sieve.of([Glob((ANY, keyword, ANY))])
    assert sieve is not None
    data = b"".join(orjson.dumps({"a": one}) + b"\n" for one in values)
    with patch.object(parse, "FEW", 1):
        (batch,), _ = read(data, 2**20, native=True, wanted=frozenset())
    rows = np.arange(batch.rows)
    found = batch.read.sieved(sieve, rows)
    assert (sieve.rows(batch.read.joined(rows)) == found).all()
    sieve.native = None
    joined = sieve.rows(batch.read.joined(rows))
    assert not (found & ~joined).any(), "no more than the records looked at together"
    for value, record, held in zip((values[one - 1] for one in batch.records), batch.raw, found.tolist(), strict=True):
        assert held or keyword not in value.casefold(), record


def test_a_hostile_log_of_ever_new_keys_is_read_all_the_same() -> None:
    data = b"".join(b'{"k%d":1}\n' % number for number in range(300))
    with patch.object(gather, "MAX_SHAPES", 20), patch.object(parse, "FEW", 1):
        found, tally = read(data, 1_000, native=True, wanted=frozenset())
    assert sum(batch.rows for batch in found) == tally.events == tally.records == 300


def test_a_line_longer_than_the_limit_is_cut_and_marked_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gather, "MAX_RECORD", 30)
    monkeypatch.setattr("kyber.logs.records.MAX_RECORD", 30)
    data = b'{"a":1}\n{"a":"' + b"x" * 100 + b'"}\n{"a":2}\n'
    found, tally = read(data, 2**20, native=True, wanted=frozenset())
    assert (tally.cut, tally.events, dict(tally.rejected)) == (1, 2, {"F41": 1})
    assert sorted(number for batch in found for number in batch.records) == [1, 3]


def test_only_columns_that_are_asked_for_are_made_the_next_time() -> None:
    data = b"".join(b'{"a":%d,"b":"x","c":null}\n' % number for number in range(40))
    made: list[set[str]] = []
    with patch.multiple(gather, READY=10, PENDING=2**30), patch.object(parse, "FEW", 1):
        form = FORMATS["json"]
        gathering = gather.Gathering(form.column, frozenset(("a", "b")))
        for begin, end in pairwise(range(0, len(data) + 1, len(data) // 4)):
            begin, end = (data.rfind(b"\n", 0, one) + 1 for one in (begin, end))
            assert list(gathering.feed(Block(data, begin, end, 1, begin))) == []
            for piece in gathering.ready():
                made.append(set(piece.fields.columns))
                assert piece.fields.column("c") is not None
    assert made[0] == {"a", "b"}
    assert made[1:] == [{"c"}] * (len(made) - 1)
    assert len(made) > 1


def test_where_most_lines_are_not_plain_the_rest_is_read_otherwise() -> None:
    data = b"".join(b'{"a":%d}\n{"a":{"b":%d}}\n' % (number, number) for number in range(600))
    form = FORMATS["json"]
    gathering = gather.Gathering(form.column, frozenset())
    assert sum(len(chunk.records) for chunk in gathering.feed(Block(data, 0, len(data), 1, 0))) == 600
    assert not gathering.useful
    found, tally = read(data * 3, 2_000, native=True, wanted=frozenset())
    assert sum(batch.rows for batch in found) == tally.events == tally.records == 3_600


def test_events_whose_keys_stand_in_another_order_are_of_one_shape() -> None:
    data = b'{"a":1,"b":"x","c":true}\n{"c":true,"a":1,"b":"y"}\n{"b":"x","c":false,"a":2}\n' * 40
    with patch.object(parse, "FEW", 1):
        (batch,), tally = read(data, 500, native=True, wanted=frozenset(("a", "c")))
    assert tally.events == batch.rows == 120
    for name, values in (("a", (1, 1, 2)), ("b", ("x", "y", "x")), ("c", (True, True, False))):
        assert [batch.at(name, row) for row in range(3)] == [(one,) for one in values]
        column = batch.column(name)
        assert column is not None
        assert [column.at(row) for row in range(3)] == list(values)


def test_records_of_every_length_are_held_as_they_are() -> None:
    rows = [b'{"a":"%s"}' % (b"x" * length) for length in (0, 10, 5_000, 64_000, 65_536, 200_000, 1, 3_000, 66_000)] * 7
    with patch.object(parse, "FEW", 1):
        (batch,), _ = read(b"\n".join(rows) + b"\n", 2**20, native=True, wanted=frozenset())
    assert [batch.raw[row] for row in range(batch.rows)] == rows
    assert list(batch.records) == list(range(1, len(rows) + 1))


def test_long_keys_and_many_keys_are_not_held() -> None:
    long = b"".join(b'{"%s%d":1}\n' % (b"k" * 300, number) for number in range(50))
    gathering = gather.Gathering(FORMATS["json"].column, frozenset())
    assert sum(len(chunk.records) for chunk in gathering.feed(Block(long, 0, len(long), 1, 0))) == 50
    wide = b"".join(b'{"a":1,"b":2,"k%d":1}\n' % number for number in range(50))
    with patch.object(gather, "MAX_KEYS", 30):
        gathering = gather.Gathering(FORMATS["json"].column, frozenset())
        left = sum(len(chunk.records) for chunk in gathering.feed(Block(wide, 0, len(wide), 1, 0)))
    assert (left, len(gathering.shapes)) == (40, 10)


def test_an_event_with_many_keys_of_one_meaning_is_parsed_otherwise_and_some_are_joined() -> None:
    def said(count: int) -> bytes:
        return b"{" + b",".join(b'"%s":%d' % (b"a" * (1 + key), key) for key in range(count)) + b"}\n"

    for count, natively in ((gather.MAX_SAME, True), (gather.MAX_SAME + 1, False)):
        gathering = gather.Gathering(lambda _: "a", frozenset(("a",)))
        data = said(count) * 10
        assert (list(gathering.feed(Block(data, 0, len(data), 1, 0))) == []) == natively
        (batch,) = read(data, 2**20, native=True, wanted=frozenset(("a",)), named=lambda _: "a")[0]
        assert [batch.at("a", row) for row in (0, 9)] == [(tuple(range(count)),)] * 2


def test_what_gathered_lines_is_gone_with_the_last_who_knows_it() -> None:
    gathering = gather.Gathering(str, frozenset(("a",)))
    data = b'{"a":1}\n' * 10
    assert list(gathering.feed(Block(data, 0, len(data), 1, 0))) == []
    known = weakref.ref(gathering)
    with without_collector():
        del gathering
        assert known() is None
