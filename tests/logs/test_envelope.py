"""An object that only wraps an array of events gives its elements, however long it is and wherever it is cut."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyber.logs.records import MAX_RECORD, documents, enveloped


class Pieces:
    """A stream that is read in pieces of a size."""

    def __init__(self, data: bytes, size: int = 2**20) -> None:
        self.data, self.size = data, size

    def read(self, _: int) -> bytes:
        piece, self.data = self.data[: self.size], self.data[self.size :]
        return piece


def framed(data: str, size: int = 2**20) -> list[tuple[bytes, int]]:
    found: list[tuple[bytes, int]] = []
    for chunk in enveloped(Pieces(data.encode(), size)):
        assert chunk.first == len(found) + 1
        assert not chunk.cut
        found.extend(zip(chunk.records, chunk.offsets, strict=True))
    return found


EVENTS = [{"a": 1}, {"Records": [{"b": "]}"}]}, {"c": {"d": [1, {"value": []}]}}]


@pytest.mark.parametrize("indent", [None, 1, 4])
@pytest.mark.parametrize("size", [1, 7, 2**20])
@pytest.mark.parametrize(
    "wrapped",
    [
        {"Records": EVENTS},
        {"records": EVENTS},
        {"@odata.context": "https://example.org/x", "@odata.count": 3, "value": EVENTS},
        {"value": EVENTS, "@odata.nextLink": "https://example.org/y"},
        {"Records": EVENTS, "meta": {"a": {"b": 1}}, "more": None},
        EVENTS,
    ],
)
def test_each_element_is_a_record_at_its_place(wrapped: Any, size: int, indent: int | None) -> None:
    text = json.dumps(wrapped, indent=indent)
    found = framed(text, size)
    assert [json.loads(record) for record, _ in found] == EVENTS
    assert all(text.encode().startswith(record, offset) for record, offset in found)


@given(
    st.lists(
        st.sampled_from([{"Records": EVENTS}, {"a": [1]}, {"value": 1}, {"value": []}, {"records": [{}]}]), max_size=4
    ),
    st.integers(1, 60),
    st.sampled_from(["", "\n", " \n\n", ","]),
)
def test_documents_may_follow_one_another(values: list[Any], size: int, between: str) -> None:
    expected: list[Any] = []
    for value in values:
        inner = next((value[key] for key in ("Records", "records", "value") if isinstance(value.get(key), list)), None)
        expected.extend([value] if inner is None else inner)
    found = framed(between.join(json.dumps(value) for value in values), size)
    assert [json.loads(record) for record, _ in found] == expected


def test_what_is_wrapped_may_be_longer_than_any_record() -> None:
    events = [{"number": number, "fill": "x" * 1_000} for number in range(3 * MAX_RECORD // 1_000)]
    found = framed(json.dumps({"Records": events}), 100_000)
    assert [json.loads(record) for record, _ in found] == events


@pytest.mark.parametrize(
    "text", ['{"Records": {"a": 1}}', '{"Records": [1, 2]}', '{"other": [{"a": 1}]}', '{"Records": 7}']
)
def test_what_wraps_no_objects_is_a_record_itself(text: str) -> None:
    assert framed(text) == [(text.encode(), 0)]


@given(
    st.lists(st.sampled_from([*'{}[]",: a\\\n', '"Records":[', '{"value": [{']), max_size=30).map("".join),
    st.integers(1, 9),
)
def test_broken_json_ends_somewhere_and_no_piece_changes_what_is_found(text: str, size: int) -> None:
    assert framed(text, size) == framed(text)


@given(st.lists(st.dictionaries(st.text(max_size=3), st.integers()), max_size=5), st.integers(1, 20))
def test_without_a_wrapper_it_cuts_as_other_json_is_cut(values: list[dict[str, int]], size: int) -> None:
    text = "\n".join(map(json.dumps, values))
    other = [record for chunk in documents(Pieces(text.encode(), size)) for record in chunk.records]
    assert [record for record, _ in framed(text, size)] == other
