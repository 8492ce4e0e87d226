"""The days of rules, held against a reference that asks each day by itself, and what was done for which of them."""

from calendar import monthrange
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyber.calendar.occurrences import days, next_open, occurrences, open_on
from kyber.calendar.task import Task
from kyber.clock import State
from kyber.problem import Problem
from kyber.register import read, text_of

DAY = timedelta(days=1)
LEAST: dict[str, Any] = {
    "id": "T-001",
    "title": "T",
    "ring": "logs",
    "owner": "o",
    "starts": date(2020, 1, 1),
    "lead_time": "2 w",
    "output": "O",
    "basis": ["B"],
}


def read_task(rule: object, **fields: object) -> tuple[Task | None, tuple[Problem, ...]]:
    return read(text_of({**LEAST, "rule": rule, **fields}).encode(), "calendar/T-001.yaml", Task)


def task(rule: object, **fields: object) -> Task:
    return Task.model_validate({**LEAST, "rule": rule, **fields})


def of(one: Task, start: str, end: str) -> list[str]:
    return [each.day.isoformat() for each in occurrences(one, date.fromisoformat(start), date.fromisoformat(end))]


# --- the reference ----------------------------------------------------------------------------------------------------


def falls_on(rule: dict[str, Any], day: date) -> bool:
    """Whether a rule by month and day has this day: the slow way, from the definition alone."""
    return any(meant(rule, month) == day for month in ((day - 7 * DAY), day, (day + 7 * DAY)) if has(rule, month.month))


def has(rule: dict[str, Any], month: int) -> bool:
    if rule["every"] == "month":
        return True
    if rule["every"] == "quarter":
        return month in {rule.get("month", 3) + add for add in (0, 3, 6, 9)}
    return month == rule["month"]


def meant(rule: dict[str, Any], in_: date) -> date:
    length = monthrange(in_.year, in_.month)[1]
    month = [in_.replace(day=number) for number in range(1, length + 1)]
    if "day" not in rule:
        working = [day for day in month if day.isoweekday() <= 5]
        return working[0] if rule.get("working_day") == "first" else working[-1]
    day = month[min(rule["day"], length) - 1]
    policy = rule.get("on_weekend", "before")
    if day.isoweekday() <= 5 or policy == "keep":
        return day
    before = next(day - n * DAY for n in range(1, 3) if (day - n * DAY).isoweekday() <= 5)
    after = next(day + n * DAY for n in range(1, 3) if (day + n * DAY).isoweekday() <= 5)
    nearest = before if day - before < after - day else after
    return {"before": before, "after": after, "nearest": nearest}[policy]


@st.composite
def timings(draw: st.DrawFn) -> dict[str, Any]:
    every = draw(st.sampled_from(("year", "quarter", "month")))
    rule: dict[str, Any] = {"every": every}
    if every == "year":
        rule["month"] = draw(st.integers(1, 12))
    elif every == "quarter" and draw(st.booleans()):
        rule["month"] = draw(st.integers(1, 3))
    if draw(st.booleans()):
        rule["day"] = draw(st.sampled_from((1, 2, 28, 29, 30, 31)) | st.integers(1, 31))
        rule["on_weekend"] = draw(st.sampled_from(("before", "after", "nearest", "keep")))
    else:
        rule["working_day"] = draw(st.sampled_from(("first", "last")))
    return rule


STARTS = st.dates(date(2019, 1, 1), date(2033, 12, 31))
WINDOWS = st.tuples(STARTS, st.integers(0, 800)).map(lambda found: (found[0], found[0] + found[1] * DAY))


@given(timings(), WINDOWS, STARTS)
def test_the_days_of_a_rule_are_those_that_the_definition_has(
    rule: dict[str, Any], window: tuple[date, date], since: date
) -> None:
    start, end = window
    one = task(rule, starts=since)
    expected = [
        day for n in range((end - start).days + 1) for day in (start + n * DAY,) if day >= since and falls_on(rule, day)
    ]
    assert [each.day for each in occurrences(one, start, end)] == expected


RRULES = st.sampled_from(
    (
        "FREQ=DAILY;INTERVAL=10",
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH",
        "FREQ=MONTHLY;BYMONTHDAY=-1",
        "FREQ=MONTHLY;BYDAY=2TU",
        "RRULE:FREQ=MONTHLY;INTERVAL=5;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
        "FREQ=YEARLY;BYWEEKNO=1,53;BYDAY=MO",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=-1",
        "FREQ=YEARLY;INTERVAL=3;BYYEARDAY=-1",
    )
)


@given(timings() | RRULES, WINDOWS, st.lists(st.integers(0, 800), max_size=4), STARTS)
def test_windows_side_by_side_have_each_occurrence_once(
    rule: object, window: tuple[date, date], cuts: list[int], since: date
) -> None:
    one = task(rule, starts=since, done=[{"on": since + 90 * DAY}, {"on": since + 400 * DAY}])
    start, end = window
    inner = sorted({start + cut * DAY for cut in cuts if start + cut * DAY < end})
    edges = [start - DAY, *inner, end]
    parts = [occurrences(one, a + DAY, b) for a, b in pairwise(edges)]
    assert tuple(each for part in parts for each in part) == occurrences(one, start, end)


@given(RRULES, STARTS, st.integers(0, 3000))
def test_an_rrule_has_the_days_that_dateutil_gives_in_its_own_year(rule: str, since: date, length: int) -> None:
    from datetime import datetime

    from dateutil.rrule import rrulestr

    end = since + length * DAY
    first, last = datetime(since.year, since.month, since.day), datetime(end.year, end.month, end.day)
    asked = rrulestr(rule.removeprefix("RRULE:"), dtstart=first).between(first, last, inc=True)
    assert list(days(task(rule, starts=since), end)) == [found.date() for found in asked]


# --- month ends, leap days, the turn of the year ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "start", "end", "expected"),
    [
        (
            {"every": "month", "day": 31, "on_weekend": "keep"},
            "2024-01-01",
            "2024-06-30",
            ["2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30", "2024-05-31", "2024-06-30"],
        ),
        (
            {"month": 2, "day": 29, "on_weekend": "keep"},
            "2023-01-01",
            "2028-12-31",
            ["2023-02-28", "2024-02-29", "2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"],
        ),
        ({"month": 1, "day": 1}, "2027-12-01", "2028-01-31", ["2027-12-31"]),  # Saturday: the Friday of the year before
        ({"month": 12, "day": 31, "on_weekend": "after"}, "2027-12-31", "2028-01-05", ["2027-12-31"]),  # a Friday
        ({"month": 12, "day": 31, "on_weekend": "after"}, "2028-12-31", "2029-01-05", ["2029-01-01"]),  # a Sunday
        ("FREQ=WEEKLY;BYDAY=TH", "2026-12-24", "2027-01-08", ["2026-12-24", "2026-12-31", "2027-01-07"]),
        ("FREQ=YEARLY;BYWEEKNO=53;BYDAY=FR", "2020-01-01", "2027-12-31", ["2021-01-01", "2027-01-01"]),
        ("FREQ=YEARLY;BYYEARDAY=-1", "2023-01-01", "2024-12-31", ["2023-12-31", "2024-12-31"]),
        ({"every": "quarter"}, "2026-01-01", "2026-12-31", ["2026-03-31", "2026-06-30", "2026-09-30", "2026-12-31"]),
    ],
)
def test_month_ends_leap_days_and_the_turn_of_the_year(rule: object, start: str, end: str, expected: list[str]) -> None:
    assert of(task(rule), start, end) == expected


def test_a_task_has_no_day_before_it_starts_and_none_after_its_end() -> None:
    one = task({"every": "month", "day": 15, "on_weekend": "keep"}, starts=date(2026, 3, 15), until=date(2026, 5, 15))
    assert of(one, "2020-01-01", "2030-01-01") == ["2026-03-15", "2026-04-15", "2026-05-15"]


# --- what cannot be a rule --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("every monday", "rrule"),
        ("FREQ=YEARLY\nFREQ=MONTHLY", "rrule"),
        ("FREQ=MONTHLY;FREQ=YEARLY", "rrule"),
        ("FREQ=MONTHLY;BYEASTER=1", "rrule"),
        ("FREQ=MONTHLY;BYDAY=XX", "rrule"),
        ("FREQ=WEEKLY;BYDAY=1MO", "rrule"),
        ("FREQ=WEEKLY;BYMONTHDAY=1", "rrule"),
        ("FREQ=MONTHLY;BYMONTH=13", "rrule-never"),
        ("FREQ=DAILY;BYHOUR=9", "rrule"),
        ("DTSTART:20260101\nRRULE:FREQ=DAILY", "rrule"),
        ("FREQ=HOURLY", "rrule-often"),
        ("FREQ=DAILY;INTERVAL=0", "rrule-often"),
        ("FREQ=YEARLY;INTERVAL=1000000", "rrule-often"),
        ("FREQ=DAILY;COUNT=1000000000", "rrule-end"),
        ("FREQ=DAILY;UNTIL=20261231", "rrule-end"),
        ("FREQ=MONTHLY;BYMONTHDAY=31", "rrule-short"),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", "rrule-short"),
        ("FREQ=YEARLY;BYYEARDAY=366", "rrule-short"),
        ("FREQ=MONTHLY;BYSETPOS=1", "rrule"),
        ("FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30;BYDAY=MO", "rrule-never"),
        ("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "rrule-short"),
        ("FREQ=MONTHLY;BYMONTHDAY=0", "rrule"),
        ("FREQ=MONTHLY;BYMONTHDAY=1,-00", "rrule"),
        ("FREQ=YEARLY;BYYEARDAY=0", "rrule"),
        ("FREQ=YEARLY;BYWEEKNO=0", "rrule"),
        ("FREQ=YEARLY;BYMONTH=0", "rrule"),
        ("FREQ=MONTHLY;BYDAY=MO;BYSETPOS=0", "rrule"),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;BYDAY=MO", "rrule-never"),
        ({"every": "month", "month": 3}, "timing"),
        ({"every": "quarter", "month": 4}, "timing"),
        ({"every": "year"}, "timing"),
        ({}, "timing"),
        ({"rrule": "FREQ=DAILY", "month": 3}, "timing"),
    ],
)
def test_what_is_no_rule_is_said_with_what_would_be_one(rule: object, words: str) -> None:
    found, problems = read_task(rule)
    assert found is None
    assert [problem.code for problem in problems] == ["K81"]
    assert problems[0].facts["expected"] == f"kind.{words}"
    assert problems[0].place.line > 1


@given(st.text(alphabet="FREQ=DAILYWKMONTH;BYSET0123456789,-+:\n ", max_size=60))
def test_whatever_stands_there_is_a_rule_or_a_problem(text: str) -> None:
    found, problems = read_task(f"FREQ={text}")
    assert (found is None) == bool(problems)


def test_a_task_that_is_long_past_or_far_ahead_is_bounded() -> None:
    found, problems = read_task({"month": 1}, starts=date(1066, 10, 14))
    assert found is None
    assert [(problem.code, problem.facts["field"]) for problem in problems] == [("K07", "starts")]


# --- what was done ----------------------------------------------------------------------------------------------------


def done(one: Task, year: int) -> list[tuple[str, str | None]]:
    return [
        (each.day.isoformat(), each.done.on.isoformat() if each.done else None)
        for each in occurrences(one, date(year, 1, 1), date(year, 12, 31))
    ]


MONTHLY = {"every": "month", "day": 28, "on_weekend": "keep"}


def test_what_was_done_belongs_to_the_day_that_it_names() -> None:
    one = task({"month": 3, "day": 2}, done=[{"on": date(2026, 6, 1), "for": date(2026, 3, 2)}])
    assert done(one, 2026) == [("2026-03-02", "2026-06-01")]


def test_what_was_done_and_names_no_day_belongs_to_the_nearest_open_one_that_had_come_into_its_lead_time() -> None:
    one = task(
        MONTHLY,
        starts=date(2026, 1, 1),
        until=date(2026, 4, 30),
        done=[{"on": date(2026, 2, 3)}, {"on": date(2026, 2, 20)}, {"on": date(2026, 4, 1)}],
    )
    assert done(one, 2026) == [
        ("2026-01-28", "2026-02-03"),
        ("2026-02-28", "2026-02-20"),
        ("2026-03-28", "2026-04-01"),
        ("2026-04-28", None),
    ]


def test_what_is_done_in_december_for_january_is_done_in_january() -> None:
    one = task({"month": 1, "day": 8}, lead_time="6 w", starts=date(2026, 12, 1), done=[{"on": date(2026, 12, 18)}])
    assert done(one, 2026) == []
    assert done(one, 2027) == [("2027-01-08", "2026-12-18")]


def test_a_day_that_the_rule_no_longer_has_stands_for_itself() -> None:
    """Monthly became quarterly in July: what was done before is history, and nothing of it is asked again."""
    history = [{"on": date(2026, month, 27), "for": date(2026, month, 28)} for month in range(1, 7)]
    one = task({"every": "quarter"}, starts=date(2026, 7, 1), done=history)
    assert done(one, 2026) == [
        *((f"2026-{month:02}-28", f"2026-{month:02}-27") for month in range(1, 7)),
        ("2026-09-30", None),
        ("2026-12-31", None),
    ]


@given(st.lists(st.dates(date(2020, 1, 1), date(2026, 12, 31)), max_size=12), timings())
def test_each_time_that_it_was_done_counts_once_and_no_occurrence_is_lost(
    times: list[date], rule: dict[str, Any]
) -> None:
    one = task(rule, done=[{"on": day} for day in times])
    found = occurrences(one, date.min, date(2028, 1, 1))
    assert len({each.day for each in found}) == len(found)
    assert {each.day for each in found} >= set(days(one, date(2028, 1, 1)))
    assert {each.done.on for each in found if each.done} <= set(times)


def test_the_next_time_follows_the_last_where_it_is_renewed_from_that() -> None:
    one = task(
        {"every": "quarter", "day": 15},
        renew_from="last_done",
        starts=date(2026, 1, 1),
        done=[{"on": date(2026, 3, 20)}, {"on": date(2026, 8, 31)}],
    )
    assert done(one, 2026) == [
        ("2026-03-13", "2026-03-20"),
        ("2026-06-19", "2026-08-31"),  # three months later is a Saturday
        ("2026-11-30", None),
    ]
    assert done(one, 2027) == []


@given(timings(), timings(), st.dates(date(2022, 1, 1), date(2025, 12, 31)))
def test_a_changed_interval_keeps_what_was_done_and_asks_nothing_again(
    old: dict[str, Any], new: dict[str, Any], change: date
) -> None:
    """All that the old rule asked for was done; the new one begins on the day of the change."""
    history = list(days(task(old), change - DAY))
    one = task(new, starts=change, done=[{"on": day, "for": day} for day in history])
    found = occurrences(one, date.min, date(2028, 1, 1))
    assert [each.day for each in found if each.done] == history
    assert [each.day for each in found if not each.done] == list(days(one, date(2028, 1, 1)))


def test_what_is_done_is_what_is_late_or_in_its_lead_time_and_nothing_that_is_yet_to_come() -> None:
    on = date(2026, 2, 20)
    before: list[dict[str, Any]] = []
    for expected in (date(2026, 2, 28), date(2026, 1, 28), None):
        found = open_on(task(MONTHLY, starts=date(2026, 1, 1), done=before), on)
        assert (found.day if found else None) == expected
        before = [*before, {"on": on, "for": expected}]
    following = next_open(task(MONTHLY, starts=date(2026, 1, 1), done=before[:2]), on)
    assert following is not None
    assert following.day == date(2026, 3, 28)


# --- where it stands --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("today", "state"),
    [
        ("2026-11-20", State.COMING),
        ("2026-12-18", State.COMING),
        ("2026-12-19", State.DUE),
        ("2027-01-02", State.DUE),
        ("2027-01-03", State.LATE),
        ("2028-06-01", State.LATE),
    ],
)
def test_an_occurrence_comes_falls_due_and_is_late_across_the_turn_of_the_year(today: str, state: State) -> None:
    from kyber.calendar.occurrences import dues

    one = task({"month": 1, "day": 2, "on_weekend": "keep"}, starts=date(2026, 6, 1))
    first = next(dues([one], date(2027, 12, 31)))
    assert first.due == date(2027, 1, 2)
    assert first.state(date.fromisoformat(today)) is state


def test_one_that_was_left_out_waits_no_more_once_a_later_one_is_done() -> None:
    from kyber.calendar.occurrences import dues

    one = task(MONTHLY, starts=date(2026, 1, 1), done=[{"on": date(2026, 3, 1), "for": date(2026, 2, 28)}])
    found = list(dues([one], date(2026, 4, 30)))
    assert [each.state(date(2026, 4, 2)) for each in found] == [
        State.MISSED,
        State.DONE,
        State.LATE,
        State.COMING,
    ]
