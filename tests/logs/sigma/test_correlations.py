"""The corpus of correlations: rules, events and the findings they give, each case naming the sentence that it pins."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
import yaml

from kyber.finding import Finding, ScanResult
from kyber.logs.batch import LogSource
from kyber.logs.inputs import inputs
from kyber.logs.parse import Job
from kyber.logs.scan import scan
from kyber.logs.sigma.asking import Asking, Awaited
from kyber.logs.sigma.occurrences import LIMIT
from kyber.logs.sigma.rule import RuleSet, read_rules

HERE: Final = Path(__file__).parent
DOCUMENT: Final = HERE.parents[2] / "docs" / "sigma.md"
START: Final = datetime(2026, 1, 1, tzinfo=UTC)
NOW: Final = datetime(2027, 6, 1, tzinfo=UTC)
Case = Mapping[str, Any]

CASES: Final[Sequence[Case]] = [
    case
    for file in sorted((HERE / "correlations").glob("*.yaml"))
    for case in yaml.safe_load(file.read_text(encoding="utf-8"))
]


def plain(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def section() -> str:
    """What the document says of correlations, and of why a rule is blind."""
    text = DOCUMENT.read_text(encoding="utf-8")
    found = [
        re.search(rf"^## {name}$(.*?)^## ", text, re.MULTILINE | re.DOTALL) for name in ("Correlations", "Blind rules")
    ]
    assert all(found)
    return plain(" ".join(one[1] for one in found if one))


def at(seconds: float) -> datetime:
    return START + timedelta(microseconds=round(seconds * 1_000_000))


def events_of(case: Case) -> Iterator[dict[str, Any]]:
    for one in case["events"]:
        fields = {key: value for key, value in one.items() if key not in ("at", "times", "every")}
        for number in range(one.get("times", 1)):
            if "at" in one:
                yield {"@timestamp": at(one["at"] + number * one.get("every", 0)).isoformat(), **fields}
            else:
                yield fields


def rules_of(case: Case, folder: Path) -> RuleSet:
    documents = [
        {"title": name, "id": name, "name": name, "correlation": body, **case.get("documents", {}).get(name, {})}
        for name, body in case["correlate"].items()
    ]
    file = folder / "rules.yml"
    base = (HERE / "correlations.yml").read_text(encoding="utf-8")
    file.write_text("---\n".join([base, *map(yaml.safe_dump, documents)]), encoding="utf-8")
    return read_rules([str(file)], {})


def scanned(case: Case, folder: Path) -> ScanResult:
    log = folder / "log.json"
    log.write_bytes(b"".join(orjson.dumps(one) + b"\n" for one in events_of(case)))
    found, problems = inputs([str(log)], NOW)
    assert not problems
    as_of = at(case["as_of"]) if "as_of" in case else None
    awaited = tuple(
        Awaited(
            one["source"],
            tuple(one.get("hosts", ())),
            one.get("product"),
            one["every"] * 1_000_000 if "every" in one else None,
            one.get("category"),
        )
        for one in case.get("awaited", ())
    )
    job = Job(source="made", inputs=found, zone=UTC, format="json", logsource=LogSource("test"))
    return scan([job], rules_of(case, folder), NOW, asking=Asking(as_of, awaited, case.get("limit", LIMIT)))


def told(one: Finding, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What a finding says of all that is expected of it."""
    said = {
        "rule": one.rule.name,
        "group": dict(one.group),
        "count": one.count,
        "first": one.first,
        "last": one.last,
        "value": one.evidence[0].value if one.evidence else None,
    }
    return {name: said[name] for name in wanted}


def order(one: Finding) -> tuple[str, datetime, tuple[str, ...]]:
    return one.rule.name, one.first or START, tuple(one.group.values())


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["case"]))
def test_a_case_finds_what_it_says(case: Case, tmp_path: Path) -> None:
    result = scanned(case, tmp_path)
    names = set(case["correlate"])
    others = {"fail", "ok"} if case.get("alone") else set()
    found = sorted((one for one in result.findings if one.rule.name in names | others), key=order)
    expected = [
        {**one, **{name: at(one[name]) for name in ("first", "last") if name in one}} for one in case["findings"]
    ]
    expected.sort(key=lambda one: str(one["rule"]))
    assert len(found) == len(expected), [(one.rule.name, dict(one.group), one.count, one.first) for one in found]
    assert [told(one, wanted) for one, wanted in zip(found, expected, strict=True)] == expected
    assert len({one.id for one in found}) == len(found)
    blind = {one.rule.name: one.reason for one in result.blind if one.rule.name in names}
    assert blind == case.get("blind", {})
    problems = [{"code": one.code, **one.facts} for one in result.problems if re.fullmatch(r"R2[1-8]", one.code)]
    listed = case.get("problems", [])
    if listed or not blind:
        assert len(problems) == len(listed) or "problems" not in case, problems
    for one, wanted in zip(problems, listed, strict=False):
        assert {name: one[name] for name in wanted} == wanted
    assert all(one.place.line for one in result.problems if re.fullmatch(r"R2[1-3]", one.code))


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["case"]))
def test_a_case_pins_a_sentence_of_the_document(case: Case) -> None:
    assert plain(case["pins"]) in section()


def test_there_are_enough_cases_and_each_has_a_name_of_its_own() -> None:
    assert len(CASES) >= 60
    assert len({case["case"] for case in CASES}) == len(CASES)


def test_every_rule_of_the_document_on_what_is_judged_is_pinned() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    found = re.search(r"^## Correlations$(.*?)^## ", text, re.MULTILINE | re.DOTALL)
    assert found
    bullets = [plain(one) for one in re.findall(r"^- (.*?)(?=^- |^$)", found[1], re.MULTILINE | re.DOTALL)]
    rows = [plain(one) for one in re.findall(r"^\| `\w+`.*$", found[1], re.MULTILINE)][1:]
    pins = [plain(case["pins"]) for case in CASES]
    assert len(bullets) > 20
    assert [one for one in (*bullets, *rows) if not any(pin in one for pin in pins)] == []
