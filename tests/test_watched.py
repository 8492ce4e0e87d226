"""Checks of whether anybody watches what matters: each fires, and each stays quiet."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from kyber.join import check_workspace, read_workspace
from kyber.logs.store.index import EVENTS, FILE, Index, SegmentInfo
from kyber.problem import Problem, Severity
from kyber.watched import top_risks
from tests.risks.county import RISK, TODAY, lay_out

SOURCE = """\
id: jump
name: Jump host
status: active
purpose: Sign-ins
owner: keeper
retention: 30 d
stored_in: here
expected_every: 1 d
read: {paths: [auth.log], format: syslog}
logsource: {product: linux}
hosts: [jump1]
services: [emr]
"""
SERVICE = "id: emr\nname: Records\ncriticality: 1\n"
RULE = """\
title: A door opens
id: 11111111-1111-4111-8111-111111111111
name: door_opens
status: test
logsource: {product: doors}
detection: {selection: {door: open}, condition: selection}
level: high
tags: [attack.t1990.001]
"""


def found(root: Path, code: str) -> list[Problem]:
    return [one for one in check_workspace(root, TODAY).left if one.code == code]


@pytest.fixture
def county(tmp_path: Path) -> Path:
    """A register of risks with one top risk, a service and a log source that tells of it."""
    lay_out(tmp_path)
    put(tmp_path, "sources/jump.yaml", SOURCE)
    put(tmp_path, "continuity/services/emr.yaml", SERVICE)
    return tmp_path


def put(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text, encoding="utf-8")


def risk(root: Path, *lines: str, of: str = RISK) -> None:
    put(root, next((root / "risks").glob("*.yaml")).relative_to(root).as_posix(), of + "\n".join((*lines, "")))


def store(root: Path, first: datetime, last: datetime, source: str = "jump") -> None:
    (root / ".kyber").mkdir(exist_ok=True)
    index = Index(root / ".kyber" / FILE)
    info = SegmentInfo(
        path="events/a.parquet", kind=EVENTS, source=source, day=f"{first:%Y-%m-%d}", nature=b"{}", rows=2, records=2,
        first=micros(first), last=micros(last), undated=0, low=1, high=1, collected=micros(last), size=9, hash="0" * 64,
    )  # fmt: skip
    with index.transaction():
        index.add(info, ())
    index.close()


def micros(time: datetime) -> int:
    return round(time.timestamp() * 1_000_000)


def at(days: int) -> datetime:
    """Noon, so many days before today."""
    return datetime(TODAY.year, TODAY.month, TODAY.day, 12, tzinfo=UTC) - timedelta(days=days)


# --- K70 -------------------------------------------------------------------------------------------------------------


def test_a_top_risk_is_major_and_no_longer_preliminary(county: Path) -> None:
    assert [one.id for one in top_risks(read_workspace(county, TODAY)[0].risks)] == ["R-001"]
    risk(county, of=RISK.replace("status: treating", "status: preliminary"))
    assert top_risks(read_workspace(county, TODAY)[0].risks) == ()


@pytest.mark.parametrize(
    ("lines", "why", "severity"),
    [
        (["threats: [T1110]"], None, None),
        (["detections: [linux_ssh_password_guessed]"], None, None),
        (["threats: [T1990]"], "check.watch.unmatched", Severity.WARNING),
        (["detections: [gone]"], "check.watch.unmatched", Severity.WARNING),
        (["services: [emr]"], "check.watch.unsaid", Severity.NOTE),
        ([], None, None),
    ],
)
def test_a_top_risk_that_no_rule_watches_is_told(
    county: Path, lines: list[str], why: str | None, severity: Severity | None
) -> None:
    risk(county, *lines)
    problems = found(county, "K70")
    assert [(one.facts["why"], one.severity) for one in problems] == ([(why, severity)] if why else [])


def test_a_rule_of_which_no_source_has_what_it_reads_watches_nothing(county: Path) -> None:
    risk(county, "threats: [T1990]")
    put(county, "rules/door.yml", RULE)
    assert [one.facts["why"] for one in found(county, "K70")] == ["check.watch.blind"]
    put(county, "sources/jump.yaml", SOURCE.replace("product: linux", "product: doors"))
    assert found(county, "K70") == []


def test_a_smaller_risk_need_not_be_watched(county: Path) -> None:
    risk(county, "threats: [T1990]", of=RISK.replace("privacy: 4, reputation: 3", "privacy: 1, reputation: 1"))
    assert found(county, "K70") == []


# --- K71 -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("last", "silent"), [(0, False), (1, False), (3, True)])
def test_a_source_that_a_top_risk_needs_may_not_be_silent(county: Path, last: int, silent: bool) -> None:
    risk(county, "threats: [T1110]")
    assert found(county, "K71") == []  # nothing is stored: nothing is known
    store(county, at(9), at(last))
    assert [one.facts["sources"] for one in found(county, "K71")] == ([("jump",)] if silent else [])


def test_a_silent_source_of_other_services_is_not_what_a_risk_needs(county: Path) -> None:
    risk(county, "threats: [T1110]", "services: [mail]")
    put(county, "continuity/services/mail.yaml", SERVICE.replace("emr", "mail"))
    store(county, at(9), at(9))
    assert found(county, "K71") == []


# --- K72 -------------------------------------------------------------------------------------------------------------


def test_a_critical_service_needs_a_log_source_that_tells_of_it(county: Path) -> None:
    assert found(county, "K72") == []
    put(county, "sources/jump.yaml", SOURCE.replace("services: [emr]", ""))
    assert [one.facts["id"] for one in found(county, "K72")] == ["emr"]
    for line in ("log_sources: [jump]", "hosts: [JUMP1.county.example]"):
        put(county, "continuity/services/emr.yaml", f"{SERVICE}{line}\n")
        assert found(county, "K72") == []
    put(county, "continuity/services/emr.yaml", SERVICE.replace("1", "3"))
    assert found(county, "K72") == []


def test_before_there_is_any_source_no_service_is_asked_for_one(county: Path) -> None:
    (county / "sources/jump.yaml").unlink()
    assert found(county, "K72") == []


@pytest.mark.parametrize(("kind", "asked"), [("supplier", False), ("person", False), ("technical", True)])
def test_what_is_needed_only_as_a_supplier_person_or_place_writes_no_logs(county: Path, kind: str, asked: bool) -> None:
    put(county, "continuity/services/emr.yaml", f"{SERVICE}depends_on: [{{id: other, kind: {kind}}}]\n")
    put(county, "continuity/services/other.yaml", SERVICE.replace("emr", "other"))
    assert bool(found(county, "K72")) is asked


# --- K74 -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "late"), [(20, False), (36, False), (39, True)])
def test_what_is_stored_for_longer_than_it_may_be_is_told(county: Path, first: int, late: bool) -> None:
    store(county, at(first), at(0))
    problems = found(county, "K74")
    assert [one.facts["first"] for one in problems] == ([date(2026, 11, 10) - timedelta(days=first)] if late else [])


def test_a_store_that_cannot_be_read_does_not_end_the_check(county: Path) -> None:
    put(county, f".kyber/{FILE}", "not a database")
    assert found(county, "K74") == []
