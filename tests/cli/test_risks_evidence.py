from json import loads
from pathlib import Path

import pytest

from tests.cli.run import kyber
from tests.risks.county import FILES, KINDS, git, lay_out

LOG = (
    "2026-11-01T08:00:00+00:00 jump sshd[4711]: Failed password for root from 192.0.2.7 port 22 ssh2\n"
    "2026-11-01T08:00:01+00:00 jump sshd[4711]: Accepted password for root from 192.0.2.7 port 22 ssh2\n"
    "2026-11-01T08:00:02+00:00 jump sshd[4711]: Connection closed by 192.0.2.7 port 22\n"
)
SOURCE = """\
id: jump
name: Jump host
purpose: To see who came
owner: chief
stored_in: here
retention: 120 months
services: [entry]
read: {paths: [logs/*.log]}
"""
RULE = """\
title: Root signed in with a password
id: 5a3c1f0e-6c1a-4b0e-9d55-0c6f3b0f1d12
name: root_signed_in
status: test
logsource: {product: linux, service: sshd}
detection:
  selection: ['Accepted password for root']
  condition: selection
level: high
tags: [attack.t1078]
kyber: {family: security}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One risk that the rule sees, one that nothing watches, and a scan of three lines."""
    text = FILES[KINDS["risk"]]
    other = text.replace("R-001", "R-002").replace("A stolen account opens records", "The power fails in the hall")
    lay_out(
        tmp_path,
        {
            **FILES,
            KINDS["risk"]: f"{text}detections: [root_signed_in]\n",
            "risks/R-002-power.yaml": other,
            "sources/jump.yaml": SOURCE,
            "rules/root.yml": RULE,
            "logs/auth.log": LOG,
        },
    )
    monkeypatch.chdir(tmp_path)
    assert kyber("scan").exit_code == 0
    return tmp_path


def found() -> dict[str, dict[str, object]]:
    return {one["id"]: one for one in map(loads, kyber("risks", "evidence", "--json").output.splitlines())}


def test_what_a_scan_kept_is_held_against_the_risks(here: Path) -> None:
    seen, unseen = found()["R-001"], found()["R-002"]
    assert (seen["watch"], seen["days"], seen["by_month"]) == ("seen", 1, {"2026-11": 1})
    assert [one["title"] for one in seen["rules"]] == ["Root signed in with a password"]  # type: ignore[attr-defined]
    assert seen["per_year"]["p5"] > 0  # type: ignore[index]
    assert (unseen["watch"], unseen["per_year"], unseen["verdict"]) == ("unwatched", None, "unknown")


def test_the_table_says_which_of_the_largest_risks_nobody_watches(here: Path) -> None:
    shown = kyber("risks", "evidence").output
    assert "1 of the largest risks is watched by no rule: R-002" in shown
    assert "Looked at since 2026-11-01" in shown


def test_one_risk_is_shown_with_its_rules_and_months(here: Path) -> None:
    shown = kyber("risks", "evidence", "R-001").output
    assert "● Root signed in with a password" in shown
    assert "2026-11    1 █" in shown


def test_a_finding_that_was_judged_false_does_not_count(here: Path) -> None:
    git(here, "init", "-q")
    id_ = loads(kyber("findings", "list", "--json", "--rule", "root_signed_in").output.splitlines()[0])["id"]
    assert kyber("findings", "false-positive", id_, "--why", "A test", "--by", "aino").exit_code == 0
    assert (found()["R-001"]["watch"], found()["R-001"]["days"]) == ("quiet", 0)


def test_without_a_store_the_rules_are_known_and_nothing_was_seen(tmp_path: Path) -> None:
    lay_out(tmp_path)
    (line,) = kyber("risks", "evidence", "--json", "--workspace", tmp_path).output.splitlines()
    assert (loads(line)["watch"], loads(line)["days"]) == ("unwatched", 0)
