"""Calendar files, read back by the library that wrote them and by another one, written in another language."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar

from kyber.calendar.ics import ics, uid
from kyber.calendar.occurrences import days, dues
from kyber.clock import Due
from kyber.duration import Duration
from kyber.problem import Place
from kyber.text import words_for
from tests.calendar import ical4j
from tests.calendar.test_occurrences import task, timings

TODAY = date(2026, 11, 23)
WORDS = words_for("fi")
DUE = Due(
    ring="risks",
    kind="risk-review",
    id="R-001",
    title='Levyjärjestelmä; rikkoutuu, "öisin" \\ ja = pitkään ' + "x" * 90,
    owner="keeper",
    due=date(2026, 12, 31),
    lead=Duration.parse("2 w"),
    place=Place("risks/R-001.yaml", 1),
)
RULES = (
    "FREQ=DAILY;INTERVAL=10",
    "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH",
    "FREQ=MONTHLY;BYMONTHDAY=-1",
    "FREQ=MONTHLY;BYDAY=2TU",
    "FREQ=MONTHLY;BYDAY=-1FR",
    "FREQ=MONTHLY;INTERVAL=5;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
    "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=-1",
    "FREQ=YEARLY;BYMONTH=3;BYDAY=1TU",
)


def written(found: list[Due], organisation: str = "County", today: date = TODAY) -> bytes:
    return ics(found, organisation, "A clock", WORDS, today)


def events(content: bytes) -> list[Any]:
    return list(Calendar.from_ical(content).walk("VEVENT"))


def test_another_library_reads_the_same_days_and_the_same_occurrences() -> None:
    """Five years with a leap day, of rules of both kinds; and rules of RFC 5545 as that library understands them."""
    every = [task(rule, id=f"T-{at:03}", starts=date(2026, 1, 1)) for at, rule in enumerate(RULES)]
    every.append(task({"every": "month", "day": 31}, id="T-100", starts=date(2026, 1, 1)))
    every.append(task({"month": 2, "day": 29, "on_weekend": "keep"}, id="T-101", starts=date(2026, 1, 1)))
    found = [DUE, *(one for one in dues(every, date(2030, 12, 31)))]
    asked = [(rule, "2026-01-01", "2026-01-01", "2030-12-31") for rule in RULES]
    try:
        said = ical4j.read(written(found), asked)
    except ical4j.Missing as missing:
        pytest.skip(f"no ical4j: {missing}")
    assert said.valid
    assert len(found) > 600
    assert [event[:3] for event in said.events] == [
        (uid(one, "County"), f"{one.due:%Y%m%d}", f"{one.due + timedelta(days=1):%Y%m%d}") for one in found
    ]
    assert said.events[0][3:] == ("-P2W", f"Riskin katselmus: {DUE.title}")
    assert said.rules == [[day.isoformat() for day in days(one, date(2030, 12, 31))] for one in every[: len(RULES)]]


@given(timings(), st.integers(2020, 2030))
def test_what_is_read_back_is_what_falls_due_once_each(rule: dict[str, Any], year: int) -> None:
    found = [one for one in dues([task(rule)], date(year, 12, 31)) if one.due.year == year]
    read = events(written(found))
    assert [event.decoded("dtstart") for event in read] == [one.due for one in found]
    assert len({event["uid"] for event in read}) == len(read)


def test_the_same_clock_is_the_same_file_on_any_day_of_its_state() -> None:
    assert written([DUE]) == written([DUE], today=TODAY + timedelta(days=2))


def test_uids_stay_when_anything_else_changes_and_differ_between_organisations_and_days() -> None:
    later = replace(DUE, title="Other", owner="chief", lead=Duration.parse("1 d"), done=TODAY, place=Place("x", 9))
    assert uid(later, "County") == uid(DUE, "County") == "0c9eed16-8420-50d5-aa78-0908db30d819"
    assert uid(DUE, "Another") != uid(DUE, "County")
    assert uid(replace(DUE, due=date(2027, 1, 1)), "County") != uid(DUE, "County")
    assert "County" not in written([DUE]).decode()


def test_an_event_takes_all_day_rings_when_its_lead_time_begins_and_never_once_it_is_done() -> None:
    (event,) = events(written([DUE]))
    assert (event.decoded("dtstart"), event.decoded("dtend")) == (date(2026, 12, 31), date(2027, 1, 1))
    (alarm,) = event.walk("VALARM")
    assert alarm.decoded("trigger") == timedelta(days=-14)
    (event,) = events(written([replace(DUE, done=TODAY)]))
    assert event.walk("VALARM") == []
    assert str(event["summary"]).endswith("(tehty)")


def test_hostile_titles_stay_within_their_line_and_no_personal_code_is_in_the_file() -> None:
    title = "A\r\nEND:VCALENDAR\x1b[31m 131052-308T"
    content = written([replace(DUE, title=title, id="x\nUID:y")])
    assert len(events(content)) == 1
    assert [line for line in content.split(b"\r\n") if line.startswith((b"END:VCAL", b"UID"))] == [
        b"UID:" + uid(replace(DUE, id="x\nUID:y"), "County").encode(),
        b"END:VCALENDAR",
    ]
    assert b"131052-308T" not in content
    assert b"\x1b" not in content
