import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyber.report.compare import changes
from kyber.report.direction import COUNTS, direction, reason, reasons, signals
from kyber.text import LANGUAGES, words_for

SAME = dict.fromkeys(COUNTS, "3") | {"findings.serious": "8", "findings.serious.before": "8"}
VALUES = st.fixed_dictionaries({key: st.integers(0, 9).map(str) for key in SAME})


def way(**changed: str) -> str:
    return direction(tuple(signals(SAME, SAME | {key.replace("_", "."): value for key, value in changed.items()})))


def test_nothing_that_moved_is_no_change() -> None:
    assert way() == "unchanged"
    assert tuple(signals(SAME, SAME)) == ()


def test_more_that_is_worse_than_better_is_worse_and_the_other_way_round() -> None:
    assert way(risks_above="4") == "worse"
    assert way(risks_above="2") == "better"
    assert way(risks_above="4", clock_late="2") == "unchanged"
    assert way(risks_above="4", clock_late="2", services_late="2") == "better"


def test_with_a_notification_newly_missed_it_is_never_better() -> None:
    assert way(notices_missed="4", clock_late="2", services_late="2", risks_above="1") == "unchanged"


@pytest.mark.parametrize(("now", "said"), [("12", "unchanged"), ("13", "worse"), ("3", "better"), ("4", "unchanged")])
def test_serious_findings_count_where_they_differ_by_a_quarter_and_by_five(now: str, said: str) -> None:
    changed = SAME | {"findings.serious": now}
    assert direction(tuple(signals(SAME, changed))) == said


@given(VALUES, VALUES)
def test_what_is_better_one_way_is_worse_the_other_way_unless_a_notification_was_missed(
    one: dict[str, str], other: dict[str, str]
) -> None:
    for each in (one, other):
        each["findings.serious"] = each["findings.serious.before"]
    if one["notices.missed"] != other["notices.missed"]:
        return
    opposite = {"better": "worse", "worse": "better", "unchanged": "unchanged"}
    there, back = (direction(tuple(signals(*pair))) for pair in ((one, other), (other, one)))
    assert opposite[there] == back


@pytest.mark.parametrize("language", LANGUAGES)
def test_reasons_that_speak_for_the_direction_come_first_and_are_three_at_most(language: str) -> None:
    words = words_for(language)
    worse = {"services.late": "4", "clock.late": "7", "risks.unseen": "9"}
    found = tuple(signals(SAME, SAME | worse | {"risks.above": "1", "risks.highest": "2"}))
    said = reasons(found, direction(found), words)
    assert said == words("report.list", items=tuple(reason(one, words) for one in found if one.key in worse))


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_speaks_against_the_direction_is_set_apart(language: str) -> None:
    words = words_for(language)
    found = tuple(signals(SAME, SAME | {"risks.above": "2", "clock.late": "4", "services.late": "4"}))
    better = next(one for one in found if not one.is_worse)
    worse = words("report.list", items=tuple(reason(one, words) for one in found if one.is_worse))
    assert direction(found) == "worse"
    assert reasons(found, "worse", words) == words("report.direction.but", first=worse, others=reason(better, words))


def test_fewer_risks_are_no_success_where_more_are_not_assessed() -> None:
    before = SAME | {"risks.unassessed": "0"}
    fewer = {"risks.above": "2", "risks.highest": "2"}
    assert direction(tuple(signals(before, SAME | fewer | {"risks.unassessed": "0"}))) == "better"
    assert tuple(signals(before, SAME | fewer | {"risks.unassessed": "1"})) == ()


def test_what_is_counted_by_period_is_not_compared_between_a_year_and_a_month() -> None:
    year = SAME | {"period.name": "2026", "incidents": "9", "clock.done": "106", "clock.late": "2"}
    month = year | {"period.name": "2026-11", "incidents": "1", "clock.done": "6", "notices.missed": "0"}
    words = words_for("en")
    assert tuple(signals(year, month)) == ()
    assert changes(year, month, words) == ()
    quarter = year | {"period.name": "2026-Q4"}
    later = quarter | {"period.name": "2027-Q1", "incidents": "1"}
    assert [one.text for one in changes(quarter, later, words)] == ["incidents: 1 (was 9)"]


def test_a_risk_that_is_no_longer_assessed_went_neither_up_nor_down() -> None:
    before = {"level.R-1": "major", "title.R-1": "One", "level.R-2": "none", "title.R-2": "Two"}
    now = {"level.R-1": "none", "title.R-1": "One", "level.R-2": "minor", "title.R-2": "Two"}
    assert [one.text for one in changes(before, now, words_for("en"))] == [
        "R-1 One: no longer assessed, was major",
        "R-2 Two: assessed, now minor",
    ]


def test_what_was_decided_and_done_is_told() -> None:
    before = {
        "level.R-1": "major",
        "title.R-1": "One",
        "level.R-2": "major",
        "title.R-2": "Two",
        "action.A-1": "planned",
    }
    before |= {"action.A-2": "ongoing", "exercise.E-1": "planned", "level.R-3": "minor", "accepted.R-3": "2026-12-01"}
    now = {"level.R-1": "major", "title.R-1": "One", "accepted.R-1": "2026-12-20", "closed.R-2": "2026-11-22"}
    now |= {"action.A-1": "done", "title.A-1": "Patch", "action.A-2": "cancelled", "title.A-2": "Wait"}
    now |= {"action.A-3": "proposed", "title.A-3": "Buy", "exercise.E-1": "partial", "title.E-1": "Power"}
    now |= {"level.R-3": "minor", "title.R-3": "Three"}
    assert [one.text for one in changes(before, now, words_for("en"))] == [
        "R-2 Two: closed",
        "R-1 One: accepted until 20 Dec 2026",
        "R-3 Three: no longer accepted",
        "+ A-3 Buy: new",
        "A-1 Patch: done",
        "A-2 Wait: cancelled",
        "E-1 Power: exercise held, result: partly passed",
    ]


def test_serious_findings_say_nothing_where_nobody_looked_before() -> None:
    now = {key: value for key, value in SAME.items() if key != "findings.serious.before"} | {"findings.serious": "99"}
    assert tuple(signals(SAME, now)) == ()


def test_what_changed_is_told_in_plain_words_the_worse_first() -> None:
    before = {"level.R-1": "minor", "title.R-1": "One", "level.R-2": "major", "title.R-2": "Two", "gap.s": "3600"}
    before |= {"level.R-3": "minor", "title.R-3": "Three", "cell.R-3": "2x2", "name.s": "Records", "clock.late": "1"}
    now = {"level.R-1": "major", "title.R-1": "One", "level.R-3": "minor", "title.R-3": "Three", "cell.R-3": "1x3"}
    now |= {"level.R-4": "moderate", "title.R-4": "Four", "gap.s": "0", "name.s": "Records", "clock.late": "2"}
    assert [one.text for one in changes(before, now, words_for("en"))] == [
        "↑ R-1 One: went up from minor to major",
        "+ R-4 Four: new, moderate",
        "R-2 Two: no longer in the report",
        "R-3 Three: same level, 2 × 2 became 1 × 3",
        "Records: is now back in time (was 1 h too late)",
        "late in the annual clock: 2 (was 1)",
    ]


@pytest.mark.parametrize("large", ["9" * 19, "9" * 5_000])
def test_what_has_more_digits_than_anything_is_counted_to_is_no_number(large: str) -> None:
    values = dict.fromkeys((*SAME, "gap.x", "findings.authentication", "rules.run"), large)
    words = words_for("en")
    assert [(one.key, one.now) for one in signals(SAME, values) if one.key == "risks.above"] == [("risks.above", 0)]
    assert all(large not in one.text for one in changes(SAME, values, words))
    assert all(large not in one.text for one in changes(values, SAME | {"gap.x": "9" * 18}, words))
