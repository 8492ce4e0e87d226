"""SigmaHQ's whole set: every rule is run or says why it cannot be, and its condition means what pySigma reads."""

import random
from collections import Counter
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from kyber.logs.sigma.condition import parse
from kyber.logs.sigma.plan import plan
from kyber.logs.sigma.predicate import leaves
from kyber.logs.sigma.rule import RuleSet, read_rules, rule_files
from tests.data import unpacked

from .test_condition import holds, named

pytest.importorskip("sigma", reason="pySigma is not installed")

FEWEST = 3_700
"""Rules that the set holds at least, so that an empty folder proves nothing."""


@cache
def corpus() -> RuleSet:
    return read_rules([str(unpacked("sigma-rules.tar.gz"))], {})


@cache
def documents() -> Mapping[str, dict[str, Any]]:
    """Each rule of the set by its file."""
    files, _ = rule_files([str(unpacked("sigma-rules.tar.gz"))])
    return {str(file): yaml.load(file.read_bytes(), yaml.CSafeLoader) for file in files}


def test_every_file_is_a_rule_that_runs_or_that_cannot_and_says_why() -> None:
    ruleset = corpus()
    paths = [one.ref.path for one in (*ruleset.rules, *ruleset.unable)]
    assert len(paths) > FEWEST
    assert sorted(paths) == sorted(documents())
    assert ruleset.problems == ()


def test_the_only_reason_not_to_run_is_a_placeholder_that_nobody_filled() -> None:
    assert Counter(one.reason for one in corpus().unable) == {"placeholder": len(corpus().unable)}
    for one in corpus().unable:
        assert f"%{one.facts['name']}%" in Path(one.ref.path).read_text(encoding="utf-8")


def test_with_lists_for_the_placeholders_every_rule_runs() -> None:
    paths = [one.ref.path for one in corpus().unable]
    lists: dict[str, list[str]] = {}
    while (ruleset := read_rules(paths, lists)).unable:
        missing = {str(one.facts["name"]) for one in ruleset.unable}
        assert missing.isdisjoint(lists)
        lists.update({name: ["x", "y*"] for name in missing})
    assert (len(ruleset.rules), ruleset.problems) == (len(paths), ())


def test_every_rule_is_in_the_plan_once() -> None:
    planned = plan(corpus().rules)
    assert planned.rules == len(corpus().rules)
    assert {one.rule.ref.id for rules in planned.routes.values() for one in rules} == {
        rule.ref.id for rule in corpus().rules
    }


def test_a_rule_asks_of_the_fields_that_its_detection_names_and_of_no_others() -> None:
    def fields(value: Any) -> set[str]:
        if isinstance(value, dict):
            return {key.partition("|")[0] for key in map(str, value)}
        return {name for one in value for name in fields(one)} if isinstance(value, list) else {""}

    for rule in corpus().rules:
        detection = documents()[rule.ref.path]["detection"]
        written = {
            name for key, body in detection.items() if key not in ("condition", "timeframe") for name in fields(body)
        }
        asked = {leaf.field for leaf in leaves(rule.condition)}
        assert asked <= written, rule.ref.path
        if detection["condition"] in ("selection", "all of them", "1 of them"):
            assert asked == written, rule.ref.path


def test_conditions_hold_for_the_same_selections_as_pysigma_says() -> None:
    from sigma.conditions import ConditionAND, ConditionNOT, ConditionOR
    from sigma.rule import SigmaRule

    def theirs(item: Any, truth: Mapping[str, bool]) -> bool:
        if isinstance(item, ConditionAND):
            return all(theirs(one, truth) for one in item.args)
        if isinstance(item, ConditionOR):
            return any(theirs(one, truth) for one in item.args)
        return not theirs(item.args[0], truth) if isinstance(item, ConditionNOT) else truth[str(item.value)]

    distinct: set[tuple[str, tuple[str, ...]]] = set()
    for document in documents().values():
        detection = document["detection"]
        names = tuple(name for name in detection if name not in ("condition", "timeframe"))
        given = detection["condition"]
        distinct.update((one, names) for one in (given if isinstance(given, list) else [given]))
    assert len(distinct) > 500
    choose = random.Random(17)
    for condition, names in sorted(distinct):
        selections = {name: {"field": name} for name in names}
        rule = SigmaRule.from_dict(
            {"title": "t", "logsource": {"product": "p"}, "detection": {**selections, "condition": condition}}
        )
        parsed = rule.detection.parsed_condition[0].parsed
        tree = parse(condition, named(*names))
        for likely in (0.2, 0.5, 0.8, 0.95):
            for _ in range(8):
                truth = {name: choose.random() < likely for name in names}
                assert holds(tree, truth) == theirs(parsed, truth), (condition, truth)
