from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from math import exp, factorial, isclose
from pathlib import Path

import pytest

from kyber.finding import Family, Finding, RuleRef, Sample
from kyber.level import Level
from kyber.risks.evidence import Borne, Verdict, Watch, Watcher, bearing, frequency, months
from kyber.risks.matrix import scale_of
from kyber.risks.risk import Risk
from kyber.settings import Settings
from tests.risks.county import TODAY, lay_out, register

SCALE = scale_of(Settings.model_validate({"organisation": "E"}))
WATCHER = Watcher("1", "guessing", "Password guessing", ("attack.credential-access", "attack.t1110.001"), can_see=True)


@pytest.fixture
def risk(tmp_path: Path) -> Risk:
    """Likelihood 3: once in one to three years."""
    return register(lay_out(tmp_path)).risks[0]


def finding(day: date, rule: str = "1", tags: tuple[str, ...] = (), facts: Mapping[str, str] | None = None) -> Finding:
    time = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    return Finding(
        id=f"{rule}-{day}",
        rule=RuleRef(rule, f"name-{rule}", "T", "h", "p"),
        family=Family.SECURITY,
        level=Level.HIGH,
        tags=tags,
        count=9,
        first=time,
        last=time,
        group={},
        evidence=(),
        sample=Sample("e", "f", 1, time, {}),
        sources=("jump",),
        facts=facts or {},
    )


def borne(risk: Risk, findings: list[Finding], *watchers: Watcher, since: date = date(2025, 11, 11)) -> Borne:
    return bearing(risk, SCALE, findings, watchers, touched, since, TODAY)


def touched(one: Finding) -> set[str]:
    return {one.facts.get("host.service", "emr")}


def with_(risk: Risk, **fields: object) -> Risk:
    return risk.model_copy(update=fields)


def test_a_risk_that_no_rule_watches_is_not_a_quiet_one(risk: Risk) -> None:
    watched = with_(risk, threats=("T1110",))
    assert borne(risk, [], WATCHER).watch is Watch.UNWATCHED
    assert borne(watched, [], WATCHER).watch is Watch.QUIET
    assert borne(watched, [], replace(WATCHER, can_see=False)).watch is Watch.BLIND
    assert borne(watched, [finding(TODAY, tags=("attack.t1110",))], WATCHER).watch is Watch.SEEN
    assert [borne(one, []).frequency for one in (risk, watched)] == [None, None]


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"detections": ("1",)}, True),
        ({"detections": ("name-1",)}, True),
        ({"detections": ("2",)}, False),
        ({"threats": ("T1110",)}, True),
        ({"threats": ("T1110.001",)}, True),
        ({"threats": ("T1110.002",)}, False),
        ({"threats": ("T111",)}, False),
        ({"threats": ("T1110",), "services": ("emr",)}, True),
        ({"threats": ("T1110",), "services": ("laundry",)}, False),
        ({"services": ("emr",)}, True),
        ({"services": ("laundry",)}, False),
        ({"services": ("emr",), "detections": ("2",)}, False),
        ({}, False),
    ],
)
def test_a_finding_bears_on_a_risk_by_rule_technique_or_service(
    risk: Risk, fields: dict[str, object], found: bool
) -> None:
    one = finding(TODAY, tags=("attack.t1110.001",))
    assert bool(borne(with_(risk, **fields), [one]).findings) is found


def test_the_service_of_a_host_counts_before_that_of_its_source(risk: Risk) -> None:
    one = finding(TODAY, facts={"host.service": "laundry"})
    assert borne(with_(risk, services=("laundry",)), [one]).findings == (one,)


def test_days_are_counted_and_not_findings(risk: Risk) -> None:
    days = [date(2026, 11, 1), date(2026, 11, 1), date(2026, 10, 5)]
    found = borne(with_(risk, detections=("1",)), [finding(day) for day in days], WATCHER)
    assert found.days == (date(2026, 10, 5), date(2026, 11, 1))
    assert dict(found.by_month()) == {"2026-10": 1, "2026-11": 1}
    assert isclose(found.years, 1.0, abs_tol=0.01)


@pytest.mark.parametrize(
    ("seen", "verdict"), [(0, Verdict.FITS), (1, Verdict.FITS), (3, Verdict.MORE), (10, Verdict.MORE)]
)
def test_a_stated_likelihood_outside_what_was_seen_is_flagged(risk: Risk, seen: int, verdict: Verdict) -> None:
    found = [finding(date(2026, 10, 1 + n)) for n in range(seen)]
    assert borne(with_(risk, detections=("1",)), found, WATCHER).verdict is verdict


def test_a_silence_of_years_says_that_it_happens_less_often_than_stated(risk: Risk) -> None:
    watched = with_(risk, detections=("1",))
    watcher = replace(WATCHER, id="1")
    assert borne(watched, [], watcher, since=date(2022, 1, 1)).verdict is Verdict.FITS  # at most once in three years
    assert borne(watched, [], watcher, since=date(2020, 1, 1)).verdict is Verdict.LESS
    assert borne(watched, [], replace(watcher, can_see=False), since=date(2019, 1, 1)).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize("count", [0, 1, 4, 30])
@pytest.mark.parametrize("years", [0.1, 1.0, 7.5])
def test_the_interval_is_that_of_a_gamma_posterior_summed_by_hand(count: int, years: float) -> None:
    """Where the shape is whole, P(rate <= x) is a tail of Poisson; half a shape lies between its neighbours."""
    found = frequency(count, years)
    assert found.low < found.middle < found.high

    def reached(shape: int, rate: float) -> float:
        mean = rate * years
        return 1 - sum(exp(-mean) * mean**n / factorial(n) for n in range(shape))

    for value, share in ((found.low, 0.05), (found.middle, 0.5), (found.high, 0.95)):
        assert reached(count + 1, value) < share < (reached(count, value) if count else 1)


def test_the_interval_narrows_with_what_is_seen() -> None:
    widths = [(one := frequency(n, n / 2)).high / one.low for n in (1, 10, 100, 1000)]
    assert widths == sorted(widths, reverse=True)
    assert isclose(frequency(1000, 500).middle, 2, rel_tol=0.01)


def test_the_last_months_end_with_this_one() -> None:
    assert months(date(2026, 1, 31), 3) == ["2025-11", "2025-12", "2026-01"]
