"""Values: how what a log holds reads as text, as number and as time."""

import math
import sys
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyber.logs.values import NO_TIME, as_datetime, fold, moment, moments, number, older, parts, shown, text, texts

HELSINKI = ZoneInfo("Europe/Helsinki")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30)


def microseconds(time: datetime) -> int:
    return (time - EPOCH) // timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("a b", "a b"), (None, ""), (True, "true"), (False, "false"), (1, "1"), (1.0, "1.0"), (-0.5, "-0.5"), ("", "")],
)
def test_a_scalar_reads_as_json_writes_it(value: str | int | float | bool | None, expected: str) -> None:
    assert text(value) == expected


def test_an_array_is_its_elements_and_a_scalar_its_own() -> None:
    assert parts((1, None)) == (1, None)
    assert parts("x") == ("x",)
    assert list(texts((1, None, "a"))) == ["1", "a"]
    assert shown((1, None, "a", True)) == "1, , a, true"
    assert shown("one") == "one"


@given(st.text(), st.text())
def test_a_part_folds_as_it_does_inside_the_whole(first: str, second: str) -> None:
    assert fold(first + second) == fold(first) + fold(second)


def test_folding_keeps_every_character_one_character_and_folds_it_for_good() -> None:
    every = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    folded = [fold(one) for one in every]
    assert {len(one) for one in folded} == {1}
    assert [fold(one) for one in folded] == folded
    assert (fold("ÄÖÅ"), fold("ΣΊΣΥΦΟΣ"), fold("İ")) == ("äöå", "σίσυφοσ", "i")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("7", 7),
        ("-7", -7),
        ("+7", 7),
        ("007", 7),
        ("7.50", 7.5),
        ("1e3", 1000.0),
        ("9007199254740993", 9007199254740993),
        (7, 7),
        (7.5, 7.5),
        *((one, None) for one in ("", " 7", "7 ", "0x7", "1_0", "٧", "7.", ".7", "inf", "nan", "7\n", "true")),
        (True, None),
        (None, None),
    ],
)
def test_only_plain_decimals_are_numbers(value: str | int | float | bool | None, expected: float | None) -> None:
    found = number(value)
    assert (type(found), found) == (type(expected), expected)


TIMES = st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2200, 1, 1))


@given(TIMES, st.integers(-14 * 60, 14 * 60))
def test_a_time_with_an_offset_is_that_moment(time: datetime, offset: int) -> None:
    aware = time.replace(tzinfo=timezone(timedelta(minutes=offset)))
    assert moment(aware.isoformat(), HELSINKI) == microseconds(aware)
    assert moment(aware.isoformat(" "), HELSINKI) == microseconds(aware)


@given(TIMES)
def test_a_time_without_an_offset_is_in_the_given_zone(time: datetime) -> None:
    assert moment(time.isoformat(), HELSINKI) == microseconds(time.replace(tzinfo=HELSINKI, fold=0))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-03-04T12:00:00Z", "2026-03-04T12:00:00+00:00"),
        ("2026-03-04 12:00:00 UTC", "2026-03-04T12:00:00+00:00"),
        ("2026-03-04T12:00:00.1234567Z", "2026-03-04T12:00:00.123456+00:00"),
        ("2026-03-04T12:00:00.123456789+02:00", "2026-03-04T10:00:00.123456+00:00"),
        ("2026-03-04T12:00:00.123", "2026-03-04T10:00:00.123000+00:00"),
        ("2026-07-04 12:00:00", "2026-07-04T09:00:00+00:00"),
        ("2026-03-04", "2026-03-03T22:00:00+00:00"),
        ("  2026-03-04T12:00:00Z\n", "2026-03-04T12:00:00+00:00"),
        (("nothing", "2026-03-04T12:00:00Z"), "2026-03-04T12:00:00+00:00"),
    ],
)
def test_written_times(value: str | tuple[str, ...], expected: str) -> None:
    found = as_datetime(moment(value, HELSINKI))
    assert found is not None
    assert found.isoformat() == expected


@pytest.mark.parametrize("written", [str, int])
def test_counted_times_tell_their_unit_by_their_size(written: type) -> None:
    for scale in (1, 10**3, 10**6, 10**9):
        assert moment(written(1_772_625_600 * scale), HELSINKI) == 1_772_625_600 * 10**6
    assert moment(1_772_625_600.5, UTC) == 1_772_625_600_500_000
    assert moment("1772625600.5", UTC) == 1_772_625_600_500_000
    assert moment(written(-1), UTC) == -1_000_000


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, "", "-", "yesterday", "12:00:00", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00", "x" * 10_000),
        *(math.nan, math.inf, -math.inf, 10**30, "1e999", "9" * 40, "0001-01-01T00:00:00+14:00", (), (None, "-")),
    ],
)
def test_what_says_no_time_is_no_time(value: object) -> None:
    assert moment(value, UTC) == NO_TIME  # type: ignore[arg-type]


@given(SCALARS | st.lists(SCALARS, max_size=3).map(tuple))
def test_any_value_reads_without_complaint_and_its_time_fits_in_64_bits(value: object) -> None:
    found = moment(value, HELSINKI)  # type: ignore[arg-type]
    assert -(2**63) <= found < 2**63
    assert isinstance(shown(value), str)  # type: ignore[arg-type]
    as_datetime(found)


@given(TIMES)
def test_a_moment_goes_back_to_the_time_it_was(time: datetime) -> None:
    aware = time.replace(tzinfo=UTC)
    assert as_datetime(moment(aware.isoformat(), UTC)) == aware


def test_a_moment_outside_the_calendar_is_none() -> None:
    assert [as_datetime(one) for one in (NO_TIME, 2**63 - 1, -(2**62))] == [None] * 3


WRITTEN = st.builds(
    lambda time, sign, fraction, end: f"{time:%Y-%m-%d}{sign}{time:%H:%M:%S}{fraction}{end}".zfill(19),
    st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31))
    | st.datetimes(datetime(2026, 3, 28), datetime(2026, 3, 30)),
    st.sampled_from("T t"),
    st.just("") | st.from_regex(r"\A[.,][0-9]{0,9}\Z"),
    st.sampled_from(("", "Z", "z", "+02:00")),
)
BROKEN_TIMES = st.from_regex(r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{3}Z?)?\Z")


@given(
    st.lists(st.lists(WRITTEN, min_size=1, max_size=3) | st.lists(BROKEN_TIMES | SCALARS, max_size=3), max_size=6),
    st.sampled_from((UTC, HELSINKI, timezone(timedelta(hours=2, seconds=7)))),
)
def test_many_times_read_as_each_of_them_alone(some: list[list[str]], zone: ZoneInfo) -> None:
    values = [one for few in some for one in few] * 20
    assert moments(values, zone).tolist() == [moment(one, zone) for one in values]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"p\xe4\xe4sy \x80 50", "p\u00e4\u00e4sy \u20ac 50"),
        (b"teht\xe4v\xe4", "teht\u00e4v\u00e4"),
        (b"\x81\x8d", "\ufffd\ufffd"),
        ("\u00e4iti and ".encode() + b"\xff", "\u00e4iti and \ufffd"),
        ("\U0001f600".encode() + b"\xe4", "\U0001f600\ufffd"),
    ],
)
def test_what_is_not_utf_8_is_read_as_logs_of_western_europe_were_written(raw: bytes, expected: str) -> None:
    assert older(raw) == expected


@given(st.text(), st.sampled_from((b"\xff", b"\xe4", b"\xc3")))
def test_damage_takes_no_letter_of_utf_8_with_it(text: str, wrong: bytes) -> None:
    before = text.encode("utf-8", "ignore").decode()
    assert before.isascii() or older(before.encode() + wrong).startswith(before)
