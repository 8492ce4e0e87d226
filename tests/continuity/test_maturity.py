"""The current state in numbers, its gaps as actions, and the questionnaire that is shipped."""

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from statistics import fmean
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyber.action import Action
from kyber.amend import AmendError, apply
from kyber.continuity.assessment import (
    Answer,
    Assessment,
    Questionnaire,
    answered,
    begun,
    check_assessments,
    load,
    shipped,
)
from kyber.continuity.maturity import gaps, last_before, plan, standings, unanswered, written
from kyber.register import read_all
from kyber.render.bars import Bar, Bars, svg

DAY = date(2026, 10, 13)
ASKED = Questionnaire.model_validate(
    {
        "id": "own",
        "title": {"fi": "Oma"},
        "target": 2,
        "domains": [
            {"id": "a", "title": {"fi": "A"}, "questions": [{"id": q, "title": {"fi": q}, "ask": {"fi": q}}
                                                            for q in ("a1", "a2", "a3")]},
            {"id": "b", "title": {"fi": "B"}, "questions": [{"id": "b1", "title": {"fi": "b"}, "ask": {"fi": "b"}}]},
        ],
    }
)  # fmt: skip
IDS = tuple(ASKED.questions)


def assessment(answers: Mapping[str, object], id_: str = "M-001", on: date = DAY) -> Assessment:
    return Assessment.model_validate(
        {"id": id_, "title": "x", "on": on, "by": "x", "questionnaire": "own", "answers": answers}
    )


def scored(scores: Mapping[str, int], id_: str = "M-001", on: date = DAY) -> Assessment:
    return assessment({question: {"score": score} for question, score in scores.items()}, id_, on)


SCORES = st.dictionaries(st.sampled_from(IDS), st.integers(0, 3))


def test_the_shipped_questionnaire_asks_in_three_languages_what_each_score_looks_like() -> None:
    asked = shipped()
    assert [domain.id for domain in asked.domains] == ["risks", "continuity", "logs"]
    for domain in asked.domains:
        assert 8 <= len(domain.questions) <= 10
    for question in asked.questions.values():
        assert len(question.levels) == asked.scale + 1
        for texts in (question.title, question.ask, *question.levels):
            assert set(texts) == {"fi", "sv", "en"}
            assert len(set(texts.values())) == 3
    assert list(check_assessments([], [asked], DAY)) == []


@given(SCORES)
def test_what_is_unanswered_is_counted_and_never_as_0(scores: dict[str, int]) -> None:
    one = scored(scores)
    for found in standings(ASKED, one):
        own = [scores[question.id] for question in found.domain.questions if question.id in scores]
        assert found.mean == (fmean(own) if own else None)
        assert found.answered == len(own)
        assert found.of == len(found.domain.questions)
    assert {question.id for question in unanswered(ASKED, one)} == set(IDS) - set(scores)


@given(SCORES, SCORES)
def test_change_is_of_what_both_assessments_have_answered(now: dict[str, int], before: dict[str, int]) -> None:
    for found in standings(ASKED, scored(now), scored(before)):
        both = [question.id for question in found.domain.questions if question.id in now and question.id in before]
        moved = [now[id_] - before[id_] for id_ in both]
        assert found.change == (fmean(moved) if moved else None)


@given(SCORES, st.dates(date(2024, 1, 1), date(2034, 1, 1)))
def test_a_plan_has_every_gap_once_the_largest_first_within_a_year_and_on_no_weekend(
    scores: dict[str, int], start: date
) -> None:
    found = gaps(ASKED, scored(scores), [])
    assert {gap.question.id for gap in found} == {id_ for id_, score in scores.items() if score < 2}
    steps = plan(found, ["A-007"], "cio", start)
    assert [step.gap.size for step in steps] == sorted((step.gap.size for step in steps), reverse=True)
    assert [step.id for step in steps] == [f"A-{n:03}" for n in range(8, 8 + len(steps))]
    days = [step.due for step in steps if step.due]
    assert days == sorted(days)
    assert all(day.weekday() < 5 and start < day <= start + timedelta(days=365) for day in days)


def action(status: str, origin: str, question: str = "a1") -> Action:
    return Action.model_validate(
        {"id": "A-001", "title": "x", "status": status, "origin": {"assessment": origin, "question": question}}
    )


@pytest.mark.parametrize(
    ("status", "origin", "known"),
    [
        ("planned", "M-001", True),
        ("done", "M-001", True),
        ("cancelled", "M-001", True),
        ("ongoing", "M-000", True),
        ("done", "M-000", False),
        ("cancelled", "M-000", False),
    ],
)
def test_a_question_gets_no_second_action_while_one_is_open_or_of_the_same_assessment(
    status: str, origin: str, known: bool
) -> None:
    found = gaps(ASKED, scored({"a1": 0, "a2": 0}), [action(status, origin)])
    assert [gap.action is not None for gap in found] == [known, False]


def test_an_answers_own_target_comes_before_that_of_the_questionnaire() -> None:
    one = assessment({"a1": {"score": 2, "target": 3}, "a2": {"score": 2}, "b1": {"score": 0, "target": 0}})
    assert [(gap.question.id, gap.target) for gap in gaps(ASKED, one, [])] == [("a1", 3)]
    assert [found.target for found in standings(ASKED, one)] == [fmean([3, 2, 2]), 0]


def test_the_last_assessment_is_the_latest_earlier_one_by_the_same_questionnaire() -> None:
    old = scored({}, "M-001", date(2024, 1, 1))
    last = scored({}, "M-002", date(2025, 1, 1))
    other = last.model_copy(update={"id": "M-003", "questionnaire": "kyber", "on": date(2026, 1, 1)})
    one = scored({}, "M-004", date(2026, 6, 1))
    assert last_before(one, [old, last, other, one]) is last
    assert last_before(old, [old, last, other, one]) is None


def test_answers_are_written_one_by_one_and_read_back(tmp_path: Path) -> None:
    id_, edit = begun(tmp_path, frozenset({"M-001"}), ASKED, "Oma 2026", DAY, "cio")
    assert id_ == "M-002"
    apply([edit])
    for question, answer in (("a1", Answer(score=1)), ("a2", Answer(score=0, evidence="x", target=3))):
        (one,), _, problems = load(tmp_path)
        assert problems == ()
        apply([answered(one, question, answer)])
    (one,), _, _ = load(tmp_path)
    assert one.answers == {"a1": Answer(score=1), "a2": Answer(score=0, evidence="x", target=3)}
    with pytest.raises(AmendError):
        answered(one, "a3", Answer(score=1, evidence="131052-308T"))


def test_an_action_says_where_it_comes_from(tmp_path: Path) -> None:
    one = scored({"a1": 0})
    (step,) = plan(gaps(ASKED, one, []), [], "cio", DAY)
    apply([written(tmp_path, step, one, "a1: tasolle 2", "fi")])
    (made,), problems = read_all(tmp_path, "actions/*.yaml", Action)
    assert problems == ()
    assert made.origin is not None
    assert (made.origin.assessment, made.origin.question) == ("M-001", "a1")
    assert [gap.action for gap in gaps(ASKED, one, [made])] == [made]


def test_what_does_not_hold_together_is_a_problem_and_what_does_is_none() -> None:
    bad = assessment({"nothing": {"score": 1}, "a1": {"score": 4, "target": 5}}, on=date(2027, 1, 1))
    assert sorted(each.code for each in check_assessments([bad], [ASKED], DAY)) == ["K02", "K06", "K07", "K07"]
    assert list(check_assessments([scored({"a1": 3})], [ASKED], DAY)) == []
    doubled = ASKED.model_copy(update={"domains": (*ASKED.domains, ASKED.domains[1])})
    assert [each.code for each in check_assessments([], [doubled], DAY)] == ["K01"]


@given(
    st.floats(0, 3),
    st.one_of(st.none(), st.floats(0, 3)),
    st.text(max_size=20),
)
def test_the_picture_is_a_document_whatever_is_in_it(value: float, other: float | None, name: str) -> None:
    text = svg(
        Bars(
            title=name,
            described=name,
            scale=3,
            bars=(Bar(name=name, value=value, target=other, before=other, said=name, note=name),),
            value="v",
            target="t",
            before="b",
        )
    )
    root = ElementTree.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert {each.tag.rpartition("}")[2] for each in root.iter()} <= {
        "svg", "title", "desc", "rect", "text", "line", "path"
    }  # fmt: skip
