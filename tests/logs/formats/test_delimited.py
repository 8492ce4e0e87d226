"""CSV and its kin: the header names the fields, wherever reading begins, and the source may call them otherwise."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyber.logs.batch import Chunk, Parsed
from kyber.logs.formats import Context
from kyber.logs.formats.delimited import CSV, DelimitedParser, detect, header_of, named
from tests.logs.formats.asked import records, scanned

REFERENCE = datetime(2026, 3, 4, 12, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LOG = """time,user,note
2026-03-04T10:15:30Z,liisa,"a ""b""
c, d"
2026-03-04T10:15:31Z,matti,
2026-03-04T10:15:32Z,maija,x
2026-03-04T10:15:33Z,pekka,y
2026-03-04T10:15:34Z,pekka,y,more,cells
2026-03-04T10:15:35Z
"""


def read(
    log: str, columns: dict[str, str] | None = None, sample: bool = True, zone: str = "UTC"
) -> tuple[Parsed, Chunk]:
    context = Context(
        reference=REFERENCE, zone=ZoneInfo(zone), sample=log.encode() if sample else b"", columns=columns or {}
    )
    found = [one.encode() for one in log.removesuffix("\n").split("\n")]
    chunk = Chunk(found, list(range(len(found))))
    parsed = DelimitedParser(context).feed(chunk)
    assert parsed.records == len(found)
    return parsed, chunk


def events(log: str, columns: dict[str, str] | None = None, zone: str = "UTC") -> list[dict[str, object]]:
    parsed, _ = read(log, columns, zone=zone)
    for one in parsed.events:
        del one["event.original"]
    return parsed.events


def times(log: str, columns: dict[str, str] | None = None, zone: str = "UTC") -> list[datetime | None]:
    found = [one.get("@timestamp") for one in events(log, columns, zone)]
    return [EPOCH + timedelta(microseconds=one) if isinstance(one, int) else None for one in found]


def test_cells_stand_under_the_names_of_the_header_and_none_is_lost() -> None:
    log = "time,user,note\n2026-03-04T10:15:31Z,matti,,more,cells\n2026-03-04T10:15:32Z\n"
    first, second = events(log)
    at = int((datetime(2026, 3, 4, 10, 15, 31, tzinfo=UTC) - EPOCH) / timedelta(microseconds=1))
    assert first == {
        "time": "2026-03-04T10:15:31Z",
        "user": "matti",
        "csv.extra": ["more", "cells"],
        "@timestamp": at,
    }
    assert second == {"time": "2026-03-04T10:15:32Z", "@timestamp": at + 1_000_000}


def test_a_file_is_told_and_each_of_its_records_counted(tmp_path: Path) -> None:
    (account,) = scanned(tmp_path, LOG.encode(), {}, ("user: liisa",)).inputs
    assert (account.format, account.records, account.events, account.blank, account.rejected) == ("csv", 7, 6, 1, {})
    assert account.first == datetime(2026, 3, 4, 10, 15, 30, tzinfo=UTC)
    assert account.last == datetime(2026, 3, 4, 10, 15, 35, tzinfo=UTC)


@pytest.mark.parametrize(
    ("detection", "columns", "expected"),
    [
        (("user: liisa", "note|endswith: 'c, d'"), {}, [2]),
        (("person: maija",), {"user": "person"}, [4]),
        (("user.name: matti", "note: null"), {}, [3]),
        (("- more",), {}, [6]),
    ],
)
def test_rules_find_records_by_the_names_of_columns(
    tmp_path: Path, detection: tuple[str, ...], columns: dict[str, str], expected: list[int]
) -> None:
    assert records(tmp_path, LOG.encode(), {}, detection, columns) == expected


def test_a_source_says_what_its_columns_are_to_be_called() -> None:
    log = "Aika;Käyttäjä;Kone\n2026-03-04 10:15:30;liisa;gw-1\n"
    (found,) = events(log, {"Käyttäjä": "user.name", "Kone": "host.name", "Muu": "x"})
    del found["@timestamp"]
    assert found == {"Aika": "2026-03-04 10:15:30", "user.name": "liisa", "host.name": "gw-1"}


def test_reading_may_begin_anywhere() -> None:
    parser = DelimitedParser(Context(reference=REFERENCE, zone=UTC, sample=LOG.encode()))
    parsed = parser.feed(Chunk([b"2026-03-04T10:15:33Z,maija,x"], [90], 5))
    assert [(one["user"], number) for one, number in zip(parsed.events, parsed.numbers, strict=True)] == [("maija", 5)]


def test_without_a_sample_the_first_record_is_the_header() -> None:
    parsed, _ = read("sep=;\na;b\n1;2\na;b\n3;4\n", sample=False)
    assert parsed.blank == 1 or [one.get("a;b") for one in parsed.events]
    parsed, _ = read("a,b\n1,2\na,b\n3,4\n", sample=False)
    assert [(one["a"], one["b"]) for one in parsed.events] == [("1", "2"), ("3", "4")]
    assert parsed.blank == 2  # a header that stands again, where files were joined


@pytest.mark.parametrize(
    ("own", "columns", "expected"),
    [
        (["a", "b"], {}, ["a", "b"]),
        (["a", "", "a"], {}, ["a", "column2", "column3"]),
        (["a", "b"], {"a": "user.name", "b": "user.name"}, ["user.name", "b"]),
        (["event.original", "csv.extra"], {}, ["column1", "column2"]),
        (["column2", "", "column2"], {}, ["column2", "_2", "column3"]),
    ],
)
def test_no_name_stands_for_two_columns(own: list[str], columns: dict[str, str], expected: list[str]) -> None:
    assert named(own, columns) == expected


@pytest.mark.parametrize(
    ("log", "zone", "expected"),
    [
        ("Timestamp,user\n2026-03-04T12:15:30+02:00,x\n", "UTC", "2026-03-04T10:15:30"),
        ("Date,Time,user\n03/04/2026,10:15:30 AM,x\n", "UTC", "2026-03-04T10:15:30"),
        ("Päivä;Aika;user\n4.3.2026;12:15:30;x\n", "Europe/Helsinki", "2026-03-04T10:15:30"),
        ("user,ts\nx,1772619330\n", "UTC", "2026-03-04T10:15:30"),
        ("Creation Date,user\n2026-03-04T10:15:30.1234567Z,x\n", "UTC", "2026-03-04T10:15:30.123456"),
        ("Date,user\n2026-03-04,x\n", "UTC", "2026-03-04T00:00:00"),
        ("note,user\n2026-03-04T10:15:30Z,x\n", "UTC", None),
        ("time,user\nyesterday,x\n", "UTC", None),
    ],
)
def test_the_time_is_found_in_the_column_that_is_called_so(log: str, zone: str, expected: str | None) -> None:
    assert times(log, zone=zone) == [datetime.fromisoformat(f"{expected}+00:00") if expected else None]


def test_a_source_can_say_which_column_is_the_time() -> None:
    log = "note,time\n2026-03-04T10:15:30Z,2020-01-01T00:00:00Z\n"
    assert times(log, {"note": "@timestamp"}) == [datetime(2026, 3, 4, 10, 15, 30, tzinfo=UTC)]


# --- telling ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "log",
    [
        LOG,
        "time\tuser\n2026-03-04\tliisa\n2026-03-05\tmatti\n",
        '"time";"user";"note"\r\n"2026-03-04";"liisa";"a;b"\r\n',
        "sep=|\na|b\n1|2\n3|4\n",
        '#TYPE System.Object\n"Name","Id","At"\n"x","1","2"\n',
    ],
)
def test_a_header_with_rows_is_told(log: str) -> None:
    assert detect(log.encode()) == 64


@pytest.mark.parametrize(
    "log",
    [
        "",
        "time,user,note\n",
        "one line, of prose\nand another, like it\n",
        "Hello, world\nfoo, bar\nbaz, qux\n",
        "user,action\nliisa,login\nmatti,logout\n",
        "a,b\n1\n2,3,4\n5\n",
        '{"a": 1, "b": 2}\n{"a": 3, "b": 4}\n',
        "<a>,<b>\n1,2\n3,4\n",
        "2026-03-04,liisa,x\n2026-03-05,matti,y\n",
        "a,b,c\n\0,1,2\n",
    ],
)
def test_what_only_has_commas_is_not_taken_for_it(log: str) -> None:
    assert detect(log.encode()) == 0
    assert header_of(log.encode()) == []


# --- whatever it is fed ----------------------------------------------------------------------------------------------


@given(st.lists(st.text(st.sampled_from('ab,;"\t|=1 '), max_size=12), min_size=1, max_size=6), st.booleans())
def test_every_record_is_accounted_for(lines: list[str], sample: bool) -> None:
    parsed, chunk = read("\n".join(lines), sample=sample)
    assert len(parsed.events) + parsed.blank == len(chunk.records)
    assert parsed.rejects == []


def test_the_format_stands_under_its_name() -> None:
    assert (CSV.name, CSV.framing, CSV.table) == ("csv", "csv", "json")
