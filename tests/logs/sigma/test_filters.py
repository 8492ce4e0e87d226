"""The corpus of filters: rules, events, and what is found and hidden; each case pins a sentence of docs/sigma.md.

`filters/*.yaml` hold the cases. Each sentence in the list of the section Filters is pinned by at least one.
"""

import pickle
import re
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, date, datetime
from itertools import chain
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
import yaml

from kyber.finding import ScanResult
from kyber.logs.batch import LogSource
from kyber.logs.inputs import inputs
from kyber.logs.parse import Job
from kyber.logs.scan import scan
from kyber.logs.sigma.rule import RuleSet, read_rules

Case = Mapping[str, Any]
NOW: Final = datetime(2026, 3, 15, tzinfo=UTC)
HERE: Final = Path(__file__).parent
CASES: Final = [one for file in sorted((HERE / "filters").glob("*.yaml")) for one in yaml.safe_load(file.read_bytes())]
DOCUMENT: Final = HERE.parents[2] / "docs" / "sigma.md"


def ruleset(case: Case, folder: Path) -> RuleSet:
    """The case's rules, from a file."""
    file = folder / "rules.yml"
    file.write_text(case["rules"], encoding="utf-8")
    return read_rules([str(file)], case.get("lists", {}), case.get("today", NOW.date()))


def scanned(case: Case, rules: RuleSet, folder: Path, *, together: bool = True) -> ScanResult:
    """The case's events, scanned; from one file, or each from its own."""
    texts = [orjson.dumps(event) + b"\n" for event in case["events"]]
    files = []
    for number, text in enumerate([b"".join(texts)] if together else texts):
        files.append(folder / f"events-{number}.jsonl")
        files[-1].write_bytes(text)
    found, problems = inputs([str(file) for file in files], NOW)
    assert not problems
    logsource = LogSource(**case.get("logsource", {"product": "test"}))
    job = Job(source="", inputs=found, zone=UTC, format="json", logsource=logsource)
    return scan([job], rules, NOW)


def found(result: ScanResult) -> dict[str, int]:
    """Rule -> the number of its events."""
    counts: Counter[str] = Counter()
    for one in result.findings:
        counts[one.rule.id] += one.count
    return dict(counts)


@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "one by one"])
@pytest.mark.parametrize("case", CASES, ids=[one["case"] for one in CASES])
def test_filters_do_what_is_written(case: Case, together: bool, tmp_path: Path) -> None:
    rules = ruleset(case, tmp_path)
    result = scanned(case, rules, tmp_path, together=together)
    assert found(result) == {rule: len(events) for rule, events in case["expected"].items()}
    assert {one.filter.id: dict(one.rules) for one in result.hidden} == case["hidden"]
    said = [f"{one.code}:{one.place.line}" for one in result.problems if one.code.startswith("R")]
    assert said == case.get("problems", [])
    left = {**case, "events": [case["events"][at] for at in sorted({*chain.from_iterable(case["expected"].values())})]}
    if left["events"]:
        assert {rule: found(scanned(left, rules, tmp_path)).get(rule, 0) for rule in found(result)} == found(result)


def test_every_case_pins_a_sentence_and_every_sentence_is_pinned() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    section = text.split("\n## Filters\n", 1)[1].split("\n## ", 1)[0]
    sentences = {
        sentence.strip()
        for item in re.findall(r"^- (.+?)(?=^- |^$)", section, re.MULTILINE | re.DOTALL)
        for sentence in re.split(r"(?<=\.)\s+(?=[A-Z`])", " ".join(item.split()))
    }
    assert {one["pins"] for one in CASES} == sentences
    assert len(CASES) >= 25
    assert len({one["case"] for one in CASES}) == len(CASES)


def test_no_case_is_found_alike_without_its_filters_unless_they_hid_nothing(tmp_path: Path) -> None:
    same = []
    for case in CASES:
        rules = ruleset(case, tmp_path)
        result = scanned(case, rules, tmp_path)
        bare = scanned(case, RuleSet(rules.rules, rules.unable, (), (), rules.correlations), tmp_path)
        hid = sum(one.count for one in result.hidden)
        if (found(bare) == found(result)) is not (hid == 0):
            same.append(case["case"])
    assert same == []


def test_a_filter_is_plain_data_with_its_owner_and_its_days(tmp_path: Path) -> None:
    text = next(one["rules"] for one in CASES if "expires: 2026-03-31" in one["rules"])
    rules = ruleset({"rules": text, "events": []}, tmp_path)
    (one,) = rules.filters
    assert (one.owner, one.expires, one.ref.title) == ("ciso", date(2026, 3, 31), "Known")
    assert pickle.loads(pickle.dumps(rules.filters)) == rules.filters


@pytest.mark.parametrize(
    ("broken", "code"),
    [
        ("filter: [a]", "R02"),
        ("filter: {rules: x, sel: {A: 1}}", "R03"),
        ("filter: {rules: {a: b}, sel: {A: 1}, condition: sel}", "R03"),
        ("filter: {rules: x, sel: {A: 1}, condition: nothing}", "R04"),
        ("filter: {rules: x, sel: {A|nearly: 1}, condition: sel}", "R05"),
        ("filter: {rules: x, sel: {A|cidr: 1}, condition: sel}", "R06"),
        ("filter: {rules: x, sel: {}, condition: sel}", "R18"),
        ("filter: {rules: x, sel: {A: 1}, condition: sel}\nkyber: {owner: [a]}", "R03"),
        ("filter: {rules: x, sel: {A: 1}, condition: sel}\nkyber: {must_fire: {A: 1}}", "R03"),
        ("filter: {rules: x, sel: {A: 1}, condition: sel}\nkyber: {must_fire: [{}]}", "R03"),
        *(
            (f"filter: {{rules: x, sel: {{A: 1}}, condition: sel}}\nkyber: {own}", "R03")
            for own in ("[expires, 2026-12-31]", "x", "", "{expire: x}", "{Expires: x}", "{must-fire: [{A: 1}]}")
        ),
    ],
)
def test_a_filter_that_cannot_be_read_is_named_by_its_line(tmp_path: Path, broken: str, code: str) -> None:
    text = f"title: T\nid: t\nlogsource: {{product: test}}\n{broken}\n"
    found = ruleset({"rules": text}, tmp_path)
    assert [one.code for one in found.problems] == [code]
    assert found.problems[0].place.line >= 4
    assert found.filters == ()
