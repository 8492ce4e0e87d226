"""Lines of an unknown format: kept whole, searched as text, and counted as not understood."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from kyber.logs.batch import Chunk, Parsed
from kyber.logs.formats import Context
from kyber.logs.formats.text import TEXT, TextParser

CONTEXT = Context(reference=datetime(2026, 3, 4, tzinfo=UTC), zone=UTC)


def read(*records: bytes, parser: TextParser | None = None) -> Parsed:
    return (parser or TextParser(CONTEXT)).feed(Chunk(records, list(range(len(records))), first=3))


def test_a_line_is_an_event_that_holds_it_as_its_message() -> None:
    found = read("Ärendet avslutades".encode(), b"\tindented\r")
    assert [one["message"] for one in found.events] == ["Ärendet avslutades", "\tindented"]
    assert [one["event.original"] for one in found.events] == ["Ärendet avslutades", "\tindented"]
    assert (found.raw[1], found.numbers, found.offsets) == (b"\tindented\r", [3, 4], [0, 1])


def test_each_line_that_is_read_is_counted_as_not_understood() -> None:
    parser = TextParser(CONTEXT)
    read(b"one", b"", b"two", parser=parser)
    read(b"three", b"\x00", parser=parser)
    assert parser.notes == {"F42": 3}
    assert parser.finish().records == 0


def test_blank_lines_are_blank() -> None:
    assert read(b"", b"  ", b"\r", b"\t \r").blank == 4


def test_what_is_not_text_is_rejected() -> None:
    for record in (b"a\x00b", b"\x7fELF\x02\x01\xff", b"\x1f\x8b\x08\xb5\x02", "a\0ä".encode("utf-16-le")):
        (reject,) = read(record).rejects
        assert (reject.reason, reject.raw, reject.record, dict(reject.facts)) == ("F43", record, 3, {})


def test_a_line_in_an_older_encoding_is_read_and_counted_as_repaired() -> None:
    found = read("Käyttäjä kirjautui".encode("latin-1"), b"fine")
    assert [one["message"] for one in found.events] == ["K\u00e4ytt\u00e4j\u00e4 kirjautui", "fine"]
    assert (found.repaired, found.rejects) == (1, [])


def test_text_is_what_nothing_else_is() -> None:
    assert TEXT.detect(b"anything") == 1


@given(st.lists(st.binary(max_size=20), max_size=8))
def test_any_bytes_are_accounted_for(records: list[bytes]) -> None:
    found = read(*records)
    assert found.records == len(records)
    assert all(one["message"].encode() for one in found.events)
