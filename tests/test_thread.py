"""The thread: what a finding threatens, and what threatens a service or a risk."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyber.continuity.register import ContinuityRegister
from kyber.continuity.service import Service
from kyber.finding import Family, Finding, RuleRef, Sample, Touched
from kyber.level import Level
from kyber.logs.enrich import Asset
from kyber.logs.source import LogSource
from kyber.people import People
from kyber.risks.evidence import bears
from kyber.risks.risk import Risk
from kyber.settings import Settings
from kyber.thread import Hosts, Web, urgency

TODAY = date(2026, 11, 10)
NOON = datetime(2026, 11, 9, 12, tzinfo=UTC)


def service(id_: str, criticality: int | None = None, *needs: str, **fields: object) -> Service:
    depends = [{"id": each} for each in needs]
    values = {"id": id_, "name": f"Name of {id_}", "criticality": criticality, "depends_on": depends, **fields}
    return Service.model_validate(values)


def risk(id_: str, status: str = "open", **fields: object) -> Risk:
    return Risk.model_validate({"id": id_, "title": "T", "status": status, "identified_in": "log", **fields})


def source(id_: str, **fields: object) -> LogSource:
    return LogSource.model_validate({"id": id_, "name": id_, **fields})


def finding(
    id_: str = "1",
    *,
    host: str = "",
    rule: str = "rule",
    tags: tuple[str, ...] = (),
    sources: tuple[str, ...] = (),
    facts: Mapping[str, str] | None = None,
) -> Finding:
    return Finding(
        id=id_,
        rule=RuleRef(rule, f"name_{rule}", "T", "h", "p"),
        family=Family.SECURITY,
        level=Level.HIGH,
        tags=tags,
        count=1,
        first=NOON,
        last=NOON,
        group={"host.name": host} if host else {},
        evidence=(),
        sample=Sample("e", "f", 1, NOON, {}),
        sources=sources,
        facts=facts or {},
    )


NETWORK = service("network", 2, hosts=["core1"])
LOGIN = service("login", 2, "network", log_sources=["ad"])
EMR = service("emr", 1, "login", hosts=["emr-1.county.example"], patient_safety=True)
MAIL = service("mail", 3, "login")
SOURCES = (
    source("ad", hosts=["dc1"]),
    source("central", services=["mail", "emr"], hosts=["relay"]),
    source("old", status="retired", services=["mail"]),
)
ASSETS = {"mx": Asset.model_validate({"host": "mx", "service": "Name of MAIL"})}


def web(*services: Service, risks: tuple[Risk, ...] = (), sources: tuple[LogSource, ...] = SOURCES) -> Web:
    register = ContinuityRegister(
        services=services or (NETWORK, LOGIN, EMR, MAIL),
        plans=(),
        exercises=(),
        actions=(),
        people=People(),
        settings=Settings.model_validate({"organisation": "E"}),
        today=TODAY,
    )
    return Web(sources=sources, assets=ASSETS, continuity=register, risks=risks)


def test_a_finding_leads_by_its_host_to_a_service_and_to_all_that_rests_on_it() -> None:
    assert web().touched(finding(host="core1")) == Touched(
        services=("network",), resting=("login", "emr", "mail"), criticality=1, patient_safety=True
    )


@pytest.mark.parametrize(
    ("one", "services"),
    [
        (finding(host="EMR-1.County.Example."), ("emr",)),
        (finding(host="emr-1"), ("emr",)),
        (finding(host="emr-1.elsewhere.example"), ()),
        (finding(host="CORE1.county.example"), ("network",)),
        (finding(host="MX.county.example"), ("mail",)),
        (finding(host="dc1.county.example"), ("login",)),
        (finding(sources=("ad",)), ("login",)),
        (finding(sources=("central",)), ("emr", "mail")),
        (finding(host="core1", sources=("central",)), ("network",)),
        (finding(host="new", sources=("central",)), ("emr", "mail")),
        (finding(host="new", facts={"host.service": "emr"}, sources=("ad",)), ("emr",)),
        (finding(facts={"host.service": "laundry"}), ("laundry",)),
        (finding(host="new"), ()),
        (finding(), ()),
    ],
)
def test_what_is_known_of_the_host_counts_before_what_the_source_tells_of(
    one: Finding, services: tuple[str, ...]
) -> None:
    assert web().touched(one).services == services


def test_an_address_has_no_domain_to_be_found_without() -> None:
    hosts = Hosts.of([("10.0.0.1", "a"), ("10", "b")])
    assert [hosts.find("10.0.0.1"), hosts.find("10.0.0.2")] == [frozenset("a"), frozenset()]


def test_what_threatens_the_most_critical_comes_first_and_what_is_not_known_last() -> None:
    found = [finding("mail", host="mx"), finding("none"), finding("emr", host="emr-1"), finding("core", host="core1")]
    touched = web().thread(found)
    assert sorted(touched, key=lambda id_: urgency(touched[id_])) == ["emr", "core", "mail", "none"]


def test_a_service_and_a_risk_lead_back_to_their_findings() -> None:
    guessing = risk("R-1", threats=("T1110",), services=("login",))
    found = [
        finding("a", host="dc1", tags=("attack.t1110.001",)),
        finding("b", host="mx", tags=("attack.t1110",)),
        finding("c", host="core1"),
    ]
    touched = web(risks=(guessing, risk("R-2", "closed", services=("login",)))).thread(found)
    assert [id_ for id_, one in touched.items() if one.threatens("emr")] == ["a", "c"]
    assert [id_ for id_, one in touched.items() if one.threatens("network")] == ["c"]
    assert [one.risks for one in touched.values()] == [("R-1",), (), ()]


def test_what_rests_on_a_service_in_a_circle_ends() -> None:
    touched = web(service("a", 2, "b", hosts=["h"]), service("b", 1, "a")).touched(finding(host="h"))
    assert (touched.services, touched.criticality) == (("a",), 1)


def test_a_service_is_watched_where_a_living_source_tells_of_it_or_of_its_hosts() -> None:
    found = web()
    assert [found.watched(one) for one in (LOGIN, EMR, MAIL, NETWORK)] == [True, True, True, False]
    only = web(sources=(SOURCES[2], source("fw", hosts=["core1.county.example"])))
    assert [only.watched(one) for one in (MAIL, NETWORK)] == [False, True]


NAMES = st.sampled_from(("x", "y", "name_x", "z"))
TECHNIQUES = st.sampled_from(("T1110", "T1110.001", "t1078", "T11"))
SERVICES = st.sampled_from(("network", "login", "emr", "laundry"))


@st.composite
def risks(draw: st.DrawFn) -> Risk:
    return risk(
        "R",
        detections=draw(st.lists(NAMES, max_size=2)),
        threats=draw(st.lists(TECHNIQUES, max_size=2)),
        services=draw(st.lists(SERVICES, max_size=2)),
    )


@given(
    st.lists(risks(), max_size=6),
    NAMES,
    st.lists(st.sampled_from(("attack.t1110.001", "ATTACK.T1110", "attack.impact", "attack.t1078.004"))),
    st.sampled_from(("", "core1", "dc1", "emr-1")),
)
def test_the_risks_of_a_finding_are_those_that_asking_each_one_finds(
    found: list[Risk], rule: str, tags: list[str], host: str
) -> None:
    numbered = tuple(one.model_copy(update={"id": f"R-{at}"}) for at, one in enumerate(found))
    one = finding(rule=rule, tags=tuple(tags), host=host)
    touched = web(risks=numbered).touched(one)
    asked = {
        each.id for each in numbered if bears(each, one.rule.id, one.rule.name, one.tags, services=touched.services)
    }
    assert set(touched.risks) == asked


def test_many_findings_of_few_kinds_cost_one_look_a_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    find = Hosts.find
    monkeypatch.setattr(Hosts, "find", lambda self, name: asked.append(name) or find(self, name))
    some = [finding(host="core1"), finding(host="dc1")]
    many = [replace(some[at % 2], id=str(at)) for at in range(1_000)]
    assert len(web().thread(many)) == 1_000
    assert len(asked) <= 4
