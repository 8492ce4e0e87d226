"""`kyber rules backtest`: what it shows, what it refuses, and that it leaves everything as it was."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.cli.run import kyber

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "samples"
RULE = """\
title: Somebody logged in
id: 00000000-0000-4000-8000-0000000000aa
name: somebody
level: low
logsource: {product: linux, service: sshd}
detection: {sel: {message|startswith: 'Accepted '}, condition: sel}
"""


def told(*arguments: object) -> list[dict[str, Any]]:
    result = kyber("rules", "backtest", "--json", *arguments)
    assert result.exit_code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def kept(county: Path) -> dict[str, str]:
    """Every file of a workspace with its hash."""
    files = [file for file in county.rglob("*") if file.is_file() and file.suffix not in (".sqlite-shm", ".sqlite-wal")]
    return {str(file): sha256(file.read_bytes()).hexdigest() for file in files}


def test_a_rule_that_is_nowhere_yet_is_tried_on_files(tmp_path: Path) -> None:
    file = tmp_path / "rule.yml"
    file.write_text(RULE, encoding="utf-8")
    (one,) = told(file, "--logs", SAMPLES)
    assert one["rule"]["name"] == "somebody"
    assert one["findings"] == sum(day["findings"] for day in one["days"]) > 5
    assert (one["days_covered"], one["pace"], one["blind"]) == (8, "often", None)
    assert one["busiest"]["host.name"][0]["value"]


def test_a_correlation_brings_the_rules_that_it_names(tmp_path: Path) -> None:
    file = tmp_path / "own.yml"
    shipped = (ROOT / "rules" / "security" / "linux_ssh_password_guessing.yml").read_text(encoding="utf-8")
    file.write_text(shipped, encoding="utf-8")
    (one,) = told(file, "--logs", SAMPLES)
    assert (one["rule"]["path"], one["findings"], one["events"]) == (str(file), 1, 12)


def test_it_shows_how_often_when_and_who(tmp_path: Path) -> None:
    shown = kyber("rules", "backtest", "linux_ssh_login_failed", "linux_clock_stepped", "--logs", SAMPLES).stdout
    assert "fires on 8 of 8 days" in shown
    assert "2026-03-01 ▂" in shown
    assert "most on 2026-03-05" in shown
    assert "host.name: www1" in shown
    assert "It looked and never fired." in shown
    assert "Nothing of this was kept." in shown


def test_of_less_than_three_days_it_is_not_told_how_often(tmp_path: Path) -> None:
    line = "2026-03-0{}T10:00:00+00:00 www1 sshd[1]: Accepted password for aino from 203.0.113.77 port 1 ssh2\n"
    (tmp_path / "rule.yml").write_text(RULE, encoding="utf-8")
    for days, pace, weekly in ((1, "too-few-days", None), (2, "too-few-days", None), (3, "often", 7.0)):
        log = tmp_path / "auth.log"
        log.write_text("".join(line.format(day) for day in range(1, days + 1)), encoding="utf-8")
        (one,) = told(tmp_path / "rule.yml", "--logs", log)
        assert (one["days_covered"], one["pace"], one["weekly"]) == (days, pace, weekly)
        shown = kyber("rules", "backtest", tmp_path / "rule.yml", "--logs", log).stdout
        assert ("too few days to tell how often" in shown, "a week" in shown) == (days < 3, days >= 3)


def test_identity_codes_are_masked(tmp_path: Path) -> None:
    code = "131052-308T"
    log = tmp_path / "auth.log"
    log.write_text(
        f"2026-03-04T10:00:00+00:00 www1 sshd[1]: Accepted password for {code} from 203.0.113.77 port 1 ssh2\n"
    )
    file = tmp_path / "rule.yml"
    file.write_text(RULE, encoding="utf-8")
    for form in ((), ("--json",)):
        result = kyber("rules", "backtest", file, "--logs", log, *form)
        assert result.exit_code == 0
        assert "user.name" in result.stdout
        assert code not in result.stdout


def test_what_is_stored_is_looked_at_and_nothing_is_written(county: Path) -> None:
    kyber("scan", "--workspace", county)
    before = kept(county)
    guessing, silent = told("linux_ssh_password_guessing", "log_source_silent", "--workspace", county)
    assert (guessing["findings"], guessing["days_fired"]) == (1, 1)
    assert silent["silence"] is True
    assert silent["findings"] == 5
    assert kept(county) == before


def test_a_period_may_be_chosen(county: Path) -> None:
    kyber("logs", "collect", "--workspace", county)
    (one,) = told("linux_backup_failed", "--workspace", county, "--between", "2026-11-03", "2026-11-03")
    assert [day["day"] for day in one["days"]] == ["2026-11-02"]  # whole UTC days: the night belongs to the day before
    (none,) = told("linux_backup_failed", "--workspace", county, "--since", "2026-11-05")
    assert (none["findings"], none["days_covered"]) == (0, 0)


def test_what_filters_would_hide_is_told(county: Path) -> None:
    (county / "rules" / "filter.yml").write_text(
        "title: That address\nid: 00000000-0000-4000-8000-0000000000ab\nlogsource: {product: linux}\n"
        "filter:\n  rules: [linux_ssh_login_failed]\n  sel: {source.ip: 203.0.113.77}\n  condition: sel\n",
        encoding="utf-8",
    )
    kyber("logs", "collect", "--workspace", county)
    (one,) = told("linux_ssh_password_guessing", "--workspace", county)
    assert (one["findings"], one["hidden"][0]["title"], one["hidden"][0]["events"]) == (0, "That address", 12)
    shown = kyber("rules", "backtest", "linux_ssh_password_guessing", "--workspace", county).stdout
    assert "the filter 'That address' hides 12 more events" in shown


def test_the_words_are_those_of_the_workspace(county: Path) -> None:
    settings = county / "kyber.yaml"
    text = settings.read_text(encoding="utf-8")
    for language, words in (("fi", "osuu 1 päivänä"), ("sv", "slår till 1 av")):
        settings.write_text(text.replace("language: en", f"language: {language}"), encoding="utf-8")
        kyber("logs", "collect", "--workspace", county)
        shown = kyber("rules", "backtest", "linux_ssh_password_guessing", "backup_missing", "--workspace", county)
        assert words in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["no_such_rule", "--logs", str(SAMPLES)], 2, "no rule 'no_such_rule'"),
        (["linux_disk_full", "--logs", str(SAMPLES), "--since", "7d"], 2, "read whole"),
        (["linux_disk_full", "--since", "7d", "--between", "2026-03-01", "2026-03-02"], 2, "two periods"),
        (["linux_disk_full", "--logs", "nowhere-at-all"], 3, "nothing to read"),
        (["linux_disk_full", "--logs", str(SAMPLES), "--input", "odd"], 2, "no format 'odd'"),
    ],
)
def test_what_cannot_be_is_refused(arguments: list[str], code: int, said: str) -> None:
    result = kyber("rules", "backtest", *arguments)
    assert (result.exit_code, said in result.stderr) == (code, True), result.stderr


def test_without_a_workspace_files_have_to_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = kyber("rules", "backtest", "linux_disk_full")
    assert result.exit_code == 2
    assert "--logs" in result.stderr


def test_a_file_that_holds_no_rule_is_told_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "broken.yml"
    file.write_text("title: [\n", encoding="utf-8")
    result = kyber("rules", "backtest", file, "--logs", SAMPLES)
    assert result.exit_code == 2
    assert f"{file}:" in result.stderr


def test_nothing_stored_is_nothing_read(county: Path) -> None:
    result = kyber("rules", "backtest", "linux_disk_full", "--workspace", county)
    assert (result.exit_code, "nothing is stored yet" in result.stderr) == (3, True)
