"""Reading: bytes are cut into the records that anyone would cut them into, and nothing of an input is lost unsaid."""

import bz2
import gzip
import io
import json
import lzma
import os
import re
import sys
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import zstandard
from hypothesis import example, given
from hypothesis import strategies as st

from kyber.logs import archive, records
from kyber.logs import stream as streams
from kyber.logs.batch import Chunk
from kyber.logs.formats.json import JsonParser
from kyber.logs.inputs import Input, inputs
from kyber.logs.records import BROKEN, documents, event_log, journal, lines
from kyber.logs.stream import ReadingError, Stream
from kyber.problem import Severity
from tests.data import unpacked

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
Framing = Callable[[Any], Iterator[Chunk]]


class Pieces:
    """A stream that is read in the pieces it is made of, whatever size is asked for."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = [piece for piece in pieces if piece]

    def read(self, _: int) -> bytes:
        return self.pieces.pop(0) if self.pieces else b""


def pieces_of(data: bytes, cuts: list[int]) -> Pieces:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return Pieces(*(data[start:end] for start, end in pairwise(places)))


def flat(chunks: Iterator[Chunk]) -> list[tuple[bytes, int, bool]]:
    """Every record with its offset and whether it was cut; the numbers of chunks are checked on the way."""
    found: list[tuple[bytes, int, bool]] = []
    for chunk in chunks:
        assert chunk.records
        assert chunk.first == len(found) + 1
        marked = [index in chunk.cut for index in range(len(chunk.records))]
        found.extend(zip(chunk.records, chunk.offsets, marked, strict=True))
    return found


def opened(path: Path) -> Stream:
    return Stream(Input(str(path), path, path.stat().st_size, NOW))


def written(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def until_break(path: Path, framing: Framing = lines, size: int | None = None) -> tuple[list[bytes], str | None]:
    """The records of a file, and the code of the error that ended them."""
    records: list[bytes] = []
    try:
        stream = opened(path)
        try:
            for chunk in framing(stream) if size is None else lines(stream, size):
                records.extend(chunk.records)
        finally:
            stream.close()
    except ReadingError as error:
        return records, error.code
    return records, None


def codes(paths: list[Path | str], *, pipes: bool = False) -> tuple[list[str], list[tuple[str, str]]]:
    found, problems = inputs([str(path) for path in paths], NOW, pipes=pipes)
    return [one.name for one in found], [(problem.code, problem.place.file) for problem in problems]


# --- lines -----------------------------------------------------------------------------------------------------------

SHORT_LINES = st.lists(st.sampled_from([b"a", b"\n", b"\r", b"\0", b"\xff", b"0123456789"]), max_size=40).map(b"".join)
CUTS = st.lists(st.integers(0, 400), max_size=12)


@given(SHORT_LINES | st.binary(max_size=200), CUTS, st.sampled_from([1, 3, 7, 2**20]))
def test_lines_are_those_of_the_obvious_split_however_they_are_read(data: bytes, cuts: list[int], limit: int) -> None:
    split = data.split(b"\n")
    if not split[-1]:
        split.pop()
    expected, offset = [], 0
    for line in split:
        expected.append((line[:limit], offset, len(line) > limit))
        offset += len(line) + 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "MAX_RECORD", limit)
        assert flat(lines(pieces_of(data, cuts))) == expected  # type: ignore[arg-type]


def test_a_line_that_never_ends_is_held_up_to_the_limit_only() -> None:
    held = [b"x" * 2**20] * 20
    ((record, offset, cut),) = flat(lines(Pieces(*held)))  # type: ignore[arg-type]
    assert (len(record), offset, cut) == (records.MAX_RECORD, 0, True)


# --- entries of the journal ------------------------------------------------------------------------------------------


def field(name: bytes, data: bytes) -> bytes:
    """A field of the journal's export form, with its length."""
    return name + b"\n" + len(data).to_bytes(8, "little") + data + b"\n"


ENTRIES = st.lists(
    st.lists(
        st.builds(field, st.sampled_from([b"A", b"MESSAGE"]), st.binary(max_size=9) | st.just(b"\n\nB=c\n\n"))
        | st.sampled_from([b"A=b\n", b"_PID=1\n", b"EMPTY=\n"]),
        min_size=1,
        max_size=4,
    ).map(b"".join),
    max_size=5,
)


@given(ENTRIES, CUTS, st.sampled_from([b"\n", b"\n\n\n"]))
def test_entries_are_cut_where_they_end_whatever_their_data_holds(
    entries: list[bytes], cuts: list[int], between: bytes
) -> None:
    expected, offset = [], 0
    for one in entries:
        expected.append((one, offset, False))
        offset += len(one) + len(between)
    assert flat(journal(pieces_of(b"".join(one + between for one in entries), cuts))) == expected  # type: ignore[arg-type]


JOURNAL = st.lists(
    st.sampled_from(
        [b"A=b\n", b"\n", b"A\n", b"A", b"=\n", field(b"B", b"x\n\ny"), b"\0" * 7, b"\xff" * 8, b"0123456789"]
    )
    | st.integers(0, 12).map(lambda length: b"L\n" + length.to_bytes(8, "little")),
    max_size=12,
).map(b"".join)


@given(JOURNAL | st.binary(max_size=60), CUTS, st.sampled_from([5, 2**20]))
@example(b"L\n" + (2**63).to_bytes(8, "little") + b"A=b\n\nC=d\n", [], 2**20)
def test_no_byte_of_a_journal_is_lost_however_damaged_it_is(data: bytes, cuts: list[int], limit: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "MAX_RECORD", limit)
        found = flat(journal(pieces_of(data, [])))  # type: ignore[arg-type]
        assert flat(journal(pieces_of(data, cuts))) == found  # type: ignore[arg-type]
    end, before_was_cut = 0, False
    for record, offset, cut in [*found, (b"", len(data), False)]:
        assert data[offset:].startswith(record)
        assert len(record) <= limit
        assert before_was_cut or not data[end:offset].strip(b"\n")
        end, before_was_cut = offset + len(record), cut


def test_a_length_that_cannot_be_true_hides_no_entry_after_it() -> None:
    after = b"MESSAGE=after\n"
    for length in (2**63, 2**21, 60):
        bad = b"MESSAGE\n" + length.to_bytes(8, "little") + b"x\n"
        found = [record for record, _, _ in flat(journal(Pieces(bad + b"\n" + after)))]  # type: ignore[arg-type]
        assert found == ([bad, after] if length != 2**21 else [bad + b"\n" + after])


def test_an_entry_that_never_ends_is_held_up_to_the_limit_only() -> None:
    for begin in (b"A=", b"A", b"A\n" + (40 * 2**20).to_bytes(8, "little")):
        found = flat(journal(Pieces(b"B=c\n\n", begin, *[b"x" * 2**20] * 20)))  # type: ignore[arg-type]
        assert [(len(record), offset, cut) for record, offset, cut in found] == [
            (4, 0, False),
            (records.MAX_RECORD, 5, True),
        ]


def test_data_longer_than_a_record_is_passed_over_and_the_next_entry_read() -> None:
    data = b"x\n\n" * 2**20
    entry = b"A=b\n" + field(b"COREDUMP", data) + b"MESSAGE=m\n"
    found = flat(journal(pieces_of(entry + b"\nA=c\n\n", [2**21, 3 * 2**20])))  # type: ignore[arg-type]
    assert [(len(record), offset, cut) for record, offset, cut in found] == [
        (records.MAX_RECORD, 0, True),
        (4, len(entry) + 1, False),
    ]


def test_reading_can_go_on_after_the_entries_that_were_given() -> None:
    data = b"A=b\n\n\nC=d\n\nE=f\n"
    first, last = journal(Pieces(data[:13], data[13:]))  # type: ignore[arg-type]
    assert (list(first.offsets), first.end, first.open) == ([0, 6], 11, False)
    assert (list(last.offsets), last.end, last.open) == ([11], len(data), True)
    (whole,) = journal(Pieces(data[:11]))  # type: ignore[arg-type]
    assert (whole.end, whole.open) == (11, False)


def test_many_short_entries_are_given_in_several_chunks() -> None:
    chunks = list(journal(Pieces(b"A=\n\n" * 600_000)))  # type: ignore[arg-type]
    assert len(chunks) > 2
    assert sum(len(chunk.records) for chunk in chunks) == 600_000


# --- zip archives -----------------------------------------------------------------------------------------------------


def zipped(path: Path, members: dict[str, bytes], *, method: int = zipfile.ZIP_DEFLATED) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, (2025, 12, 31, 23, 59, 58)), data, method)
    return path


def members_of(path: Path) -> dict[str, tuple[list[bytes], str | None]]:
    """What is in an archive: each member's name, its lines, and the code of what ended them."""
    found, problems = inputs([str(path)], NOW)
    assert problems == []
    assert all(one.name.startswith(f"{path}!") and one.path == path for one in found)
    return {one.name.removeprefix(f"{path}!"): read_input(one) for one in found}


def read_input(given: Input) -> tuple[list[bytes], str | None]:
    read: list[bytes] = []
    try:
        stream = Stream(given)
        try:
            for chunk in lines(stream):
                read.extend(chunk.records)
        finally:
            stream.close()
    except ReadingError as error:
        return read, error.code
    return read, None


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@given(
    members=st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_characters="\0/\\.\r\n"), min_size=1, max_size=9),
        st.binary(max_size=200) | st.just(b"\0" * 5_000),
        max_size=4,
    )
)
def test_each_member_of_an_archive_is_read_as_a_file_of_its_own(
    method: int, members: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    # Some names say that the archive is a document.
    members = {name: data for name, data in members.items() if name != "mimetype" and not begins_like_packed(data)}
    path = zipped(tmp_path_factory.mktemp("zip") / "logs.zip", members, method=method)
    if not members:  # an archive of nothing has another mark
        return
    read = members_of(path)
    assert list(read) == list(members)
    for name, data in members.items():
        plain = path.with_name("plain")
        plain.write_bytes(data)
        assert read[name] == until_break(plain)


def begins_like_packed(data: bytes) -> bool:
    return data.startswith((b"\x1f\x8b", b"PK", b"BZh"))


def test_an_archive_is_told_by_its_first_bytes_and_stands_where_the_file_would(tmp_path: Path) -> None:
    written(tmp_path / "a.log", b"a\n")
    zipped(tmp_path / "b.log", {"x/one.log": b"1\n", "two.log.gz": gzip.compress(b"2\n"), "x/": b""})
    written(tmp_path / "c.zip", b"not an archive\n")
    found, problems = inputs([str(tmp_path), str(tmp_path / "b.log")], NOW)
    names = [one.name.removeprefix(f"{tmp_path}{os.sep}") for one in found]
    assert (names, problems) == (["a.log", "b.log!x/one.log", "b.log!two.log.gz", "c.zip"], [])
    assert [read_input(one) for one in found] == [([one], None) for one in (b"a", b"1", b"2", b"not an archive")]
    assert found[1].modified == datetime(2025, 12, 31, 23, 59, 58, tzinfo=UTC)


def test_what_an_archive_hides_is_left_out_and_names_are_never_paths(tmp_path: Path) -> None:
    path = zipped(
        tmp_path / "in" / "logs.zip",
        {"__MACOSX/a": b"", ".hidden": b"", "x/.y/z": b"", "../out.log": b"a\n", "/etc/passwd": b"b\n"},
    )
    assert members_of(path) == {"../out.log": ([b"a"], None), "/etc/passwd": ([b"b"], None)}
    assert [one.name for one in tmp_path.rglob("*")] == ["in", "logs.zip"]


def test_an_event_log_in_an_archive_is_held_and_not_read_out_of_order(tmp_path: Path) -> None:
    (given,) = inputs([str(zipped(tmp_path / "a.zip", {"a.log": b"a\n"}))], NOW)[0]
    stream = Stream(given)
    assert stream.file is None
    assert (stream.read(9), stream.consumed, given.size) == (b"a\n", given.size, given.size)
    stream.close()


def test_archives_within_archives_and_from_pipes_are_not_opened(tmp_path: Path) -> None:
    inner = zipped(tmp_path / "inner.zip", {"a.log": b"a\n"}).read_bytes()
    outer = zipped(tmp_path / "outer.zip", {"inner.zip": inner, "b.log": b"b\n"})
    assert members_of(outer) == {"inner.zip": ([], "F13"), "b.log": ([b"b"], None)}


@pytest.mark.parametrize("mark", ["[Content_Types].xml", "META-INF/MANIFEST.MF", "mimetype", "AndroidManifest.xml"])
def test_documents_and_programs_in_the_form_of_archives_are_passed_over_and_said(mark: str, tmp_path: Path) -> None:
    zipped(tmp_path / "a.docx", {mark: b"", **{f"word/{number}.xml": b"x" for number in range(50)}})
    written(tmp_path / "b.log", b"b\n")
    found, problems = inputs([str(tmp_path)], NOW)
    assert [one.name for one in found] == [str(tmp_path / "b.log")]
    assert [(one.code, one.severity) for one in problems] == [("F12", Severity.NOTE)]


def test_members_that_cannot_be_unpacked_are_counted_once_and_the_rest_read(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"a": b"a\n", "b": b"b\n", "c": b"c\n"}, method=zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    first = data.index(b"PK\x01\x02")
    data[first + 8] |= 1  # encrypted
    second = data.index(b"PK\x01\x02", first + 4)
    data[second + 10] = zipfile.ZIP_BZIP2
    path.write_bytes(data)
    found, problems = inputs([str(path)], NOW)
    assert [one.name for one in found] == [f"{path}!c"]
    assert [(one.code, one.facts) for one in problems] == [("F11", {"count": 2})]


def test_a_damaged_member_is_read_up_to_the_damage_and_said(tmp_path: Path) -> None:
    text = b"".join(b"line %d\n" % number for number in range(20_000))
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        path = zipped(tmp_path / "a.zip", {"a.log": text, "b.log": b"b\n"}, method=method)
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 0xFF
        path.write_bytes(data)
        read = members_of(path)
        assert read["a.log"][1] == "F06"
        assert read["b.log"] == ([b"b"], None)


def test_an_archive_that_changed_since_it_was_listed_is_said(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"a.log": b"a\n"})
    (given,) = inputs([str(path)], NOW)[0]
    path.write_bytes(b"x" * 100)
    assert read_input(given) == ([], "F06")
    path.unlink()
    assert read_input(given) == ([], "F02")


@pytest.mark.parametrize("cut", [0.3, 0.9, 0.99])
def test_an_archive_that_breaks_off_is_said_and_not_read_as_text(cut: float, tmp_path: Path) -> None:
    data = zipped(tmp_path / "a.zip", {f"{number}.log": b"a\n" for number in range(20)}).read_bytes()
    path = written(tmp_path / "b.zip", data[: int(len(data) * cut)])
    found, problems = inputs([str(path)], NOW)
    assert (found, [one.code for one in problems]) == ([], ["F06"])


def test_members_that_share_their_data_are_not_read(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"a": b"x" * 100, "b": b"y" * 100}, method=zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    second = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 4)
    data[second + 42 : second + 46] = bytes(4)
    path.write_bytes(data)
    found, problems = inputs([str(path)], NOW)
    assert found == []
    assert [(one.code, one.facts) for one in problems] == [("F06", {"why": "members overlap"})]


def test_an_archive_has_no_more_members_than_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zipped(tmp_path / "a.zip", {f"{number}.log": b"" for number in range(5)})
    monkeypatch.setattr(archive, "MAX_MEMBERS", 3)
    found, problems = inputs([str(path)], NOW)
    assert [one.name for one in found] == [f"{path}!{number}.log" for number in range(3)]
    assert [one.code for one in problems] == ["F03"]


def test_a_list_of_members_longer_than_the_limit_is_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zipped(tmp_path / "a.zip", {f"{number}.log": b"" for number in range(2_000)})
    monkeypatch.setattr(archive, "MAX_DIRECTORY", 70_000)
    found, problems = inputs([str(path)], NOW)
    assert (found, [one.facts for one in problems]) == ([], [{"why": "the list of members is too long"}])


def test_members_together_unpack_to_no_more_than_one_file_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "FREE_BYTES", 2**20)
    monkeypatch.setattr(streams, "MAX_RATIO", 10)
    bomb = b"x\n" * 2**19
    path = zipped(tmp_path / "a.zip", {f"{number}": bomb for number in range(8)})
    total = 0
    for read, code in members_of(path).values():
        assert code == "F05"
        total += sum(len(line) + 1 for line in read)
    assert total < 8 * (2**20 // 8 + 2 * streams.PIECE)
    assert members_of(zipped(tmp_path / "b.zip", {"a": bomb[: 2**19]}))["a"][1] is None


@given(at=st.integers(0, 10_000), put=st.binary(max_size=6), length=st.integers(0, 6))
def test_whatever_happens_to_an_archive_it_is_read_without_an_error(
    at: int, put: bytes, length: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = zipped(tmp_path_factory.mktemp("zip") / "a.zip", {"a.log": b"a\n" * 99, "b/c.log": b"\0\1\2" * 9, "d": b""})
    data = path.read_bytes()
    at %= len(data)
    path.write_bytes(data[:at] + put + data[at + length :])
    found, problems = inputs([str(path)], NOW)
    assert found or problems
    for one in found:
        read, code = read_input(one)
        assert code in (None, "F05", "F06", "F13")
        assert sum(map(len, read)) < 2**20


# --- JSON values -----------------------------------------------------------------------------------------------------

TRICKY = st.text(st.sampled_from('{}[]",:\\\nä \u2028R1'), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | TRICKY | st.just("Record 1"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TRICKY, inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.lists(st.dictionaries(TRICKY, VALUES, max_size=3), max_size=5)
BETWEEN_VALUES = st.sampled_from(["", " ", "\n", "\r\n", ",", ",\n", "\n\n\t", "\nRecord 7\n", "\nRecord 12 "])


@given(OBJECTS, BETWEEN_VALUES, st.sampled_from([None, 0, 1, 4]), st.booleans(), CUTS)
@example([{"a": [{"b": 1}, {"c": {}}]}, {}], ",\n", 0, True, [])
def test_each_value_is_a_record_in_whatever_layout(
    values: list[dict[str, Any]], between: str, indent: int | None, in_array: bool, cuts: list[int]
) -> None:
    text = between.join(json.dumps(value, indent=indent, ensure_ascii=False) for value in values)
    data = f"[\n{text}\n]\n".encode() if in_array else text.encode()
    found = flat(documents(pieces_of(data, cuts)))  # type: ignore[arg-type]
    assert [json.loads(record) for record, _, _ in found] == values
    assert all(data[offset : offset + len(record)] == record and not cut for record, offset, cut in found)


def test_an_array_that_is_indented_whole_is_read_by_its_elements() -> None:
    values = [{"a": {"b": [{"c": 1}, {"c": 2}]}}, {"a": []}]
    for indent in (0, 1, 2, 4, "\t"):
        data = json.dumps(values, indent=indent).encode()
        assert [json.loads(record) for record, _, _ in flat(documents(Pieces(data)))] == values  # type: ignore[arg-type]


def test_arrays_one_after_the_other_are_read_by_their_elements() -> None:
    data = b'[{"a":1},{"a":2}]\n[{"a":3}]\n'
    found = flat(documents(Pieces(data)))  # type: ignore[arg-type]
    assert [record for record, _, _ in found] == [b'{"a":1}', b'{"a":2}', b'{"a":3}']


ANY_TEXT = st.lists(
    st.sampled_from([*(bytes([one]) for one in b'{}[]",:\n\\ a1\x00\xff'), b"Record 1", b"\n{", b'{"a": 1}', b'"x"']),
    max_size=40,
).map(b"".join)
SEPARATORS = re.compile(rb"(?:[\s,\[\]]|Record \d+)*")


@given(ANY_TEXT, CUTS)
def test_every_byte_that_separates_nothing_is_in_some_record_however_it_is_read(data: bytes, cuts: list[int]) -> None:
    found = flat(documents(pieces_of(data, cuts)))  # type: ignore[arg-type]
    assert found == flat(documents(Pieces(data)))  # type: ignore[arg-type]
    at = 0
    for record, offset, cut in found:
        assert not cut
        assert SEPARATORS.fullmatch(data[at:offset]), (data, at, offset)
        assert data[offset : offset + len(record)] == record
        at = offset + len(record)
    assert SEPARATORS.fullmatch(data[at:])


@given(ANY_TEXT, CUTS)
def test_no_record_is_longer_than_the_limit_and_those_that_were_are_marked(data: bytes, cuts: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "MAX_RECORD", 8)
        for record, offset, cut in flat(documents(pieces_of(data, cuts))):  # type: ignore[arg-type]
            assert data[offset : offset + len(record)] == record
            assert len(record) <= 8
            assert not cut or len(record) == 8


@pytest.mark.parametrize("size", [1, 7, 1_000, 10**6])
def test_a_value_beyond_the_limit_is_cut_and_the_next_one_is_whole(
    size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "MAX_RECORD", 300)
    long = {"a": [{"n": number, "text": 'braces }{ "quoted"'} for number in range(100)]}
    for indent in (None, 2):
        text = "\n".join(json.dumps(one, indent=indent) for one in ({"b": 1}, long, {"c": 2}))
        path = written(tmp_path / "long.json", text.encode())
        stream = opened(path)
        first, second, third = flat(documents(stream, size))
        stream.close()
        assert (json.loads(first[0]), first[2]) == ({"b": 1}, False)
        assert (second[0], second[1:]) == (text.encode()[second[1] :][:300], (len(first[0]) + 1, True))
        assert (json.loads(third[0]), third[2]) == ({"c": 2}, False)
        assert text.encode()[third[1] :] == third[0]


@pytest.mark.parametrize("indent", [None, 2, "\t"])
def test_a_value_that_breaks_off_anywhere_costs_none_but_itself(indent: int | str | None) -> None:
    good = json.dumps({"c": {"d": ['}{ \\ "', {"e": 1}, {"f": []}]}, "g": "h"}, indent=indent)
    for end in range(1, len(good)):
        broken = good[:end].rstrip()
        if indent is None and broken[-1] in ",:[":
            continue  # what comes next could be its own
        data = "\n".join((good, broken, good, good)).encode()
        records = [record.decode() for record, _, _ in flat(documents(Pieces(data)))]  # type: ignore[arg-type]
        assert records == [good, broken, good, good]


def test_a_broken_element_of_an_array_costs_none_but_itself() -> None:
    good = '  {\n    "a": {\n      "b": 1\n    }\n  }'
    data = f'[\n{good},\n  {{\n    "a": {{\n      "b": "cut,\n{good},\n{good}\n]\n'.encode()
    records = [record for record, _, _ in flat(documents(Pieces(data)))]  # type: ignore[arg-type]
    assert [record for record in records if record.startswith(b"{") and record.endswith(b"}")] == [
        good.strip().encode()
    ] * 3
    assert len(records) == 4


def test_what_is_not_json_between_values_is_a_record_of_its_own() -> None:
    data = b'{"a":1}\nit is 5" long, he said\n{"b":2} and more'
    found = [record for record, _, _ in flat(documents(Pieces(data)))]  # type: ignore[arg-type]
    assert found == [b'{"a":1}', b'it is 5" long, he said', b'{"b":2}', b"and more"]


@pytest.mark.parametrize(
    "data",
    [b'{"' + b'\\"' * 2**17, b'{"\n' * 2**17, b"{\n" * 2**17, b"[" * 2**17, b'"' * 2**17, b'{"a":"' + b"\\" * 2**17],
    ids=["escaped quotes", "open texts", "open objects", "open arrays", "quotes", "backslashes"],
)
def test_hostile_text_takes_time_in_proportion_to_its_length(data: bytes) -> None:
    found = flat(documents(pieces_of(data, [2**14 * part for part in range(16)])))  # type: ignore[arg-type]
    assert sum(len(record) for record, _, _ in found) <= len(data)


def test_text_without_end_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "MAX_RECORD", 1_000)
    monkeypatch.setattr(records, "CHUNK", 10_000)
    scanner = records._Documents()
    for start in (b"", b'{"a": "', b'{"a": [1'):
        scanner.feed(start, 1)
        for _ in range(100):
            scanner.feed(b"x" * 1_000, 1)
            assert len(scanner.block) <= 12_000


# --- compressed ------------------------------------------------------------------------------------------------------


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "zst": zstd,
    "xz": lambda data: lzma.compress(data, preset=0),
    "bz2": bz2.compress,
}
each_compression = pytest.mark.parametrize("kind", COMPRESS)
LINES = [b'{"n":%d,"text":"%d"}' % (number, number**9) for number in range(20_000)]
PLAIN = b"\n".join(LINES) + b"\n"


@each_compression
@pytest.mark.parametrize("size", [1_000, records.CHUNK])
def test_compressed_lines_are_the_lines(kind: str, size: int, tmp_path: Path) -> None:
    path = written(tmp_path / "no-telling-name", COMPRESS[kind](PLAIN))
    assert until_break(path, size=size) == (LINES, None)


@each_compression
def test_members_one_after_the_other_are_one_stream(kind: str, tmp_path: Path) -> None:
    third = len(PLAIN) // 3
    parts = (PLAIN[:third], PLAIN[third : 2 * third], b"", PLAIN[2 * third :])
    path = written(tmp_path / "many", b"".join(map(COMPRESS[kind], parts)))
    assert until_break(path) == (LINES, None)
    padded = written(tmp_path / "padded", COMPRESS[kind](PLAIN) + bytes(512))
    assert until_break(padded) == (LINES, None)


def test_a_frame_of_zstandard_that_is_to_be_skipped_is_skipped(tmp_path: Path) -> None:
    note = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"hello"
    path = written(tmp_path / "skip.zst", zstd(PLAIN[:1_000]) + note + zstd(PLAIN[1_000:]))
    assert until_break(path) == (LINES, None)


@each_compression
@pytest.mark.parametrize("part", [0.0, 0.3, 0.7, 0.999])
def test_a_file_that_is_cut_short_gives_what_came_before_and_says_so(kind: str, part: float, tmp_path: Path) -> None:
    whole = COMPRESS[kind](PLAIN)
    path = written(tmp_path / "cut", whole[: max(int(len(whole) * part), 12)])
    records, code = until_break(path)
    assert code == "F06"
    assert records[:-1] == LINES[: max(len(records) - 1, 0)]
    if kind == "gz":
        assert len(records) >= part * len(LINES) * 0.8


@each_compression
def test_what_came_before_a_damaged_member_is_read_whole(kind: str, tmp_path: Path) -> None:
    whole = COMPRESS[kind](PLAIN)
    for damaged in (b"garbage", whole[:12] + b"\xff" * 64 + whole[76:], whole[:-4] + b"\xff\xff\xff\xff"):
        path = written(tmp_path / "damaged", whole + damaged)
        records, code = until_break(path)
        assert code == "F06", damaged[:80]
        assert records[: len(LINES)] == LINES


@each_compression
def test_what_grows_out_of_proportion_is_stopped_and_what_came_before_is_given(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = written(tmp_path / "bomb", COMPRESS[kind](b"0" * 9 + b"\n" + bytes(6 * 2**20)))
    assert until_break(bomb)[1] is None
    monkeypatch.setattr(streams, "FREE_BYTES", 2**20)
    monkeypatch.setattr(streams, "MAX_RATIO", 50)
    records, code = until_break(bomb)
    assert code == "F05"
    assert records[0] == b"0" * 9
    honest = written(tmp_path / "honest", COMPRESS[kind](PLAIN * 3))
    assert until_break(honest) == (LINES * 3, None)


def test_a_bomb_is_stopped_long_before_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "FREE_BYTES", 2**20)
    monkeypatch.setattr(streams, "MAX_RATIO", 50)
    stream = opened(written(tmp_path / "bomb", gzip.compress(bytes(64 * 2**20))))
    with pytest.raises(ReadingError) as caught:
        list(lines(stream))
    stream.close()
    assert (caught.value.code, caught.value.facts) == ("F05", {"ratio": 50})
    assert stream.produced < 2**23


def test_xz_that_wants_too_much_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_DICTIONARY", 2**10)
    assert until_break(written(tmp_path / "hungry.xz", COMPRESS["xz"](PLAIN))) == ([], "F06")


@each_compression
def test_what_cannot_be_opened_leaves_no_file_open(kind: str, tmp_path: Path) -> None:
    """pytest makes an error of the warning that a file left open would give."""
    path = written(tmp_path / "bad", COMPRESS[kind](PLAIN)[:10] + bytes(100))
    with pytest.raises(ReadingError, match="F06"):
        opened(path)


# --- encodings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mark", "encoding"), [(b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")])
@pytest.mark.parametrize("size", [1, 13, records.CHUNK])
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_utf_16_is_read_as_utf_8(
    mark: bytes, encoding: str, size: int, compress: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    texts = [f'{{"ääkkönen \U0001f600": {number}}}' for number in range(3_000 if size > 1 else 40)]
    path = written(tmp_path / "utf16", compress(mark + "\n".join(texts).encode(encoding)))
    assert until_break(path, size=size) == ([text.encode() for text in texts], None)


def test_half_a_character_at_the_end_is_replaced_even_when_it_is_read_alone(tmp_path: Path) -> None:
    for length in (2, streams.SAMPLE - 2):
        path = written(tmp_path / "half", b"\xff\xfe" + "a\n".encode("utf-16-le") * (length // 4) + b"\x41")
        records, code = until_break(path)
        assert (records[-1], code) == ("\N{REPLACEMENT CHARACTER}".encode(), None)


def test_the_mark_of_utf_8_is_no_part_of_the_first_record(tmp_path: Path) -> None:
    assert until_break(written(tmp_path / "marked", b"\xef\xbb\xbfone\ntwo")) == ([b"one", b"two"], None)


# --- which files -----------------------------------------------------------------------------------------------------


def test_a_folder_means_every_file_below_it_that_is_not_hidden(tmp_path: Path) -> None:
    for name in ("b.log", "a/2.log", "a/1.log", ".hidden", ".git/x.log"):
        written(tmp_path / name, b"x")
    assert codes([tmp_path]) == ([str(tmp_path / one) for one in ("b.log", "a/1.log", "a/2.log")], [])


def test_a_glob_means_what_it_matches_files_and_folders(tmp_path: Path) -> None:
    for name in ("a/1.log", "a/2.txt", "b/deep/3.log", "c.log", ".d.log", ".e/4.log"):
        written(tmp_path / name, b"x")
    names = {pattern: codes([tmp_path / pattern])[0] for pattern in ("*.log", "*/*.log", "**/*.log", "b*", ".*.log")}
    expected = {
        "*.log": ["c.log"],
        "*/*.log": ["a/1.log"],
        "**/*.log": ["a/1.log", "b/deep/3.log", "c.log"],
        "b*": ["b/deep/3.log"],
        ".*.log": [".d.log"],
    }
    assert names == {pattern: [str(tmp_path / one) for one in found] for pattern, found in expected.items()}


def test_a_glob_is_read_from_where_the_user_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path / "a.log", b"x")
    monkeypatch.chdir(tmp_path)
    assert codes(["*.log", "a.log", "./a.log"]) == (["a.log"], [])


def test_a_file_whose_name_looks_like_a_glob_is_itself(tmp_path: Path) -> None:
    written(tmp_path / "a[1].log", b"x")
    assert codes([tmp_path / "a[1].log"]) == ([str(tmp_path / "a[1].log")], [])


def test_a_file_is_read_once_however_often_it_is_given(tmp_path: Path) -> None:
    path = written(tmp_path / "a" / "x.log", b"x")
    (tmp_path / "a" / "y.log").symlink_to(path)
    assert codes([path, tmp_path, tmp_path / "a" / ".." / "a" / "*.log", path]) == ([str(path)], [])
    assert codes(["-", "-"]) == (["<stdin>"], [])


def test_links_that_lead_out_of_the_folder_are_named_and_not_followed(tmp_path: Path) -> None:
    inside, outside = tmp_path / "logs", tmp_path / "other"
    written(inside / "own.log", b"x")
    secret = written(outside / "secret.log", b"x")
    (inside / "file.log").symlink_to(secret)
    (inside / "folder").symlink_to(outside, target_is_directory=True)
    (inside / "again").symlink_to(inside, target_is_directory=True)
    (inside / "loop").symlink_to(inside / "loop")
    own = [str(inside / "own.log")]
    leading_out = [("F04", str(inside / "file.log")), ("F04", str(inside / "folder"))]
    assert codes([inside]) == (own, [*leading_out, ("F02", str(inside / "loop"))])
    assert codes([inside / "*"])[1][-3:] == [*leading_out, ("F02", str(inside / "loop"))]
    assert codes([inside / "*"])[0] == [str(inside / "again/own.log")]  # the first name by which it is met
    assert codes([inside / "**/*.log"]) == (own, leading_out[:1])
    assert codes([inside / "folder/*.log"]) == ([str(inside / "folder/secret.log")], [])
    assert codes([inside / "file.log", inside / "folder"])[0] == [str(inside / "file.log")]
    assert {one.severity for one in inputs([str(inside)], NOW)[1]} == {Severity.WARNING, Severity.ERROR}


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    missing = [
        str(tmp_path / one) for one in ("no.log", "*.nothing", "no/such/folder", "x" * 300, "nul\0", "\ud800", "**.log")
    ]
    assert codes([*missing]) == ([], [("F01", one) for one in missing])
    written(tmp_path / "file", b"")
    assert codes([tmp_path / "file" / "below"])[1] == [("F01", str(tmp_path / "file" / "below"))]
    (tmp_path / "dangling").symlink_to(tmp_path / "gone")
    assert codes([tmp_path])[1] == [("F02", str(tmp_path / "dangling"))]


def test_what_may_not_be_looked_at_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path / "closed" / "a.log", b"x")
    real = os.stat

    def stat(path: Any, *args: Any, **named: Any) -> os.stat_result:
        if str(path).endswith("a.log"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *args, **named)

    monkeypatch.setattr(os, "stat", stat)
    refused = ([], [("F02", str(tmp_path / "closed" / "a.log"))])
    assert codes([tmp_path]) == refused
    assert codes([tmp_path / "closed" / "a.log"]) == refused


def test_a_folder_that_cannot_be_listed_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path / "a" / "1.log", b"x")
    real = os.scandir

    def scandir(path: Any) -> Any:
        if str(path).endswith("/a"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert codes([tmp_path]) == ([], [("F02", str(tmp_path / "a"))])


def test_a_file_that_cannot_be_opened_is_said(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "gone", Path("nul\0")):
        with pytest.raises(ReadingError) as caught:
            Stream(Input(str(path), path, 0, NOW))
        assert caught.value.code == "F02"
        assert caught.value.facts["why"]


def test_no_more_files_are_listed_than_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        written(tmp_path / f"{number}.log", b"x")
    monkeypatch.setattr("kyber.logs.inputs.MAX_FILES", 5)
    assert len(inputs([str(tmp_path)] * 2, NOW)[0]) == 5
    assert inputs([str(tmp_path)], NOW)[1] == []
    monkeypatch.setattr("kyber.logs.inputs.MAX_FILES", 3)
    found, (problem,) = inputs([str(tmp_path), str(tmp_path)], NOW)
    assert (len(found), problem.code, problem.facts) == (3, "F03", {"limit": 3})


def test_a_pipe_is_read_where_the_user_names_it_and_passed_over_in_a_folder(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for pipes in (True, False):
        assert codes([tmp_path, tmp_path / "pip?"], pipes=pipes) == ([], [])
    assert codes([tmp_path / "pipe"], pipes=True) == ([str(tmp_path / "pipe")], [])
    assert codes([tmp_path / "pipe"]) == ([], [("F02", str(tmp_path / "pipe"))])


def test_a_file_that_has_become_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    ((given,), _) = inputs([str(written(tmp_path / "a.log", b"x\n"))], NOW)
    (tmp_path / "a.log").unlink()
    os.mkfifo(tmp_path / "a.log")
    with pytest.raises(ReadingError) as refused:
        Stream(given)
    assert (refused.value.code, refused.value.facts) == ("F02", {"why": "not a regular file"})


def test_an_input_knows_its_size_and_time(tmp_path: Path) -> None:
    path = written(tmp_path / "a.log", b"12345")
    os.utime(path, (0, 1_000_000_000))
    ((one,), _) = inputs([str(path)], NOW)
    assert (one.size, one.modified) == (5, datetime(2001, 9, 9, 1, 46, 40, tzinfo=UTC))


# --- standard input --------------------------------------------------------------------------------------------------


class Drip(io.RawIOBase):
    """A pipe that gives one byte at a time."""

    def __init__(self, data: bytes) -> None:
        self.data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self.data.read(1)
        buffer[: len(data)] = data
        return len(data)


@pytest.mark.parametrize("compress", [bytes, *COMPRESS.values()])
def test_standard_input_is_read_like_a_file_even_byte_by_byte(
    compress: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    (given,), _ = inputs(["-"], NOW)
    stored = compress(PLAIN[:5_000])
    for buffer in (io.BytesIO(stored), io.BufferedReader(Drip(stored))):
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=buffer))
        stream = Stream(given)
        assert b"\n".join(record for record, _, _ in flat(lines(stream))) == PLAIN[:5_000].rstrip(b"\n")
        assert (stream.consumed, stream.produced) == (len(stored), 5_000)
        stream.close()
        assert not buffer.closed


# --- event logs ------------------------------------------------------------------------------------------------------


def event_log_of(name: str) -> bytes:
    (path,) = unpacked("evtx-samples.tar.gz").rglob(name)
    return path.read_bytes()


@pytest.mark.parametrize("compress", [bytes, *COMPRESS.values()])
def test_an_event_log_is_read_as_a_file_and_compressed(compress: Callable[[bytes], bytes], tmp_path: Path) -> None:
    data = event_log_of("LM_5145_Remote_FileCopy.evtx")
    path = written(tmp_path / "log", compress(data))
    records, code = until_break(path, event_log)
    assert (len(records), code) == (869, None)
    assert all("Event" in json.loads(record) for record in records)


def test_an_event_log_in_a_pipe_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    data = event_log_of("DE_Powershell_CLM_Disabled_Sysmon_12.evtx")
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BufferedReader(Drip(data))))
    assert len(flat(event_log(Stream(Input("<stdin>", None, 0, NOW))))) == 1


@pytest.mark.parametrize(
    ("end", "whole"), [(4_100, 0), (4_096 + 65_536 * 3, 287), (4_096 + 65_536 * 3 + 40_000, 287), (659_455, 787)]
)
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_an_event_log_that_is_cut_short_gives_its_whole_chunks_and_says_so(
    end: int, whole: int, compress: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    path = written(tmp_path / "cut.evtx", compress(event_log_of("LM_5145_Remote_FileCopy.evtx")[:end]))
    records, code = until_break(path, event_log)
    assert (len(records), code) == (whole, "F06")
    assert not any(record.startswith(BROKEN) for record in records)


def test_space_that_an_event_log_does_not_use_yet_is_not_missed(tmp_path: Path) -> None:
    path = written(tmp_path / "spacious.evtx", event_log_of("LM_5145_Remote_FileCopy.evtx") + bytes(65_536 * 3))
    assert (len(until_break(path, event_log)[0]), until_break(path, event_log)[1]) == (869, None)


@pytest.mark.parametrize("at", [0, 200, 512, 530, 600])
def test_a_damaged_chunk_of_an_event_log_is_a_record_that_says_so_and_the_rest_is_read(at: int, tmp_path: Path) -> None:
    data = bytearray(event_log_of("LM_5145_Remote_FileCopy.evtx"))
    data[4_096 + 65_536 + at : 4_096 + 65_536 + at + 100] = b"\xff" * 100
    records, code = until_break(written(tmp_path / "damaged.evtx", bytes(data)), event_log)
    damaged = [record for record in records if record.startswith(BROKEN)]
    assert code is None
    assert len(damaged) == 1
    assert len(damaged[0]) > len(BROKEN)
    assert len(records) - len(damaged) >= 770


def test_an_event_log_that_has_to_be_held_and_is_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "MAX_HELD", 2**20)
    stream = opened(written(tmp_path / "large.evtx.gz", gzip.compress(bytes(2**20 + 1))))
    with pytest.raises(ReadingError) as caught:
        next(event_log(stream))
    stream.close()
    assert (caught.value.code, caught.value.facts) == ("F08", {"limit": 1})


@given(st.binary(max_size=300), st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 255)), max_size=30))
def test_whatever_an_event_log_holds_it_gives_records_or_a_reading_error(
    junk: bytes, changes: list[tuple[int, int]]
) -> None:
    data = bytearray(event_log_of("DE_Powershell_CLM_Disabled_Sysmon_12.evtx"))
    for place, value in changes:
        data[place] = value
    for given_bytes in (junk, b"ElfFile\0" + junk, bytes(data), bytes(data[: 4_096 + len(junk) * 200])):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(given_bytes)))
            code = None
            try:
                for chunk in event_log(Stream(Input("<stdin>", None, 0, NOW))):
                    assert JsonParser().feed(chunk).records == len(chunk.records)
            except ReadingError as error:
                code = error.code
            assert code in (None, "F06")


class PanicException(BaseException):
    """As pyo3 derives it: no Exception."""


def test_a_panic_of_the_package_that_reads_event_logs_is_a_reading_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "a.evtx", b"ElfFile\0" + bytes(8_000))

    def panicking(*_: object, **__: object) -> None:
        raise PanicException("index out of bounds")

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    def records(*_: object, **__: object) -> SimpleNamespace:
        return SimpleNamespace(records_json=lambda: map(panicking, [1]))

    for parser in (panicking, records):
        monkeypatch.setattr("evtx.PyEvtxParser", parser)
        assert until_break(path, event_log) == ([], "F06")
    monkeypatch.setattr("evtx.PyEvtxParser", interrupted)
    with pytest.raises(KeyboardInterrupt):
        until_break(path, event_log)
