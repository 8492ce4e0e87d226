"""JSON: every record is an event, a reject or blank, and what is nearly JSON is read."""

import json
import math
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyber.logs.batch import Chunk, Parsed
from kyber.logs.formats.json import JSON_DOCUMENT, JSON_LINES, JsonParser, first_objects, spans_lines, whole
from kyber.logs.records import BROKEN


def parsed(*records: bytes) -> Parsed:
    found = JsonParser().feed(Chunk(records, [100 * index for index in range(len(records))], first=5))
    assert found.records == len(records)
    assert JsonParser().finish().records == 0
    return found


def event(record: bytes) -> Any:
    found = parsed(record)
    assert found.rejects == []
    return found.events[0]


def test_events_stand_beside_their_records_numbers_and_offsets() -> None:
    found = parsed(b'{"a":1}', b"oops", b"", b'{"a":2}\r')
    assert found.events == [{"a": 1}, {"a": 2}]
    assert found.raw == [b'{"a":1}', b'{"a":2}\r']
    assert (found.numbers, found.offsets) == ([5, 8], [0, 300])
    assert [(one.record, one.offset, one.raw, one.reason) for one in found.rejects] == [(6, 100, b"oops", "F41")]
    assert (found.blank, found.repaired) == (1, 0)


@pytest.mark.parametrize("record", [b"", b" ", b"\r", b"\x00\x00", b"\t\x00\r", b","])
def test_what_holds_nothing_is_blank(record: bytes) -> None:
    assert parsed(record).blank == 1


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (b"{", "F41"),
        (b'{"a":}', "F41"),
        (b'{"a":1} {"b":2}', "F41"),
        (b"not json", "F41"),
        (b"\xff\xfe\x00", "F41"),
        (b'{"a":' + b"9" * 5_000 + b"}", "F41"),
        (b"[" * 100_000, "F41"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "F41"),
        *((one, "F40") for one in (b"[]", b'[{"a":1}]', b"1", b'"text"', b"null", b"true", b"NaN")),
        *((one, "F40") for one in (b"null,", b"null\x00", b"\xef\xbb\xbfnull")),
        (BROKEN + b"chunk 7", "F07"),
    ],
    ids=lambda one: str(one[:20]) if isinstance(one, bytes) else None,
)
def test_what_is_no_object_is_rejected_and_kept(record: bytes, reason: str) -> None:
    (reject,) = parsed(record).rejects
    assert (reject.raw, reject.reason) == (record, reason)
    assert set(reject.facts) == {"kind" if reason == "F40" else "why"}


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (b'\xef\xbb\xbf{"a":1}', {"a": 1}),
        (b'{"a":1},', {"a": 1}),
        (b'{"a":1}\x00\x00\x00', {"a": 1}),
        (b'{"a":"\xe4iti"}', {"a": "\u00e4iti"}),
        (b'{"\xff":1, "\x81": 2}', {"\u00ff": 1, "\N{REPLACEMENT CHARACTER}": 2}),
        (b'{"a":"one\ttwo"}', {"a": "one\ttwo"}),
        (b'{"a":"x\\ud83dy"}', {"a": "x\N{REPLACEMENT CHARACTER}y"}),
        (b'{"a":"\\ude00"}', {"a": "\N{REPLACEMENT CHARACTER}"}),
        (b'{"a":"\\ude00 \\ud83d\\ude00 \\\\ud83d"}', {"a": "\N{REPLACEMENT CHARACTER} \U0001f600 \\ud83d"}),
        (b'{"\\ud800":1}', {"\N{REPLACEMENT CHARACTER}": 1}),
        (b'{"a":1e999,"b":-Infinity}', {"a": math.inf, "b": -math.inf}),
    ],
)
def test_what_is_nearly_json_is_read_and_counted_as_repaired(record: bytes, expected: dict[str, Any]) -> None:
    found = parsed(record)
    assert (found.events, found.repaired, found.raw) == ([expected], 1, [record])


def test_odd_values_of_good_json_are_read() -> None:
    assert math.isnan(event(b'{"a":NaN}')["a"])
    assert event(b'{"a":1,"a":2}') == {"a": 2}
    assert event(b'{"a":18446744073709551615}') == {"a": 2**64 - 1}
    assert event(b'{"a":123456789012345678901234567890}')["a"] == pytest.approx(1.2345678901234568e29)
    assert event(b'{"":{"":""}}') == {"": {"": ""}}
    assert event(b'{"a":"\\u0000"}') == {"a": "\0"}
    deep = event(b'{"a":' * 900 + b"1" + b"}" * 900)
    assert list(deep) == ["a"]


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(max_size=5), JSON_VALUES, max_size=4)


@given(OBJECTS, st.booleans())
def test_any_object_is_read_as_it_was_written(value: dict[str, Any], escaped: bool) -> None:
    found = event(json.dumps(value, ensure_ascii=escaped).encode("utf-8", "surrogatepass"))
    assert found == json.loads(json.dumps(value, ensure_ascii=escaped).encode("utf-8", "surrogatepass"))


@given(st.lists(st.binary(max_size=40) | OBJECTS.map(orjson.dumps), max_size=6), st.data())
def test_any_bytes_are_accounted_for(records: list[bytes], data: st.DataObject) -> None:
    damaged = []
    for record in records:
        place = data.draw(st.integers(0, len(record)))
        damaged.append(
            record[:place] + data.draw(st.binary(max_size=3)) + record[place + data.draw(st.integers(0, 2)) :]
        )
    found = parsed(*damaged)
    assert [one for one in found.events if not isinstance(one, dict)] == []
    assert len(found.events) == len(found.raw) == len(found.numbers) == len(found.offsets)
    for one in found.events:
        assert json.dumps(one, ensure_ascii=False).encode()  # not so with half a character


# --- which of the forms ----------------------------------------------------------------------------------------------


def sure(sample: bytes) -> tuple[int, int]:
    return JSON_LINES.detect(sample), JSON_DOCUMENT.detect(sample)


def test_objects_one_a_line_are_json_lines_even_where_some_lines_are_broken() -> None:
    assert sure(b'{"a":1}\n{"a":2}\n') == (60, 0)
    assert sure(b'broken {\n\n{"a":1}\n{"a":') == (60, 0)


@pytest.mark.parametrize("indent", [0, 2, "\t"])
@pytest.mark.parametrize("lead", ["", "\n ", "Record 1\n"])
def test_objects_over_several_lines_and_arrays_are_documents(indent: int | str, lead: str) -> None:
    for value in ({"a": 1, "b": [1]}, [{"a": 1}, {"a": 2}]):
        assert sure((lead + json.dumps(value, indent=indent)).encode()) == (0, 55)
    assert sure(b'[{"a":1},{"a":2}]') == (0, 55)


@pytest.mark.parametrize("sample", [b"", b"\n\n", b"text {", b"[]", b"[1,2]", b"{", b'"a"\n"b"\n', b"\x00\xff" * 50])
def test_what_holds_no_object_is_not_json(sample: bytes) -> None:
    assert sure(sample) == (0, 0)


def test_the_first_objects_of_a_sample_are_found() -> None:
    assert first_objects(b'x\n{"a":1}\n[2]\n' + b'{"a":2}\n' * 9) == [{"a": 1}, *[{"a": 2}] * 4]
    assert whole(b'\xef\xbb\xbf[{"a":\n1},\n{"a":2}, {"a": cut') == [{"a": 1}, {"a": 2}]
    assert spans_lines(b'{\n"a":1}')
    assert not spans_lines(b'{"a":1}\n')


@given(st.binary(max_size=200) | st.text('{}[]",:\n\\a1', max_size=60).map(str.encode))
def test_detection_takes_any_bytes(sample: bytes) -> None:
    assert all(0 <= one <= 100 for one in sure(sample))


@pytest.mark.parametrize("sample", [b"[" * 2**18, b'{"a":' * 50_000, b'{"a":[' * 40_000, b'{"' * 2**17])
def test_detection_is_not_stopped_by_depth(sample: bytes) -> None:
    assert sure(sample) == (0, 0)
