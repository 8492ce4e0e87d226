"""The shipped rules: each says what it is and for whom, and its own tests hold on the real path from raw record on."""

import re
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest
import yaml

from kyber.cli.scan import shipped_rules
from kyber.finding import Family, ScanResult
from kyber.level import Level
from kyber.logs.formats.known import FORMATS
from kyber.logs.inputs import inputs
from kyber.logs.parse import Job
from kyber.logs.scan import scan
from kyber.logs.sigma.rule import read_rules
from kyber.render.rows import TACTICS

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

each_rule = pytest.mark.parametrize("file", RULES, ids=lambda file: file.stem)


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


def scanned(rule: Path, logs: Path, form: str | None = None) -> ScanResult:
    found, problems = inputs([str(logs)], NOW)
    assert not problems
    return scan([Job(source="", inputs=found, zone=UTC, format=form)], read_rules([str(rule)], {}), NOW)


def test_there_are_enough_rules_of_every_family() -> None:
    families = Counter(written(file)["kyber"]["family"] for file in RULES)
    assert len(RULES) >= 12
    assert set(families) == set(Family)
    assert min(families.values()) >= 3


def test_every_rule_is_read_without_a_problem_and_has_tests() -> None:
    ruleset = read_rules([str(shipped_rules())], {})
    assert (len(ruleset.rules), ruleset.unable, ruleset.problems) == (len(RULES), (), ())
    others = (
        {file for file in shipped_rules().rglob("*") if file.is_file()} - set(RULES) - {shipped_rules() / "README.md"}
    )
    assert others == {file.with_suffix(".tests.yaml") for file in RULES}


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
    assert Level.of(rule["level"])
    assert rule["falsepositives"]
    assert rule["license"] == "Apache-2.0"
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", str(rule["date"]))
    assert "|expand" not in str(rule["detection"])


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


@each_rule
def test_the_tests_of_a_rule_hold_on_the_real_path(file: Path, tmp_path: Path) -> None:
    expected: Mapping[str, int] = {"match": 1, "miss": 0}
    seen: Counter[bool] = Counter()
    looked = 0
    for test in beside(file):
        log = tmp_path / "log"
        log.write_text("".join(line + "\n" for line in test["lines"]), encoding="utf-8")
        result = scanned(file, log, test["input"]["format"])
        (account,) = result.inputs
        hits = sum(one.count for one in result.findings)
        assert hits == expected.get(test["expect"], test["expect"]), test["name"]
        assert (account.records, dict(account.rejected)) == (len(test["lines"]), {}), test["name"]
        assert account.events > 0, test["name"]
        assert hits == 0 or not result.blind, test["name"]
        looked += hits == 0 and not result.blind
        seen[hits > 0] += 1
    assert seen[True] >= 2
    assert seen[False] >= 2
    assert looked, "no miss is an event that the rule looks at"


@each_rule
def test_every_test_of_a_rule_says_where_its_records_come_from(file: Path) -> None:
    tests = beside(file)
    assert len({test["name"] for test in tests}) == len(tests)
    for test in tests:
        assert set(test) == {"name", "origin", "source", "input", "lines", "expect"}
        assert test["origin"] in ("real", "documented", "constructed")
        assert test["source"].strip()
        assert test["input"]["format"] in FORMATS
        assert test["expect"] in ("match", "miss") or test["expect"] > 1


def test_the_samples_fire_every_rule_and_leave_none_blind() -> None:
    result = scanned(shipped_rules(), ROOT / "samples")
    assert {one.rule.name for one in result.findings} == {file.stem for file in RULES}
    assert result.blind == ()
    assert result.problems == ()
