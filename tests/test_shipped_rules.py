"""The shipped rules: each says what it is and for whom, and its own tests hold on the real path from raw record on."""

import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest
import yaml

from kyber.finding import Family, ScanResult
from kyber.level import Level
from kyber.logs.formats.known import FORMATS
from kyber.logs.inputs import inputs
from kyber.logs.parse import Job
from kyber.logs.rule_tests import Provenance
from kyber.logs.scan import scan
from kyber.logs.sigma.asking import Asking, Awaited
from kyber.logs.sigma.rule import RuleSet, read_rules
from kyber.logs.sigma.shipped import shipped_rules
from kyber.logs.trial import Result, try_rules
from kyber.problem import Severity
from kyber.render.rows import TACTICS
from tests.data import outside

NOW: Final = datetime(2026, 3, 9, tzinfo=UTC)
RULES: Final = sorted(file for file in shipped_rules().rglob("*.yml"))
ROOT: Final = shipped_rules().parent
OWNERS: Final = frozenset(("security-officer", "data-protection-officer", "it-operations"))
GROUNDS: Final = {
    "Tiedonhallintalaki 906/2019 13 §, 4 a luku": "reference only",
    "Tiedonhallintalaki 906/2019 17 §": "seen",
    "Asiakastietolaki 703/2023 11 §": "seen",
    "Kyberturvallisuuslaki 124/2025": "seen",
    "GDPR 33": "reference only",
    "THL määräys 3/2024": "seen",
    "EHDS 2025/327 art. 9": "seen",
}
"""What a rule may name as its ground, and how surely its words are known. To name another one, find out first."""
TECHNIQUE: Final = re.compile(r"attack\.t\d{4}(\.\d{3})?")

FOUND_IN_SAMPLES: Final = frozenset(
    (
        "backup_missing",
        "exchange_mailbox_forward",
        "linux_audit_weakened",
        "linux_backup_failed",
        "linux_cron_suspicious_job",
        "linux_database_dump_by_person",
        "linux_disk_failing",
        "linux_disk_full",
        "linux_file_system_read_only",
        "linux_identity_code_in_log",
        "linux_logging_stopped",
        "linux_out_of_memory_kill",
        "linux_service_failed",
        "linux_service_failing",
        "linux_ssh_login_accepted",
        "linux_ssh_login_first_source",
        "linux_ssh_password_guessed",
        "linux_ssh_password_guessing",
        "linux_ssh_root_password",
        "linux_sudo_not_permitted",
        "log_source_silent",
        "time_sync_missing",
        "windows_administrator_added",
        "windows_database_dump_by_person",
        "windows_event_log_cleared",
        "windows_lsass_dump_command",
        "windows_lsass_memory_read",
        "windows_powershell_download_run",
        "windows_service_crashed",
        "windows_shared_account_logon",
        "windows_unexpected_shutdown",
    )
)
"""What the invented week tells of (see rules/README.md). All else in it is ordinary work: no rule may fire on it."""
OF_EVERYTHING: Final = frozenset(("log_source_event",))
"""Rules about any event, of which nothing is a miss: they are tested with the correlations that count them."""

each_rule = pytest.mark.parametrize("file", RULES, ids=lambda file: file.stem)
each_tested_rule = pytest.mark.parametrize(
    "file", [file for file in RULES if file.stem not in OF_EVERYTHING], ids=lambda file: file.stem
)


def written(file: Path) -> dict[str, Any]:
    """A rule as its file has it."""
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert isinstance(document, dict)
    return document


def beside(file: Path) -> list[dict[str, Any]]:
    """The tests beside a rule."""
    found = yaml.safe_load(file.with_suffix(".tests.yaml").read_text(encoding="utf-8"))["tests"]
    assert isinstance(found, list)
    return found


def scanned(rule: Path, logs: Path, form: str | None = None, asking: Asking = Asking()) -> ScanResult:  # noqa: B008
    found, problems = inputs([str(logs)], NOW)
    assert not problems
    return scan([Job(source="", inputs=found, zone=UTC, format=form)], ruleset_of(rule), NOW, asking=asking)


def ruleset_of(rule: Path) -> RuleSet:
    """A folder of rules; or one rule, and of a correlation also those that it builds on."""
    if rule.is_dir() or "correlation" not in written(rule):
        return read_rules([str(rule)], {})
    every = read_rules([str(shipped_rules())], {})
    above = {one.ref.name: one for one in every.correlations}[rule.stem]
    return replace(
        every, correlations=tuple(one for one in every.correlations if one is above or one.ref.id in above.rules)
    )


@cache
def every_rule() -> RuleSet:
    return read_rules([str(shipped_rules())], {})


def tried(file: Path) -> Result:
    """What the tests beside a rule come to, as `kyber rules test` runs them."""
    tests = file.with_suffix(".tests.yaml")
    return try_rules(every_rule(), [str(file)], {str(tests): tests.read_bytes()}, NOW)


def test_there_are_enough_rules_of_every_family() -> None:
    families = Counter(written(file)["kyber"]["family"] for file in RULES)
    assert set(families) == set(Family)
    assert min(families.values()) >= 30
    assert sum("correlation" in written(file) for file in RULES) >= 12


def test_every_rule_is_read_without_a_problem_and_has_tests() -> None:
    ruleset = read_rules([str(shipped_rules())], {})
    assert (len(ruleset.rules) + len(ruleset.correlations), ruleset.unable, ruleset.problems) == (len(RULES), (), ())
    others = (
        {file for file in shipped_rules().rglob("*") if file.is_file()} - set(RULES) - {shipped_rules() / "README.md"}
    )
    assert others == {file.with_suffix(".tests.yaml") for file in RULES if file.stem not in OF_EVERYTHING}


def test_ids_names_and_titles_are_given_once() -> None:
    for key in ("id", "name", "title"):
        assert max(Counter(written(file)[key] for file in RULES).values()) == 1, key


@each_rule
def test_a_rule_says_what_it_is(file: Path) -> None:
    rule = written(file)
    assert UUID(rule["id"]).version == 4
    assert str(UUID(rule["id"])) == rule["id"]
    assert rule["name"] == file.stem
    assert rule["kyber"]["family"] == file.parent.name
    assert 10 <= len(rule["title"]) <= 100
    assert len(rule["description"]) > 60
    assert Level.of(rule["level"]) in Level
    assert rule["falsepositives"]
    assert rule["license"] == "Apache-2.0"
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", str(rule["date"]))
    assert "|expand" not in str(rule.get("detection"))


@each_rule
def test_a_rule_names_its_ground_as_surely_as_it_is_known(file: Path) -> None:
    ground = written(file)["kyber"]["ground"]
    assert GROUNDS[ground["law"]] == ground["mark"]
    assert ("words" in ground) == (ground["mark"] == "seen")
    assert set(ground) <= {"law", "words", "mark"}


@each_rule
def test_a_rule_says_in_three_languages_what_to_do_next_and_who_answers(file: Path) -> None:
    own = written(file)["kyber"]
    assert own["owner"] in OWNERS
    assert set(own["title"]) == {"fi", "sv"}
    assert set(own["next"]) == {"fi", "sv", "en"}
    assert all(len(text.strip()) > 40 for text in own["next"].values())
    assert all(text.strip() for text in own["title"].values())
    assert len({*own["next"].values(), *own["title"].values(), written(file)["title"]}) == 6


@each_rule
def test_the_tags_of_a_rule_are_tactics_and_techniques(file: Path) -> None:
    for tag in written(file).get("tags", ()):
        assert TECHNIQUE.fullmatch(tag) or tag.removeprefix("attack.") in TACTICS, tag


@each_tested_rule
def test_the_tests_of_a_rule_hold_on_the_real_path(file: Path) -> None:
    result = tried(file)
    assert result.problems == ()
    (rule,) = result.tried
    assert rule.hits >= 2
    assert rule.misses >= 2


def test_the_share_of_real_documented_and_constructed_samples_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    told = Counter(test["origin"] for file in RULES if file.stem not in OF_EVERYTHING for test in beside(file))
    with capsys.disabled():
        print("\nsamples of the shipped rules:", ", ".join(f"{told[origin]} {origin}" for origin in Provenance))
    assert sum(told.values()) >= 4 * len(RULES) - 4 * len(OF_EVERYTHING)


@each_tested_rule
def test_every_test_of_a_rule_says_where_its_records_come_from(file: Path) -> None:
    tests = beside(file)
    assert len({test["name"] for test in tests}) == len(tests)
    for test in tests:
        assert set(test) >= {"name", "origin", "source", "expect"}
        assert test["origin"] in ("real", "documented", "constructed")
        assert test["source"].strip()
        assert "lines" not in test or test["input"]["format"] in FORMATS
        assert test["expect"] in ("match", "miss") or test["expect"] > 1


def test_in_the_invented_week_fires_what_it_tells_of_and_nothing_else() -> None:
    missing = [Awaited(f"no {kind}", (f"no {kind}",), category=kind) for kind in ("source", "backup", "time_sync")]
    result = scanned(shipped_rules(), ROOT / "samples", asking=Asking(awaited=tuple(missing)))
    assert {one.rule.name for one in result.findings} == FOUND_IN_SAMPLES
    assert {one.reason for one in result.blind} <= {"no-field", "no-events", "rule-blind"}
    assert [one for one in result.problems if one.severity is not Severity.NOTE] == []


def test_no_rule_fires_on_the_ordinary_log_of_a_web_server() -> None:
    assert scanned(shipped_rules(), outside("linux/Apache_2k.log")).findings == ()


def test_a_silent_source_is_told_and_one_that_speaks_is_not(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("2026-03-04T10:14:07+02:00 www1 sshd[4711]: Connection closed by 203.0.113.77\n", encoding="utf-8")
    found, _ = inputs([str(log)], NOW)
    asking = Asking(NOW, (Awaited("web"), Awaited("mail")))
    rules = ruleset_of(next(file for file in RULES if file.stem == "log_source_silent"))
    for as_of, silent in ((NOW, ["mail", "web"]), (datetime(2026, 3, 4, 12, tzinfo=UTC), ["mail"])):
        result = scan([Job(source="web", inputs=found, zone=UTC)], rules, NOW, asking=replace(asking, as_of=as_of))
        told = [one for one in result.findings if one.rule.name == "log_source_silent"]
        assert sorted(one.group["kyber.source"] for one in told) == silent
        assert sorted(one.sources for one in told) == [(one,) for one in silent]
    assert {one.rule.name for one in scanned(shipped_rules(), log).blind} >= {"log_source_silent"}


def test_a_source_that_may_be_silent_for_longer_is_not_told_of_before(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("2026-03-04T10:14:07+02:00 www1 sshd[4711]: Connection closed by 203.0.113.77\n", encoding="utf-8")
    found, _ = inputs([str(log)], NOW)
    hours = 3_600_000_000
    rules = ruleset_of(next(file for file in RULES if file.stem == "log_source_silent"))
    for every, silent in ((24 * hours, [("web",)]), (7 * 24 * hours, [])):
        asking = Asking(NOW, (Awaited("web", every=every),))
        result = scan([Job(source="web", inputs=found, zone=UTC)], rules, NOW, asking=asking)
        assert [one.sources for one in result.findings if one.rule.name == "log_source_silent"] == silent


def test_a_registered_source_that_was_never_heard_is_told_of_whatever_its_interval() -> None:
    rules = ruleset_of(next(file for file in RULES if file.stem == "log_source_silent"))
    asking = Asking(NOW, (Awaited("weekly", every=7 * 24 * 3_600_000_000),))
    (finding,) = scan([], rules, NOW, asking=asking).findings
    assert finding.sources == ("weekly",)
    assert ("last event", "none") in {(one.field, one.value) for one in finding.evidence}
