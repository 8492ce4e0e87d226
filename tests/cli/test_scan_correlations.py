"""`kyber scan` with correlations: what is shown of bursts and of silence, in every form, and kept."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.run import kyber

RULES = """\
title: A failed login
id: 00000000-0000-4000-8000-000000000001
name: failed
logsource: {product: linux, service: sshd}
detection: {sel: {message|startswith: 'Failed password for '}, condition: sel}
---
title: Many failed logins
id: 00000000-0000-4000-8000-000000000002
level: high
correlation:
  type: event_count
  rules: [failed]
  group-by: [source.ip]
  timespan: 10m
  condition: {gte: 3}
---
title: Nobody failed to log in
id: 00000000-0000-4000-8000-000000000003
correlation:
  type: event_count
  rules: [failed]
  timespan: 1h
  condition: {lt: 1}
"""
LINE = "2026-03-04T10:{:02}:00+00:00 www1 sshd[1]: Failed password for root from 203.0.113.77 port 1 ssh2\n"


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    file = tmp_path / "rules.yml"
    file.write_text(RULES, encoding="utf-8")
    return file


@pytest.fixture
def log(tmp_path: Path) -> Path:
    file = tmp_path / "auth.log"
    file.write_text("".join(map(LINE.format, range(5))), encoding="utf-8")
    return file


def found(*arguments: object) -> list[dict[str, Any]]:
    result = kyber("scan", "--json", *arguments)
    assert result.exit_code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_burst_is_told_with_its_group_its_count_and_its_condition(rules: Path, log: Path) -> None:
    (burst,) = found(log, "--rules", rules)
    assert burst["rule"]["title"] == "Many failed logins"
    assert (burst["count"], burst["group"]) == (5, {"source.ip": "203.0.113.77"})
    assert (burst["first"], burst["last"]) == ("2026-03-04T10:00:00Z", "2026-03-04T10:04:00Z")
    assert [(one["part"], one["field"], one["value"], one["pattern"]) for one in burst["evidence"]] == [
        ("10m", "event_count", "5", "gte 3"),
        ("failed", "events", "5", ""),
    ]
    assert (burst["sample"]["record"], burst["sample"]["fields"]["user.name"]) == (1, "root")
    shown = kyber("scan", log, "--rules", rules).stdout
    assert "10m: event_count = 5  ← gte 3" in shown


def test_as_of_says_when_silence_is_judged(rules: Path, log: Path) -> None:
    assert "Nobody failed to log in" not in {one["rule"]["title"] for one in found(log, "--rules", rules)}
    (silence,) = (
        one for one in found(log, "--rules", rules, "--as-of", "2026-03-04T12:00Z") if one["count"] == 0
    )  # fmt: skip
    assert (silence["last"], silence["sample"]["file"]) == ("2026-03-04T12:01:00Z", "")


def test_a_time_that_is_none_is_refused(rules: Path, log: Path) -> None:
    result = kyber("scan", log, "--rules", rules, "--as-of", "soon")
    assert result.exit_code == 2
    assert "--as-of" in result.stderr


@pytest.mark.parametrize("form", ["table", "jsonl", "csv", "ecs", "html", "sarif", "timesketch"])
def test_bursts_and_silence_are_told_in_every_form(form: str, rules: Path, log: Path) -> None:
    result = kyber("scan", log, "--rules", rules, "--as-of", "2026-03-05", "--format", form)
    assert result.exit_code == 0, result.stderr
    assert "Many failed logins" in result.stdout
    assert "Nobody failed to log in" in result.stdout
    if form == "sarif":
        results = json.loads(result.stdout)["runs"][0]["results"]
        assert sorted(len(one["locations"]) for one in results) == [0, 1]


def test_the_settings_say_how_much_is_remembered(county: Path, rules: Path, log: Path) -> None:
    settings = county / "kyber.yaml"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(text + "\ncorrelation: {occurrences: 1000}\n", encoding="utf-8")
    log.write_text("".join(map(LINE.format, (minute // 20 for minute in range(1200)))), encoding="utf-8")
    result = kyber("scan", log, "--rules", rules, "--workspace", county)
    assert "R26" in result.stdout
    (burst,) = found(log, "--rules", rules, "--workspace", county)
    assert burst["count"] == 1000


def silences(county: Path, *arguments: object) -> list[dict[str, Any]]:
    listed = found("--workspace", county, *arguments)
    return [one for one in listed if one["rule"]["name"] == "log_source_silent"]


def test_events_that_come_late_make_no_other_finding_of_a_silence(county: Path) -> None:
    first = {one["id"] for one in silences(county, "--as-of", "2026-11-09")}
    line = "2026-11-04T10:00:00.000000+02:00 varmistus1 restic[4410]: backup of ptj-tietokanta started\n"
    with (county / "logs" / "backup" / "backup.log").open("a", encoding="utf-8") as log:
        log.write(line)
    assert silences(county, "--as-of", "2026-11-09") == []
    assert {
        one["id"] for one in silences(county, "--between", "2026-11-01", "2026-12-31", "--as-of", "2026-11-10")
    } == first


def test_a_silence_is_news_once_and_kept_as_one_finding_however_many_days_it_lasts(county: Path) -> None:
    first = silences(county, "--as-of", "2026-11-06")
    assert {one["group"]["kyber.source"] for one in first} > {"mail-gateway", "linux-jump-host"}
    for day in ("2026-11-07", "2026-11-08", "2026-11-12"):
        assert {one["id"] for one in silences(county, "--as-of", day)}.isdisjoint({one["id"] for one in first})
    kept = kyber("findings", "list", "--rule", "log_source_silent", "--json", "--workspace", county)
    listed = [json.loads(line) for line in kept.stdout.splitlines()]
    assert sorted(one["group"]["kyber.source"] for one in listed) == sorted(
        {one["group"]["kyber.source"] for one in listed}
    )
    (mail,) = [one for one in listed if one["group"]["kyber.source"] == "mail-gateway"]
    assert (mail["first"], mail["last"]) == ("2026-11-03T07:30:10.003001Z", "2026-11-12T22:00:00Z")
    shown = kyber("findings", "show", first[0]["id"], "--workspace", county)
    assert "event_count = 0" in shown.stdout
    assert "last event = 2026-11-0" in shown.stdout
    assert first[0]["group"]["kyber.source"] in shown.stdout
