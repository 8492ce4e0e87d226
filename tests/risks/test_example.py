"""The register that `kyber init` lays out, as it lies in this repository, read on its own day: its days do not move."""

import difflib
import re
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, Final

import pytest

from kyber.action import Action
from kyber.amend import amend, slug
from kyber.cli.init import EXAMPLE
from kyber.join import check_workspace, read_workspace
from kyber.logs.sigma.rule import read_rules
from kyber.logs.sigma.shipped import shipped_rules
from kyber.problem import Severity
from kyber.register import Record
from kyber.risks.control import Control
from kyber.risks.register import RiskRegister
from kyber.risks.risk import Risk
from kyber.settings import RiskLevel
from kyber.text import catalogue
from kyber.waiver import Sifted
from tests.cli.run import kyber

DAY: Final = date(2026, 11, 22)
"""The day that the example tells of: risks/README.md in it says so."""
LATER: Final = date(2027, 11, 22)

NAMES: Final = frozenset(
    ("by", "owner", "reviewer", "approver", "assessed_by", "detections", "query", "evidence_query", "services", "id")
)
"""Fields that hold ids and queries, and no text for people."""
ENGLISH: Final = frozenset(
    re.findall(
        r"\w+",
        "a after all an and are as at backup be by control data for from has have if in incident into is it its log "
        "login may no not of or other owner password risk service that the there this to user was with workshop",
    )
)


@pytest.fixture(scope="module")
def register() -> RiskRegister:
    snapshot, problems = read_workspace(EXAMPLE, DAY)
    assert problems == ()
    return snapshot.risks


@pytest.fixture(scope="module")
def checked() -> Sifted:
    found = check_workspace(EXAMPLE, DAY)
    return Sifted(tuple(one for one in found.left if one.code < "K40"), found.waived)


def assessed(register: RiskRegister) -> Iterator[Risk]:
    return (one for one in register.risks if one.status != "preliminary")


def entries(register: RiskRegister) -> tuple[Risk | Control | Action, ...]:
    return *register.risks, *register.controls, *register.actions


def texts(value: Any) -> Iterator[str]:
    """Every text for people in what a record dumps to."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name not in NAMES:
                yield from texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from texts(inner)
    elif isinstance(value, str) and " " in value:
        yield value


# --- what there is ---------------------------------------------------------------------------------------------------


def test_the_example_has_risks_controls_and_actions_enough_to_learn_from(register: RiskRegister) -> None:
    assert len(register.risks) >= 15
    assert len(register.controls) >= 12
    assert len(register.actions) >= 12
    assert register.approvals == ()  # `kyber risks approve` makes the first


def test_its_risks_have_every_status_treatment_and_origin_and_all_levels_but_the_lowest(register: RiskRegister) -> None:
    counts = Counter(one.status for one in register.risks)
    assert (counts["preliminary"], counts["accepted"], counts["closed"]) == (3, 1, 1)
    assert set(counts) == {"preliminary", "open", "treating", "monitored", "accepted", "closed"}
    assert {one.treatment for one in assessed(register)} == {"avoid", "mitigate", "transfer", "accept"}
    assert {one.identified_in for one in register.risks} == {
        "interview", "workshop", "incident", "audit", "exercise", "log",
    }  # fmt: skip
    assert {register.level(one) for one in assessed(register)} == set(RiskLevel) - {RiskLevel.NEGLIGIBLE}


def test_workshops_left_votes_that_differ_and_four_risks_have_numbers(register: RiskRegister) -> None:
    voted = [last for one in register.risks if one.assessments and (last := one.assessments[-1]).votes]
    assert len(voted) >= 5
    assert all(len({(vote.likelihood, vote.impact) for vote in each.votes}) > 1 for each in voted)
    assert sum(one.quant is not None for one in register.risks) == 4
    assert any(one.quant and one.quant.controls for one in register.risks)


def test_a_frequency_in_numbers_lies_in_the_class_of_likelihood_that_counts_today(register: RiskRegister) -> None:
    for one in register.risks:
        if one.quant is not None and one.left is not None:
            least, most = register.scale.per_year(one.left.likelihood)
            assert least <= one.quant.frequency.p50 < most, one.id


def test_the_last_assessment_is_the_one_that_counts(register: RiskRegister) -> None:
    for one in assessed(register):
        last, left = one.assessments[-1], one.left
        assert left is not None
        assert (last.agreed.likelihood, last.agreed.impact) == (left.likelihood, left.impact), one.id
        assert (last.on, last.by) == (left.assessed_on, left.assessed_by), one.id


# --- what is to be mended --------------------------------------------------------------------------------------------


def test_on_its_own_day_it_has_no_error_and_one_thing_to_learn_from_of_each_kind(checked: Sifted) -> None:
    found = [(one.code, str(one.facts["id"]), one.severity) for one in checked.left]
    assert sorted(found) == [
        ("K14", "R-005", Severity.WARNING),
        ("K16", "R-012", Severity.WARNING),
        ("K17", "A-012", Severity.WARNING),
        ("K20", "R-011", Severity.NOTE),
        ("K30", "C-013", Severity.WARNING),
        ("K31", "C-006", Severity.WARNING),
        ("K32", "C-003", Severity.WARNING),
    ]


def test_a_comment_in_the_file_says_of_each_why_it_is_there(checked: Sifted) -> None:
    for one in checked.left:
        if one.code == "K14":  # said where the control was degraded
            (file,) = (EXAMPLE / "controls").glob(f"{one.facts['control']}-*")
        else:
            file = Path(one.place.file)
        assert re.search(rf"^ *# .*\b{one.code}\b", file.read_text(encoding="utf-8"), re.MULTILINE), one.code


def test_one_problem_is_waived_until_a_day_and_the_waiver_says_why(checked: Sifted) -> None:
    assert [(one.code, one.facts["id"]) for one in checked.waived] == [("K32", "C-011")]


def test_a_year_later_the_only_error_is_the_acceptance_that_is_over() -> None:
    errors = [one for one in check_workspace(EXAMPLE, LATER).left if one.severity is Severity.ERROR]
    assert [(one.code, one.facts["id"]) for one in errors] == [("K22", "R-007")]


# --- what it refers to -----------------------------------------------------------------------------------------------


def test_every_detection_names_a_rule_that_there_is(register: RiskRegister) -> None:
    found = read_rules([str(shipped_rules()), str(EXAMPLE / "rules")], {})
    known = {name for rule in found.refs for name in (rule.id, rule.name)}
    named = {name for one in register.risks for name in one.detections}
    assert len(named) > 15
    assert named <= known


def test_among_the_largest_risks_some_are_watched_by_rules_and_some_only_by_people(register: RiskRegister) -> None:
    above = [one for one in assessed(register) if register.is_above_appetite(one) and one.is_open]
    assert any(one.detections for one in above)
    assert any(not one.detections for one in above)


def test_every_query_finds_something_in_the_logs_of_the_example(register: RiskRegister) -> None:
    queries = [each.query for one in register.risks for each in one.indicators]
    queries += [one.evidence_query for one in register.controls if one.evidence_query]
    assert len(queries) > 4
    for query in queries:
        result = kyber("search", query, "--path", EXAMPLE / "logs", "--count")
        assert int(result.stdout) > 0, query


def test_every_service_of_a_risk_is_one_that_a_log_source_tells_of(register: RiskRegister) -> None:
    snapshot, _ = read_workspace(EXAMPLE, DAY)
    known = {service for source in snapshot.sources for service in source.services}
    assert {service for one in register.risks for service in one.services} == known


def test_every_category_is_a_dimension_with_an_appetite_of_its_own(register: RiskRegister) -> None:
    categories = {one.category for one in assessed(register)}
    assert categories == set(register.settings.appetite)
    assert all(f"risks.dimension.{name}" in catalogue("fi", "risks") for name in categories)


def test_every_action_is_asked_for_by_a_risk(register: RiskRegister) -> None:
    assert {one.id for one in register.actions} == {id_ for one in register.risks for id_ in one.actions}


# --- how it is written -----------------------------------------------------------------------------------------------


def test_file_names_begin_with_ids_as_the_tool_gives_them(register: RiskRegister) -> None:
    for one in entries(register):
        assert Path(one.at.file).name == f"{one.id}-{slug(one.title)}.yaml"


def test_cause_event_and_consequence_are_whole_clauses(register: RiskRegister) -> None:
    for one in assessed(register):
        assert one.statement is not None
        for part in (one.statement.cause, one.statement.event, one.statement.consequence):
            assert re.fullmatch(r"[A-ZÅÄÖ].{40,}\.", part), (one.id, part)


def test_the_texts_are_finnish(register: RiskRegister) -> None:
    words = 0
    for one in entries(register):
        for text in texts(one.model_dump()):
            found = re.findall(r"[^\W\d_]+", text.casefold())
            assert ENGLISH.isdisjoint(found), (one.id, text)
            words += len(found)
    assert words > 1500


@pytest.mark.parametrize(("folder", "model"), [("risks", Risk), ("controls", Control), ("actions", Action)])
def test_an_edit_by_the_tool_changes_one_line_of_each_file(folder: str, model: type[Record]) -> None:
    for file in (EXAMPLE / folder).glob("*.yaml"):
        before = file.read_text(encoding="utf-8")
        after = amend(file, model, [(("title",), "Toinen otsikko")]).text
        changed = [line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line[0] in "+-"]
        assert len(changed) == 2, file.name
