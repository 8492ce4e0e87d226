"""What the shipped rules find in 4,000 real lines of Linux machines is what docs/examples/linux-logs.md says."""

import os
import re
from collections import Counter
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from kyber.finding import Family, ScanResult
from kyber.logs.inputs import inputs
from kyber.logs.parse import Job
from kyber.logs.scan import scan
from kyber.logs.sigma.rule import read_rules
from kyber.logs.sigma.shipped import shipped_rules

DATA: Final = Path(os.environ.get("KYBER_TEST_DATA", "")) / "linux"
PAGE: Final = Path(__file__).parent.parent / "docs" / "examples" / "linux-logs.md"
ROW: Final = re.compile(r"^\| `(\w+)` \(\w+\) \| (\w+) \| (\d+) \| (\d+) \|$", re.MULTILINE)
NOW: Final = datetime(2026, 11, 22, tzinfo=UTC)

pytestmark = pytest.mark.skipif(
    not os.environ.get("KYBER_TEST_DATA") or not DATA.is_dir(), reason="KYBER_TEST_DATA names no folder with linux/"
)


@cache
def scanned(name: str) -> ScanResult:
    found, problems = inputs([str(DATA / f"{name}_2k.log")], NOW)
    assert not problems
    return scan([Job(source="", inputs=found, zone=UTC)], read_rules([str(shipped_rules())], {}), NOW)


@pytest.mark.parametrize("name", ["Linux", "OpenSSH"])
def test_the_page_tells_how_often_each_rule_fired(name: str) -> None:
    told = {
        rule: (int(findings), int(events))
        for rule, log, findings, events in ROW.findall(PAGE.read_text())
        if log == name
    }
    rules: Counter[str] = Counter()
    events: Counter[str] = Counter()
    for one in scanned(name).findings:
        if (one.rule.name.startswith("linux_") and one.family is Family.SECURITY) or one.rule.name in told:
            rules[one.rule.name] += 1
            events[one.rule.name] += one.count
    assert told == {rule: (rules[rule], events[rule]) for rule in rules}


def test_every_line_became_an_event() -> None:
    for name in ("Linux", "OpenSSH"):
        (account,) = scanned(name).inputs
        assert (account.records, account.events) == (2000, 2000)


def test_no_address_that_guessed_got_in() -> None:
    result = scanned("OpenSSH")
    told = [one.rule.name for one in result.findings] + [one.rule.name for one in result.blind]
    assert "linux_ssh_password_guessed" not in told


def test_no_rule_of_linux_machines_fires_on_a_web_servers_log() -> None:
    assert [one.rule.name for one in scanned("Apache").findings if one.rule.name.startswith("linux_")] == []
