"""`kyber rules tune`: what it drafts from findings that were judged, what it refuses, and what it never writes."""

import json
import subprocess
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import Result

from kyber.cli.console import day_here
from kyber.workspace import at
from tests.cli.run import kyber
from tests.render.results import CODE

RULE = r"""
title: Encoded command
id: 5a3c1f0e-6c1a-4b0e-9d55-0c6f3b0f1d11
name: own_encoded
logsource: {product: windows, category: process_creation}
detection:
  selection:
    Image|endswith: '\powershell.exe'
    CommandLine|contains: ' -enc '
  condition: selection
level: high
"""
SOURCE = """
id: shells
name: Shells
what: Processes
purpose: To see them
families: [security]
ground: [Law]
owner: it-operations
hosts: [SRV-1]
services: []
read: {paths: ['logs/shells/*.jsonl'], format: windows}
logsource: {product: windows, category: process_creation}
stored_in: here
retention: 24 months
readers: [it-operations]
personal_data: true
expected_every: 1 h
review: {interval: 12 months, last: 2026-10-05, reviewer: security-officer}
"""
AGENT = r"C:\Program Files\Backup*\agent.exe"
POWERSHELL = r"C:\Windows\System32\powershell.exe"


def event(number: int, host: str, user: str, **fields: object) -> dict[str, object]:
    return {
        "EventID": 1,
        "Channel": "Microsoft-Windows-Sysmon/Operational",
        "UtcTime": f"2026-03-02 10:{number:02}:00.000",
        "Computer": host,
        "User": user,
        "Image": POWERSHELL,
        "CommandLine": f"powershell -enc aGk= /job {number}",
        "ProcessId": 4000 + number,
        **fields,
    }


FALSE = [event(number, f"SRV-{number % 3}", "ESIM\\svc-backup", ParentImage=AGENT) for number in range(6)]
TRUE = [
    event(20, "SRV-1", "ESIM\\mallory", ParentImage=r"C:\Windows\explorer.exe"),
    event(
        21, "SRV-9", "ESIM\\svc-backup", ParentImage=r"C:\Users\Public\agent.exe", CommandLine="powershell -enc eA=="
    ),
]


@pytest.fixture
def here(county: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with one source and one rule of its own, in which Eero works."""
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, "/dev/null")
    for folder in ("sources", "rules"):
        for file in (county / folder).iterdir():
            file.unlink()
    (county / "sources" / "shells.yaml").write_text(SOURCE, encoding="utf-8")
    (county / "rules" / "encoded.yml").write_text(RULE, encoding="utf-8")
    subprocess.run(["git", "init", "--quiet", county], check=True, capture_output=True)
    for key, value in (("user.name", "Eero Malli"), ("user.email", "eero.malli@esimerkkila.example")):
        subprocess.run(["git", "-C", county, "config", key, value], check=True, capture_output=True)
    monkeypatch.chdir(county)
    return county


def scan(root: Path, events: Iterable[Mapping[str, object]]) -> None:
    """Log these events, and scan."""
    file = root / "logs" / "shells" / "events.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(one) + "\n" for one in events), encoding="utf-8")
    result = kyber("scan")
    assert result.exit_code == 0, result.output


def findings() -> list[dict[str, Any]]:
    result = kyber("findings", "list", "--json", "--status", "all", "--rule", "Encoded command")
    return [json.loads(line) for line in result.stdout.splitlines()]


def mark(*users_and_hosts: str) -> None:
    """Mark the findings as false positives whose user or host is named."""
    ids = [one["id"] for one in findings() if not {*one["group"].values()}.isdisjoint(users_and_hosts)]
    assert ids
    result = kyber("findings", "false-positive", *ids, "--why", "The agreed backup.")
    assert result.exit_code == 0, result.output


def judged(
    root: Path, false: Iterable[Mapping[str, object]] = FALSE, true: Iterable[Mapping[str, object]] = ()
) -> None:
    scan(root, [*false, *true])
    mark("SRV-0", "SRV-2")
    ids = [one["id"] for one in findings() if (one["group"]["host.name"], one["group"]["user.name"]) == BACKUP]
    assert kyber("findings", "false-positive", *ids, "--why", "The agreed backup.").exit_code == 0


BACKUP = ("SRV-1", "svc-backup")


def draft(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    return dict(yaml.safe_load(result.stdout))


def test_the_draft_asks_for_the_least_that_tells_false_findings_from_true_ones(here: Path) -> None:
    judged(here, FALSE, TRUE)
    result = kyber("rules", "tune", "own_encoded")
    found = draft(result)
    assert found["filter"] == {
        "rules": ["5a3c1f0e-6c1a-4b0e-9d55-0c6f3b0f1d11"],
        "selection": {"ParentImage": r"C:\Program Files\Backup\*\agent.exe"},
        "condition": "not selection",
    }
    assert found["logsource"] == {"product": "windows", "category": "process_creation"}
    assert found["description"] == "The agreed backup."
    assert found["kyber"]["owner"] == "eero.malli"
    assert found["kyber"]["expires"] == (day_here(at(here)) + timedelta(days=180)).isoformat()
    parents = {one["ParentImage"] for one in found["kyber"]["must_fire"]}
    assert parents == {r"C:\Windows\explorer.exe", r"C:\Users\Public\agent.exe"}
    assert "It would hide 6 stored events. Findings marked as false positives that it is about: 3." in result.stderr
    assert "All 2 other findings of the rule still fire." in result.stderr
    assert "Nothing was written." in result.stderr
    assert not (here / "rules" / "filters").exists()


def test_several_terms_are_taken_where_one_does_not_do(here: Path) -> None:
    others = [
        event(30, "SRV-5", "ESIM\\mallory", ParentImage=AGENT),
        event(31, "SRV-6", "ESIM\\svc-backup", ParentImage=r"C:\Windows\explorer.exe"),
    ]
    judged(here, FALSE, others)
    found = draft(kyber("rules", "tune", "own_encoded"))
    assert found["filter"]["selection"] == {
        "ParentImage": r"C:\Program Files\Backup\*\agent.exe",
        "User": r"ESIM\svc-backup",
    }


def test_what_is_written_is_read_and_hides_just_that(here: Path) -> None:
    judged(here, FALSE, TRUE)
    assert kyber("rules", "tune", "own_encoded", "--write", "--expires", "30d").exit_code == 0
    (file,) = (here / "rules" / "filters").iterdir()
    assert file.name.startswith("mf_own_encoded_")
    again = kyber("rules", "tune", findings()[0]["id"][:8], "--write", "--expires", "30d")
    assert again.exit_code == 0, again.output
    assert "R3" not in kyber("check").output
    result = kyber("scan", "logs/shells/events.jsonl", "--json")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    fired = sorted(one["group"]["host.name"] for one in lines if one.get("rule", {}).get("name") == "own_encoded")
    assert fired == ["SRV-1", "SRV-9"]
    (hidden,) = [one["hidden"] for one in lines if "hidden" in one]
    assert (hidden["count"], hidden["owner"]) == (6, "eero.malli")
    changed = kyber("rules", "tune", "own_encoded", "--write", "--expires", "31d")
    assert (changed.exit_code, "says something else" in changed.stderr) == (2, True)


def test_values_that_differ_are_joined_by_what_they_share(here: Path) -> None:
    false = [event(number, "SRV-0", "ESIM\\svc", ParentImage=rf"C:\Jobs\{number}\run.exe") for number in range(3)]
    scan(here, [*false, event(9, "SRV-1", "ESIM\\svc", ParentImage=r"D:\Jobs\4\other.exe", Image=POWERSHELL)])
    mark("SRV-0")
    selection = draft(kyber("rules", "tune", "own_encoded"))["filter"]["selection"]
    assert selection == {"host.name": "SRV-0"}
    scan(
        here,
        [*false, event(9, "SRV-0", "ESIM\\svc", ParentImage=r"D:\Jobs\4\other.exe", UtcTime="2026-03-03 10:00:00.000")],
    )
    selection = draft(kyber("rules", "tune", "own_encoded"))["filter"]["selection"]
    assert selection == {"ParentImage|startswith": "C:\\Jobs\\"}


def test_without_other_findings_it_says_that_nothing_guards_it_and_asks_for_more_than_one_thing(here: Path) -> None:
    judged(here)
    result = kyber("rules", "tune", "own_encoded")
    found = draft(result)
    assert found["filter"]["selection"] == {"Image": POWERSHELL, "ParentImage": r"C:\Program Files\Backup\*\agent.exe"}
    assert "must_fire" not in found["kyber"]
    assert "Nothing guards it" in result.stderr


def test_where_nothing_tells_them_apart_it_names_the_finding_and_drafts_nothing(here: Path) -> None:
    same = event(30, "SRV-1", "ESIM\\svc-backup", ParentImage=AGENT, UtcTime="2026-03-05 10:00:00.000")
    scan(here, [*FALSE, same])
    mark("SRV-0", "SRV-2")
    result = kyber("rules", "tune", "own_encoded", "--write")
    assert result.exit_code == 2
    others = {one["id"][:8] for one in findings() if one["group"]["host.name"] == "SRV-1"}
    assert any(f"nothing tells the false positives from finding {one}" in result.stderr for one in others)
    assert result.stdout == ""
    assert not (here / "rules" / "filters").exists()


def test_identity_codes_are_neither_asked_for_nor_listed(here: Path) -> None:
    false = [event(n, "SRV-0", "ESIM\\svc", ParentImage=rf"C:\Kela\{CODE}\run.exe") for n in range(2)]
    true = event(9, "SRV-1", "ESIM\\svc", ParentImage=r"C:\x.exe", CommandLine=f"powershell -enc eA== {CODE}")
    scan(here, [*false, true])
    mark("SRV-0")
    result = kyber("rules", "tune", "own_encoded", "--write")
    assert draft(result)["filter"]["selection"] == {"host.name": "SRV-0"}
    (file,) = (here / "rules" / "filters").iterdir()
    assert CODE not in result.output + file.read_text(encoding="utf-8")
    assert "******-****" in file.read_text(encoding="utf-8")
    assert "R3" not in kyber("check").output


def test_findings_whose_events_are_not_stored_are_judged_by_what_they_hold(here: Path) -> None:
    judged(here, FALSE, TRUE)
    for file in (here / ".kyber").iterdir():
        if file.name.startswith(("events", "store", "index")):
            subprocess.run(["rm", "-r", file], check=True)
    result = kyber("rules", "tune", "own_encoded")
    assert "have no stored events any more" in result.stderr
    assert result.exit_code == 0, result.output
    assert "must_fire" not in draft(result)["kyber"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("own_encoded",), "is marked as a false positive"),
        (("nothing such",), "no finding has an id that begins with nothing such"),
        (("own_encoded", "--expires", "yesterday"), "--expires yesterday"),
        (("own_encoded", "--expires", "2020-01-01"), "is over already"),
    ],
)
def test_what_cannot_be_drafted_ends_with_two_and_a_reason(here: Path, arguments: tuple[str, ...], told: str) -> None:
    scan(here, TRUE)
    result = kyber("rules", "tune", *arguments)
    assert (result.exit_code, told in " ".join(result.stderr.split())) == (2, True), result.stderr


def test_a_workspace_without_findings_is_told_how_to_have_some(here: Path) -> None:
    result = kyber("rules", "tune", "own_encoded")
    assert (result.exit_code, "no findings are kept here yet" in result.stderr) == (2, True)
