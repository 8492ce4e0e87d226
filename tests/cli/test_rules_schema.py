"""`kyber rules schema`: what is valid, what is not, and where it is written."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kyber.logs import rule_schema as keys
from kyber.logs.rule_schema import schema_of_rules, schema_of_tests
from kyber.logs.rule_tests import AWAITED_KEYS, INPUT_KEYS, KEYS
from kyber.logs.sigma.rule import rule_files
from kyber.logs.sigma.shipped import shipped_rules
from kyber.yamltext import load
from tests.cli.run import kyber
from tests.data import unpacked
from tests.json_schema import wrong

EXAMPLE = Path(__file__).parent.parent.parent / "kyber" / "example" / "rules"
RULE = """
title: A rule
id: 5a3c1f0e-6c1a-4b0e-9d55-0c6f3b0f1d11
logsource: {product: linux}
detection:
  selection: {message|contains: words}
  condition: selection
level: high
kyber:
  family: access
"""
CORRELATION = """
title: Many
correlation:
  type: event_count
  rules: [a_rule]
  group-by: [source.ip]
  timespan: 15m
  condition: {gte: 10}
"""
FILTER = """
title: Known
logsource: {product: linux}
filter:
  rules: [a_rule]
  selection: {user: backup}
  condition: selection
kyber:
  owner: ciso
  expires: 2026-12-31
  must_fire: [{user: root}]
"""
TESTS = """
tests:
  - name: words
    origin: constructed
    source: nowhere
    input: {format: syslog}
    lines: ['words']
    expect: match
"""


def documents(text: str | bytes, name: str = "") -> list[Any]:
    return [one for one in load(text.encode() if isinstance(text, str) else text, name) if one is not None]


def problems(files: list[Path], schema: dict[str, Any]) -> Iterator[str]:
    for file in files:
        for one in documents(file.read_bytes(), str(file)):
            yield from (f"{file.name} {problem}" for problem in wrong(schema, one))


def test_every_shipped_rule_and_its_tests_are_valid() -> None:
    rules = rule_files([str(shipped_rules()), str(EXAMPLE)])[0]
    tests = sorted(shipped_rules().rglob("*.tests.yaml"))
    assert len(rules) > 30
    assert len(tests) > 30
    assert list(problems(rules, schema_of_rules())) == []
    assert list(problems(tests, schema_of_tests())) == []


def test_every_rule_of_sigmahq_is_valid() -> None:
    rules = rule_files([str(unpacked("sigma-rules.tar.gz"))])[0]
    assert len(rules) > 3_000
    assert list(problems(rules, schema_of_rules())) == []


@pytest.mark.parametrize("text", [RULE, CORRELATION, FILTER])
def test_a_rule_a_correlation_and_a_filter_are_valid(text: str) -> None:
    assert list(wrong(schema_of_rules(), documents(text)[0])) == []


@pytest.mark.parametrize(
    ("text", "old", "new", "where"),
    [
        (RULE, "title: A rule", "titel: A rule", ".title: required"),
        (RULE, "level: high", "level: grave", ".level: enum"),
        (RULE, "message|contains", "message|contians", ".detection.selection: anyOf"),
        (RULE, "family: access", "family: use", ".kyber.family: enum"),
        (RULE, "family: access", "familiy: access", ".kyber.familiy: additionalProperties"),
        (RULE, "  condition: selection\n", "", ".detection.condition: required"),
        (RULE, "logsource: {product: linux}", "", ".: anyOf"),
        (RULE, "selection: {message|contains: words}", "selection: {}", ".detection.selection: anyOf"),
        (CORRELATION, "15m", "15 minutes", ".correlation.timespan: pattern"),
        (CORRELATION, "gte: 10", "atleast: 10", ".correlation.condition: anyOf"),
        (CORRELATION, "  condition: {gte: 10}\n", "", ".correlation.condition: required"),
        (CORRELATION, "event_count", "value_count", ".correlation: anyOf"),
        (CORRELATION, "group-by", "group_by", ".correlation.group_by: additionalProperties"),
        (FILTER, "  rules: [a_rule]\n", "", ".filter.rules: required"),
        (FILTER, "2026-12-31", "31.12.2026", ".kyber.expires: pattern"),
    ],
)
def test_a_slip_in_a_rule_is_marked(text: str, old: str, new: str, where: str) -> None:
    assert text.count(old) == 1
    assert where in list(wrong(schema_of_rules(), documents(text.replace(old, new))[0]))


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("expect: match", "expect: hit", ".tests[0].expect: anyOf"),
        ("expect: match", "expect: 0", ".tests[0].expect: anyOf"),
        ("origin: constructed", "origin: invented", ".tests[0].origin: enum"),
        ("lines:", "line:", ".tests[0]: oneOf"),
        ("format: syslog", "format: sylog", ".tests[0].input.format: enum"),
    ],
)
def test_a_slip_in_a_test_is_marked(old: str, new: str, where: str) -> None:
    assert list(wrong(schema_of_tests(), documents(TESTS)[0])) == []
    assert where in list(wrong(schema_of_tests(), documents(TESTS.replace(old, new))[0]))


def test_the_schema_of_tests_has_the_keys_that_are_read_and_no_others() -> None:
    assert (set(keys.TEST), set(keys.INPUT), set(keys.AWAITED)) == (set(KEYS), set(INPUT_KEYS), set(AWAITED_KEYS))


def test_the_schemas_are_shown_outside_a_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert json.loads(kyber("rules", "schema").stdout) == schema_of_rules()
    assert json.loads(kyber("rules", "schema", "--tests").stdout) == schema_of_tests()
    assert kyber("rules", "schema", "--write").exit_code == 2


def test_both_are_written_into_the_workspace_with_the_line_for_the_editor(county: Path) -> None:
    result = kyber("rules", "schema", "--write", "--workspace", county)
    assert result.exit_code == 0, result.output
    written = {file.name: json.loads(file.read_text()) for file in (county / ".kyber" / "schemas").glob("rule*.json")}
    assert written == {"rule.schema.json": schema_of_rules(), "rule-tests.schema.json": schema_of_tests()}
    shown = result.stdout[result.stdout.index("{") : result.stdout.rindex("}") + 1]
    assert json.loads(shown)["yaml.schemas"] == {
        ".kyber/schemas/rule.schema.json": "rules/**/*.yml",
        ".kyber/schemas/rule-tests.schema.json": "rules/**/*.tests.yaml",
    }
