"""Delimited text is taken apart as Python's csv module does it, and no quote can swallow the rest of a file."""

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyber.logs.delimited import DELIMITERS, cells, goes_on, is_header, records, sniff
from kyber.logs.records import MAX_RECORD, delimited
from kyber.logs.stream import ReadingError

each_delimiter = pytest.mark.parametrize("delimiter", DELIMITERS)
CELL = st.text(st.sampled_from('ab ,;\t|"\n\r='), max_size=6)


class Pieces:
    """A stream that is read in pieces of a size, and may break at its end."""

    def __init__(self, data: bytes, size: int = 2**20, breaks: bool = False) -> None:
        self.data, self.size, self.breaks = data, size, breaks
        self.sample = data[: 2**18]

    def read(self, _: int) -> bytes:
        if not self.data and self.breaks:
            raise ReadingError("F06", why="broken")
        piece, self.data = self.data[: self.size], self.data[self.size :]
        return piece


def framed(stream: Any) -> list[tuple[bytes, int, bool]]:
    """Every record with its offset and whether it was cut."""
    found: list[tuple[bytes, int, bool]] = []
    for chunk in delimited(stream):
        assert chunk.records
        assert chunk.first == len(found) + 1
        marked = [index in chunk.cut for index in range(len(chunk.records))]
        found.extend(zip(chunk.records, chunk.offsets, marked, strict=True))
    return found


def written(rows: list[list[str]], delimiter: str) -> str:
    held = io.StringIO()
    csv.writer(held, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return held.getvalue()


# --- cells -----------------------------------------------------------------------------------------------------------


@each_delimiter
@given(row=st.lists(CELL, min_size=1, max_size=5))
def test_a_record_is_taken_apart_into_what_was_written(delimiter: str, row: list[str]) -> None:
    assert cells(delimiter)(written([row], delimiter).removesuffix("\n")) == row


@each_delimiter
@given(text=st.text(st.sampled_from('ab ,;\t|"='), max_size=12))
def test_whatever_stands_in_a_line_it_has_the_cells_that_the_csv_module_finds(delimiter: str, text: str) -> None:
    assert cells(delimiter)(text) == next(csv.reader([text], delimiter=delimiter)) or not text


# --- records ---------------------------------------------------------------------------------------------------------


@each_delimiter
@given(rows=st.lists(st.lists(CELL, min_size=2, max_size=4), min_size=1, max_size=6), size=st.integers(1, 40))
def test_a_quoted_cell_keeps_its_line_feeds(delimiter: str, rows: list[list[str]], size: int) -> None:
    header = [f"name{index}" for index in range(len(rows[0]))]
    data = written([header, *rows], delimiter).encode()
    stream = Pieces(data, size)
    stream.sample = f"sep={delimiter}\n".encode()
    found = framed(stream)
    assert [cells(delimiter)(record.decode()) for record, _, _ in found] == [header, *rows]
    assert all(data.startswith(record, offset) for record, offset, _ in found)


@given(data=st.text(st.sampled_from('a,"\n'), max_size=40), size=st.integers(1, 9))
def test_nothing_of_a_file_is_lost_or_read_twice(data: str, size: int) -> None:
    found = framed(Pieces(data.encode(), size))
    assert b"\n".join(record for record, _, _ in found) == data.removesuffix("\n").encode() or (
        data == "" and not found
    )
    assert found == framed(Pieces(data.encode()))


def test_a_quote_that_nobody_closes_takes_no_line_from_the_others() -> None:
    lines = [b"a,b", b'1,"open', *(b"%d,x" % number for number in range(5))]
    assert [record for record, _, _ in framed(Pieces(b"\n".join(lines)))] == lines


def test_a_quoted_cell_beyond_the_limit_is_read_as_lines() -> None:
    lines = [b"a,b", b'1,"open', *[b"x" * 1_000] * (MAX_RECORD // 1_000 + 2), b'2,"y', b'z"']
    found = framed(Pieces(b"\n".join(lines)))
    assert [record for record, _, _ in found] == [*lines[:-2], b'2,"y\nz"']


def test_a_line_that_is_cut_is_marked_and_ends_its_record() -> None:
    found = framed(Pieces(b'a,b\n1,"' + b"x" * (MAX_RECORD + 5) + b"\n2,3\n"))
    assert [(len(record), cut) for record, _, cut in found] == [(3, False), (MAX_RECORD, True), (3, False)]


def test_what_came_before_a_break_in_the_input_is_given() -> None:
    found: list[bytes] = []

    def read(stream: Any) -> None:
        for chunk in delimited(stream):
            found.extend(chunk.records)

    with pytest.raises(ReadingError):
        read(Pieces(b'a,b\n1,2\n3,"open\nmore\n', breaks=True))
    assert found == [b"a,b", b"1,2", b'3,"open', b"more"]


@pytest.mark.parametrize("line", [b'a","b\n', b'"\n', b'""\n', b'"""\n', b'x,"\n', b'"a""\n'])
def test_hostile_quotes_cost_no_more_than_reading(line: bytes) -> None:
    data = line * (MAX_RECORD // len(line) + 9)
    assert sum(len(record) + 1 for record, _, _ in framed(Pieces(b"name,other\n" + data))) >= len(data)


# --- telling ---------------------------------------------------------------------------------------------------------


@each_delimiter
def test_the_delimiter_is_the_one_that_parts_all_records_alike(delimiter: str) -> None:
    rows = [["time", "user", "note"], ["2026-03-04", "liisa", "a, b; c | d\te"], ["2026-03-05", "matti", 'e, "f"']]
    assert sniff(written(rows, delimiter).encode()) == (delimiter, 1.0)


def test_what_excel_and_powershell_write_first_is_no_header() -> None:
    assert sniff(b"sep=;\na,b;c\n1;2\n") == (";", 1.0)
    assert records(b"\xef\xbb\xbf#TYPE System.Object\nName,Id\nx,1\n", ",") == ["Name,Id", "x,1"]


def test_the_last_record_of_a_long_sample_may_have_been_cut() -> None:
    row = b"a,b,c\n"
    assert len(records(row * 3, ",")) == 3
    assert records(row + b"x,y," * 40_000, ",") == ["a,b,c"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["time", "user", "source.ip"], True),
        (["Aika", "Käyttäjä", "IP-osoite"], True),
        (["@timestamp", "cs(User-Agent)"], True),
        (["time"], False),
        (["user", "User"], False),
        (["time", "", "user"], False),
        (["2026-03-04", "liisa"], False),
        (["192.0.2.7", "liisa"], False),
        (['{"a": 1', '"b": 2}'], False),
        (["an ordinary sentence as somebody wrote it", "and more of it"], False),
        (["Started.", "Done."], False),
    ],
)
def test_a_header_is_made_of_names(names: list[str], expected: bool) -> None:
    assert is_header(names) is expected


@given(st.binary(max_size=200))
def test_any_bytes_have_some_delimiter(sample: bytes) -> None:
    delimiter, share = sniff(sample)
    assert 0 <= share <= 1
    assert len(delimiter) == 1
    assert goes_on(delimiter)(sample.replace(b"\n", b""), False) in (True, False)
