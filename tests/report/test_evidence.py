"""What bears on every risk, looked up: the same as asking each risk about each finding and rule."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from kyber.finding import Family, Finding, RuleRef, Sample, Touched
from kyber.level import Level
from kyber.people import People
from kyber.report.evidence import borne_by
from kyber.risks.evidence import Watcher, bearing, bears
from kyber.risks.register import RiskRegister, open_risks
from kyber.risks.risk import Risk
from kyber.settings import Settings

TODAY = date(2026, 11, 23)
SINCE = date(2025, 12, 1)
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SETTINGS = Settings.model_validate({"organisation": "E"})
RULES = st.sampled_from(("x", "y", "name_x", "z"))
TECHNIQUES = st.sampled_from(("T1110", "T1110.001", "t1078", "T11"))
TAGS = st.sampled_from(("attack.t1110.001", "ATTACK.T1110", "attack.impact", "attack.t1078.004", "attack.t11"))
SERVICES = st.sampled_from(("network", "login", "emr"))
SOME_SERVICES = st.frozensets(SERVICES, max_size=2).map(tuple)

RISKS = st.builds(
    lambda status, detections, threats, services, likelihood: Risk.model_validate(
        {
            "id": "R",
            "title": "T",
            "status": status,
            "identified_in": "log",
            "detections": detections,
            "threats": threats,
            "services": services,
            "current": {
                "likelihood": likelihood,
                "impact": {"privacy": 2},
                "rationale": "x",
                "assessed_on": TODAY,
                "assessed_by": "x",
            },
        }
    ),
    st.sampled_from(("open", "treating", "closed")),
    st.lists(RULES, max_size=2),
    st.lists(TECHNIQUES, max_size=2),
    st.lists(SERVICES, max_size=2),
    st.integers(1, 5),
)
WATCHERS = st.builds(
    lambda rule, tags, can_see: Watcher(rule, f"name_{rule}", "T", tuple(tags), can_see=can_see),
    RULES,
    st.lists(TAGS, max_size=3),
    st.booleans(),
)
FINDINGS = st.tuples(
    st.builds(
        lambda rule, tags, day: Finding(
            id="",
            rule=RuleRef(rule, f"name_{rule}", "T", "h", "p"),
            family=Family.SECURITY,
            level=Level.HIGH,
            tags=tuple(tags),
            count=1,
            first=None if day is None else NOON - timedelta(days=day),
            last=None if day is None else NOON,
            group={},
            evidence=(),
            sample=Sample("e", "f", 1, NOON, {}),
        ),
        RULES,
        st.lists(TAGS, max_size=3),
        st.none() | st.integers(0, 300),
    ),
    SOME_SERVICES,
)


@given(st.lists(RISKS, max_size=5), st.lists(FINDINGS, max_size=8), st.lists(WATCHERS, max_size=5))
def test_what_is_looked_up_is_what_asking_each_risk_finds(
    some: list[Risk], found: list[tuple[Finding, tuple[str, ...]]], watchers: list[Watcher]
) -> None:
    risks = tuple(one.model_copy(update={"id": f"R-{at}"}) for at, one in enumerate(some))
    findings = [replace(one, id=str(at)) for at, (one, _) in enumerate(found)]
    services = {str(at): where for at, (_, where) in enumerate(found)}
    register = RiskRegister(
        risks=risks, controls=(), actions=(), approvals=(), people=People(), settings=SETTINGS, today=TODAY
    )
    asked = {
        one.id: bearing(one, register.scale, findings, watchers, lambda each: services[each.id], SINCE, TODAY)
        for one in open_risks(register)
    }
    touched = {
        one.id: Touched(
            services=services[one.id],
            risks=tuple(
                each.id
                for each in open_risks(register)
                if bears(each, one.rule.id, one.rule.name, one.tags, services=services[one.id])
            ),
        )
        for one in findings
    }
    assert borne_by(register, findings, touched, watchers, SINCE) == asked
