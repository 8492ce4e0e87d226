"""What rules say of themselves, and which of them a choice takes."""

from typing import Any

import pytest

from kyber.finding import Family
from kyber.level import Level
from kyber.logs.sigma.heading import Choice, Kind, heading
from kyber.logs.sigma.written import Written

RULE: dict[str, Any] = {
    "title": "A Rule",
    "name": "a_rule",
    "status": "test",
    "level": "high",
    "tags": ["attack.t1110.001", "cve.2021-1"],
    "logsource": {"product": "Linux", "service": "sshd"},
    "detection": {},
    "kyber": {"family": "access", "title": {"fi": "Sääntö"}},
}


def written(**changes: Any) -> Written:
    return Written("rules/a.yml", 0, {**RULE, **changes})


@pytest.mark.parametrize(
    ("choice", "taken"),
    [
        (Choice(), True),
        (Choice(families=(Family.ACCESS, Family.SECURITY)), True),
        (Choice(families=(Family.SECURITY,)), False),
        (Choice(level=Level.HIGH), True),
        (Choice(level=Level.CRITICAL), False),
        (Choice(status="test"), True),
        (Choice(status="stable"), False),
        (Choice(products=("LINUX", "windows"), services=("sshd",)), True),
        (Choice(products=("linux",), categories=("process_creation",)), False),
        (Choice(techniques=("t1110",)), True),
        (Choice(techniques=("T1110.001",)), True),
        (Choice(techniques=("T1110.003", "T111")), False),
        (Choice(tags=("cve.*",)), True),
        (Choice(tags=("cve",)), False),
        (Choice(words=("rule", "SÄÄNTÖ")), True),
        (Choice(words=("rule", "other")), False),
    ],
)
def test_a_choice_takes_what_fits_all_that_it_asks(choice: Choice, taken: bool) -> None:
    found = heading(written())
    assert found is not None
    assert choice.takes(found) is taken


def test_what_is_not_said_is_what_kyber_takes_it_for() -> None:
    found = heading(Written("a.yml", 2, {"title": " T ", "correlation": {"rules": "one"}, "level": "grave", "tags": 1}))
    assert found is not None
    assert (found.title, found.kind, found.level, found.family) == (
        "T",
        Kind.CORRELATION,
        Level.MEDIUM,
        Family.SECURITY,
    )
    assert (found.rules, found.tags, found.logsource, found.number) == (("one",), ("1",), None, 2)
    assert len(found.id) == 36


@pytest.mark.parametrize("document", [{"title": "T"}, {"detection": {}}, {"title": 1, "detection": {}}])
def test_what_is_no_rule_has_no_heading(document: dict[str, Any]) -> None:
    assert heading(Written("a.yml", 0, document)) is None


def test_a_status_that_is_not_said_counts_as_experimental() -> None:
    unsaid = heading(written(status=None))
    assert unsaid is not None
    assert Choice(status="experimental").takes(unsaid)
    assert not Choice(status="test").takes(unsaid)
