"""The services, plans and exercises that `kyber init` lays out, read on their own day: their days do not move."""

import re
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Final

import pytest

from kyber.cli.init import EXAMPLE
from kyber.continuity.register import ContinuityRegister
from kyber.continuity.steps import Step, reached, stands
from kyber.join import check_workspace, read_workspace
from kyber.problem import Problem, Severity

DAY: Final = date(2026, 11, 22)


@pytest.fixture(scope="module")
def register() -> ContinuityRegister:
    return read_workspace(EXAMPLE, DAY)[0].continuity


@pytest.fixture(scope="module")
def checked() -> tuple[Problem, ...]:
    return tuple(one for one in check_workspace(EXAMPLE, DAY).left if "K40" <= one.code <= "K59" or one.code == "K72")


def test_there_is_enough_to_learn_from(register: ContinuityRegister) -> None:
    assert len(register.services) >= 12
    assert sum(len(one.depends_on) for one in register.services) >= 20
    assert {need.kind for one in register.services for need in one.depends_on} == {
        "technical", "supplier", "person", "premises", "data",
    }  # fmt: skip
    assert {one.criticality for one in register.services} == {1, 2, 3, 4}
    assert {one.type for one in register.plans} == {
        "continuity", "recovery", "preparedness", "communication", "incident",
    }  # fmt: skip
    assert len(register.plans) == 6
    assert len(register.exercises) == 5
    assert {one.result for one in register.exercises} == {"passed", "partial", "failed", None}
    assert register.graph.circles == ()


def test_it_has_no_error_and_something_to_learn_from_of_many_kinds(checked: tuple[Problem, ...]) -> None:
    assert {one.severity for one in checked} == {Severity.WARNING}
    assert set(Counter(one.code for one in checked)) == {
        "K40", "K42", "K43", "K44", "K45", "K46", "K47", "K48", "K50", "K51", "K53", "K54", "K72",
    }  # fmt: skip


def test_a_comment_in_the_file_says_of_each_why_it_is_there(checked: tuple[Problem, ...]) -> None:
    for one in checked:
        text = Path(one.place.file).read_text(encoding="utf-8")
        assert re.search(rf"^# {one.code}: ", text, re.MULTILINE), (one.code, one.place.file)


def test_services_stand_at_every_step(register: ContinuityRegister) -> None:
    found = stands(register)
    assert {one.step for one in found} >= {Step.ANALYSIS, Step.PLAN, Step.MEASURED, None}
    counts = list(reached(found).values())
    assert counts == sorted(counts, reverse=True)
