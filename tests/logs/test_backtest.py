"""Backtests: they find what a scan finds, count it by day and group, and leave no trace."""

import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from kyber.logs.backtest import Backtest, Backtests, OneDay, Pace, backtest_files, backtest_stored, chosen
from kyber.logs.scan import scan_stored
from kyber.logs.sigma.asking import Asking, Awaited, micros
from kyber.logs.sigma.rule import RuleSet
from kyber.logs.store import Period
from tests.logs.sigma.correlating import ruleset_of
from tests.logs.test_correlating import BASE, NOW, RULES, START, job, log, made, rule, stored

FILTERED: Final = ruleset_of(
    *BASE,
    rule("many", False, type="event_count", rules=["fail"], **{"group-by": ["user"]}, timespan="10h",
         condition={"gte": 3}),
    {"title": "Not of a", "id": "not-a", "logsource": {"product": "test"},
     "filter": {"rules": ["fail"], "sel": {"user": "a"}, "condition": "sel"}},
)  # fmt: skip
SILENT: Final = ruleset_of(
    *BASE,
    rule("silent", False, type="event_count", rules=["ok"], **{"group-by": ["kyber.source"]}, timespan="1d",
         condition={"lt": 1}),
)  # fmt: skip
ECS: Final = ruleset_of(*BASE)
AT: Final = {"kind": "fail", "user": "a"}


def backtests(folder: Path, events: list[dict[str, Any]], rules: RuleSet, *names: str, **how: Any) -> Backtests:
    with stored(folder, made(events)) as store:
        return backtest_stored(store, rules, names, NOW, UTC, **how)


def one(folder: Path, events: list[dict[str, Any]], rules: RuleSet, name: str, **how: Any) -> Backtest:
    (found,) = backtests(folder, events, rules, name, **how).backtests
    return found


def day(number: int) -> date:
    return (START + timedelta(days=number)).date()


def test_findings_and_events_are_counted_by_day_and_by_group(tmp_path: Path) -> None:
    events = [{**AT, "at": 1}, {**AT, "at": 2}, {**AT, "at": 30, "user": "b"}, {"at": 80, "kind": "ok"}]
    found = one(tmp_path, events, RULES, "fail")
    assert (found.findings, found.events) == (2, 3)
    assert found.days == {day(0): OneDay(1, 2), day(1): OneDay(1, 1)}
    assert found.covered == (day(0), day(1), day(3))
    assert found.weekly == 14 / 3
    assert found.pace is Pace.SOMETIMES


@settings(max_examples=15, deadline=None)
@given(
    events=st.lists(
        st.fixed_dictionaries(
            {
                "at": st.integers(0, 9 * 24),
                "kind": st.sampled_from(["fail", "ok"]),
                "user": st.sampled_from(["a", "b"]),
                "size": st.integers(0, 6),
            }
        ),
        max_size=40,
    )
)
def test_what_a_backtest_counts_is_what_a_scan_finds(events: list[dict[str, Any]], tmp_path_factory: Any) -> None:
    folder = tmp_path_factory.mktemp("store")
    numbered = made([{**each, "serial": number} for number, each in enumerate(events)])
    with stored(folder, numbered) as store:
        scanned = scan_stored(store, RULES, NOW, UTC, asking=Asking(NOW))
        names = [*(each.ref.id for each in RULES.rules), *(each.ref.id for each in RULES.correlations)]
        told = backtest_stored(store, RULES, names, NOW, UTC)
    counted = Counter(finding.rule.id for finding in scanned.findings)
    assert {each.rule.id: each.findings for each in told.backtests if each.findings} == dict(counted)
    assert all(sum(there.findings for there in each.days.values()) == each.findings for each in told.backtests)


def test_a_rule_that_a_correlation_counts_alerts_on_its_own_here(tmp_path: Path) -> None:
    told = backtests(tmp_path, [{**AT, "at": hour} for hour in range(4)], RULES, "fail", "many")
    assert [(each.rule.id, each.findings, each.events) for each in told.backtests] == [("fail", 1, 4), ("many", 1, 4)]


def test_a_period_is_all_that_is_looked_at(tmp_path: Path) -> None:
    start = micros(START + timedelta(days=2))
    period = Period(start, start + 2 * 86_400_000_000)
    found = one(tmp_path, [{**AT, "at": 24 * number + 1} for number in range(9)], RULES, "fail", period=period)
    assert found.findings == 2
    assert found.covered == (day(2), day(3))


def test_what_filters_hide_is_told_and_not_counted(tmp_path: Path) -> None:
    events = [{**AT, "at": 1}, {**AT, "at": 2, "user": "b"}, {**AT, "at": 3}]
    found = one(tmp_path, events, FILTERED, "fail")
    assert (found.findings, found.events) == (1, 1)
    assert [(hidden.filter.id, count) for hidden, count in found.hidden] == [("not-a", 2)]


def test_what_filters_hide_from_a_correlation_is_what_they_hide_from_its_rules(tmp_path: Path) -> None:
    found = one(tmp_path, [{**AT, "at": hour} for hour in range(4)], FILTERED, "many")
    assert found.findings == 0
    assert [count for _, count in found.hidden] == [4]


def test_a_rule_that_could_not_look_is_blind_and_not_quiet(tmp_path: Path) -> None:
    rules = ruleset_of(
        {"title": "other", "id": "other", "logsource": {"product": "windows"},
         "detection": {"sel": {"kind": "x"}, "condition": "sel"}},
        *BASE,
    )  # fmt: skip
    blind, quiet = backtests(tmp_path, [{"at": 1, "kind": "fail"}], rules, "other", "ok").backtests
    assert (blind.pace, quiet.pace) == (Pace.BLIND, Pace.NEVER)
    assert blind.blind is not None
    assert blind.blind.reason == "no-events"


def test_the_pace_says_what_to_think_of_it(tmp_path: Path) -> None:
    noisy = [{**AT, "at": 24 * number + 1, "host": {"name": name}} for number in range(7) for name in "xyz"]
    seldom = [*({"at": 24 * number, "kind": "ok"} for number in range(20)), {**AT, "at": 5}]
    for name, events, pace in (("a", noisy, Pace.OFTEN), ("b", seldom, Pace.SELDOM)):
        folder = tmp_path / name
        folder.mkdir()
        assert one(folder, events, ECS, "fail").pace is pace


def test_the_busiest_are_those_of_most_findings_and_few(tmp_path: Path) -> None:
    events = [
        {**AT, "at": 24 * number + hour, "host": {"name": f"h{number}"}}
        for number in range(8)
        for hour in range(number)
    ] + [{**AT, "at": 24 * number, "host": {"name": "h7"}} for number in range(3)]
    hosts = one(tmp_path, events, ECS, "fail").busiest["host.name"]
    assert len(hosts) == 5
    assert (hosts[0].value, hosts[0].findings, hosts[0].events) == ("h7", 4, 10)
    assert [each.events for each in hosts[1:]] == [6, 5, 4, 3]


def test_each_silence_of_the_past_is_found_at_the_end_of_its_first_day(tmp_path: Path) -> None:
    spoken = [hour for hour in range(0, 12 * 24, 6) if not (50 < hour < 110 or 170 < hour < 250)]
    asking = Asking(NOW, (Awaited("made"), Awaited("gone")))
    found = one(tmp_path, [{"at": hour, "kind": "ok"} for hour in spoken], SILENT, "silent", asking=asking)
    assert found.silence
    assert found.busiest["kyber.source"][0].findings == 3  # two that ended, and one that goes on
    assert found.days == {day(2): OneDay(1, 0), day(7): OneDay(1, 0), day(12): OneDay(1, 0), NOW.date(): OneDay(1, 0)}
    assert len(found.covered) == (NOW.date() - day(0)).days + 1


def test_files_give_what_the_store_gives(tmp_path: Path) -> None:
    events = [{**AT, "at": hour} for hour in range(0, 90, 2)]
    (from_store,) = backtests(tmp_path, events, RULES, "many").backtests
    (found,) = backtest_files([job(log(tmp_path, "f.json", made(events)))], RULES, ["many"], NOW).backtests
    assert (found.findings, found.events, found.days) == (from_store.findings, from_store.events, from_store.days)
    assert found.covered == tuple(day(number) for number in range(4))


def test_nothing_is_left_in_the_store(tmp_path: Path) -> None:
    events = made([{**AT, "at": hour} for hour in range(60)])
    asking = Asking(NOW, (Awaited("made"),))
    with stored(tmp_path, events) as store:
        before = [*store.index._connection.iterdump()]
        backtest_stored(store, SILENT, ["fail", "silent"], NOW, UTC, asking=asking)
        assert [*store.index._connection.iterdump()] == before
        scan_stored(store, SILENT, NOW, UTC, asking=asking)
        assert [*store.index._connection.iterdump()] != before  # a scan remembers what was heard


def test_only_what_was_asked_for_and_what_it_builds_on_is_run() -> None:
    mine = chosen(RULES, ["many"])
    assert [each.ref.id for each in mine.rules] == ["fail"]
    assert [(each.ref.id, each.generate) for each in mine.correlations] == [("many", True)]


def test_a_time_that_cannot_be_does_not_make_millions_of_days(tmp_path: Path) -> None:
    file = tmp_path / "odd.json"
    lines = [{"@timestamp": "0002-01-01T00:00:00Z", **AT}, {"@timestamp": "9998-01-01T00:00:00Z", **AT}]
    file.write_text("".join(json.dumps(each) + "\n" for each in lines), encoding="utf-8")
    told = backtest_files([job(file)], RULES, ["fail"], datetime(2026, 3, 20, tzinfo=UTC))
    assert len(told.covered) <= 36_601
