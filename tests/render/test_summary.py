from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from kyber.finding import Family
from kyber.level import Level
from kyber.render.html import CHART_HEIGHT, CHART_WIDTH, bucket_label, chart
from kyber.render.summary import MAX_BUCKETS, by_reason, by_rule, standings, summary, timeline, titled_in

from .results import account, blind, finding, result, rule, whole

TIMES = st.datetimes(timezones=st.just(UTC))


def test_a_summary_counts_what_was_read_and_found() -> None:
    counts = summary(whole())
    assert [(one.format, one.records, one.rejected) for one in counts.formats] == [
        ("evtx", 1_010, 7),
        ("syslog", 1_010, 0),
    ]
    assert (counts.total.inputs, counts.total.events, counts.rejected) == (2, 2_000, {"F07": 7})
    assert list(counts.levels.items()) == [
        (Level.CRITICAL, 1),
        (Level.HIGH, 2),
        (Level.MEDIUM, 0),
        (Level.LOW, 1),
        (Level.INFORMATIONAL, 0),
    ]
    assert counts.families == {Family.SECURITY: 3, Family.ACCESS: 0, Family.TECHNICAL: 1}
    assert (counts.fired, counts.silent, counts.blind, counts.events_found) == (3, 17, 6, 12)


def test_the_period_runs_from_the_first_input_to_the_last() -> None:
    early, late = datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
    counts = summary(
        result(inputs=(account(first=None, last=None), account(last=late), account(first=early), account()))
    )
    assert (counts.total.first, counts.total.last) == (early, late)


def test_findings_are_gathered_by_rule_in_the_order_of_their_levels() -> None:
    a, b = rule("a"), rule("b")
    findings = [
        finding(1, of=b, level=Level.LOW),
        finding(2, of=a),
        finding(3, of=b, level=Level.LOW),
        finding(4, of=a),
    ]
    assert [(one.rule.name, len(one.findings), one.count) for one in by_rule(findings)] == [("a", 2, 6), ("b", 2, 6)]


def test_blind_rules_are_gathered_by_reason_and_by_what_they_lacked() -> None:
    reasons = by_reason([blind(1, "no-field", field="A"), blind(2), blind(3, "no-field", field=("B", "C")), blind(4)])
    assert [(one.reason, len(one.rules), one.lacking) for one in reasons] == [
        ("no-events", 2, {}),
        ("no-field", 2, {"A": 1, "B, C": 1}),
    ]


def test_a_blind_correlation_names_its_rule_in_the_language_of_the_reader() -> None:
    rule, waiting = blind(1), blind(2, "rule-blind", rule=blind(1).rule.title)
    titled = replace(rule, rule=replace(rule.rule, titles={"fi": "Suomeksi"}))
    for language, title in (("fi", "Suomeksi"), ("sv", rule.rule.title)):
        assert [one.facts for one in titled_in((titled, waiting), language)] == [{}, {"rule": title}]


def test_who_stands_out_is_told_by_level_first() -> None:
    findings = [finding(n, level=Level.LOW, group={"host.name": "quiet"}) for n in range(5)]
    findings.append(finding(9, level=Level.CRITICAL, group={"host.name": "loud"}))
    assert [(one.name, one.findings, one.level) for one in standings(findings, "host.name", 5)] == [
        ("loud", 1, Level.CRITICAL),
        ("quiet", 5, Level.LOW),
    ]
    assert standings(findings, "user.name", 5) == ()


@given(st.lists(TIMES | st.none(), max_size=20))
def test_a_timeline_counts_every_dated_finding_once_without_gaps(times: list[datetime | None]) -> None:
    line = timeline([finding(n, first=None if time is None else time) for n, time in enumerate(_early(times))])
    assert sum(sum(bucket.counts.values()) for bucket in line.buckets) + line.undated == len(times)
    assert len(line.buckets) <= MAX_BUCKETS + 1
    assert all(one.until == two.start for one, two in pairwise(line.buckets))


def _early(times: list[datetime | None]) -> list[datetime | None]:
    # A finding of these tests lasts five minutes, which the last day of the calendar has no room for.
    return [time and min(time, datetime(9999, 12, 30, tzinfo=UTC)) for time in times]


def test_the_step_of_a_timeline_grows_with_what_it_spans() -> None:
    def step(days: int) -> tuple[str, int]:
        start = datetime(2024, 1, 1, tzinfo=UTC)
        line = timeline([finding(1, first=start), finding(2, first=start + timedelta(days))])
        return line.step, len(line.buckets)

    assert step(0) == ("day", 1)
    assert step(61) == ("day", 62)
    assert step(62) == ("week", 9)
    assert step(450) == ("month", 15)
    assert step(9 * 365) == ("years", 9)
    assert step(100 * 365) == ("years", 11)


def test_a_column_is_labelled_by_its_stretch_of_time() -> None:
    start = datetime(1601, 1, 1, tzinfo=UTC)
    line = timeline([finding(1, first=start), finding(2, first=datetime(2026, 3, 1, tzinfo=UTC))])
    assert bucket_label(line.buckets[0], line.step) == "1600–1609"
    assert line.buckets[0].start == date(1600, 1, 1)


@settings(max_examples=50)
@given(st.lists(TIMES, max_size=20))
def test_a_chart_stays_within_its_frame_and_draws_every_finding(times: list[datetime]) -> None:
    findings = [
        finding(n, first=time, level=Level(n % 5)) for n, time in enumerate(_early([*times])) if time is not None
    ]
    drawn = chart(timeline(findings))
    assert sum(piece.count for piece in drawn.pieces) == len(findings)
    for piece in drawn.pieces:
        assert 0 <= piece.x <= piece.x + piece.width <= CHART_WIDTH
        assert piece.y >= -1e-6
        assert piece.y + piece.height <= CHART_HEIGHT
    assert len(drawn.up) <= 6
