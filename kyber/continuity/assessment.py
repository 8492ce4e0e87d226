"""An assessment of the current state, and what is asked in it: `assessments/` and `questionnaires/` in, records out."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import cache
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field

from kyber import amend
from kyber.amend import Edit
from kyber.errors import KyberError
from kyber.people import Owner
from kyber.problem import Place, Problem
from kyber.register import Day, Id, Part, Record, Ref, Text, off_scale, out_of_order, read, read_all

FOLDER: Final = "assessments"
GLOB: Final = f"{FOLDER}/*.yaml"
QUESTIONNAIRES: Final = "questionnaires/*.yaml"
SHIPPED: Final = Path(__file__).parent / "questionnaires" / "current-state.yaml"
"""The questionnaire that kyber brings along; its id is `kyber`."""
PREFIX: Final = "M"
"""How the ids of new assessments begin."""

Score = Annotated[int, Field(ge=0, le=5)]
Texts = Mapping[Literal["fi", "sv", "en"], Text]
"""A text by language; where one is missing, another is shown."""


class Question(Part):
    """Something that is asked."""

    id: Id
    """A stable name within the questionnaire."""
    title: Texts
    """What it is about, in two or three words."""
    ask: Texts
    """The question."""
    levels: tuple[Texts, ...] = ()
    """What each score looks like, from 0 up."""


class Domain(Part):
    """Questions that belong together."""

    id: Id
    """A stable name within the questionnaire."""
    title: Texts
    """Its name."""
    questions: tuple[Question, ...]
    """What is asked."""


class Questionnaire(Record):
    """What is asked in an assessment."""

    id: Id
    """A stable name; `kyber` is the one that is shipped."""
    title: Texts
    """What it is called."""
    scale: Literal[3, 5] = 3
    """The highest score: 3 or 5."""
    target: Score | None = None
    """The score that is aimed at where an answer does not say."""
    domains: tuple[Domain, ...]
    """What is asked, by domain."""

    @property
    def questions(self) -> Mapping[str, Question]:
        """The questions by id, in their order."""
        return {one.id: one for domain in self.domains for one in domain.questions}


class Answer(Part):
    """What was found about one question."""

    score: Score | None = None
    """From 0 up; absent while nobody has answered, which is not the same as 0."""
    evidence: Text | None = None
    """What shows it."""
    target: Score | None = None
    """The score that is aimed at; else that of the questionnaire."""
    note: Text | None = None
    """Anything else."""


class Assessment(Record):
    """How far the organisation is, on a day."""

    id: Id
    """A stable name, such as M-001; never reused."""
    title: Text
    """What it is called."""
    on: Day
    """The day it is of."""
    by: Owner
    """The role or person that answers for it."""
    questionnaire: Annotated[Id, Ref("questionnaire")]
    """The questionnaire that was asked."""
    scale: Literal[3, 5] = 3
    """The highest score, as the questionnaire had it: 3 or 5."""
    answers: Mapping[Id, Answer] = Field(default_factory=dict)
    """What was found, by the id of the question."""

    def score(self, question: str) -> int | None:
        """The score of a question; None where nobody has answered it."""
        answer = self.answers.get(question)
        return answer.score if answer else None


class QuestionnaireError(KyberError):
    """The shipped questionnaire cannot be read: the installation is broken."""


@cache
def shipped() -> Questionnaire:
    """The questionnaire that kyber brings along. Raises QuestionnaireError."""
    made, problems = read(SHIPPED.read_bytes(), SHIPPED.name, Questionnaire)
    if made is None or problems:
        raise QuestionnaireError(f"{SHIPPED} cannot be read: {problems[0].code}")
    return made


def load(root: Path) -> tuple[tuple[Assessment, ...], tuple[Questionnaire, ...], tuple[Problem, ...]]:
    """The assessments of the workspace at `root`, the earliest first, its own questionnaires, and their problems."""
    found, problems = read_all(root, GLOB, Assessment)
    asked, more = read_all(root, QUESTIONNAIRES, Questionnaire)
    return tuple(sorted(found, key=lambda one: (one.on, one.id))), asked, (*problems, *more)


def check_assessments(found: Sequence[Assessment], own: Sequence[Questionnaire], today: date) -> Iterator[Problem]:
    """K01: a question twice. K02: an answer to none. K06: a day to come. K07: off the scale, or levels not as many."""
    for asked in own:
        yield from _check_questions(asked)
    known = {one.id: one for one in (*own, *((shipped(),) if found else ()))}
    for one in found:
        yield from out_of_order(one, ("on",), one.on, last=today)
        asked_of = known.get(one.questionnaire)
        for id_, answer in one.answers.items():
            if asked_of is not None and id_ not in asked_of.questions:
                yield Problem(one.where("answers", id_), "K02", {"id": id_, "field": "answers"})
            for field in ("score", "target"):
                value = getattr(answer, field)
                if value is not None and value > one.scale:
                    yield off_scale(one, ("answers", id_, field), value, f"≤ {one.scale}")


def _check_questions(asked: Questionnaire) -> Iterator[Problem]:
    seen: dict[str, Place] = {}
    for n, domain in enumerate(asked.domains):
        for m, question in enumerate(domain.questions):
            path = ("domains", n, "questions", m)
            place = asked.where(*path, "id")
            if (first := seen.setdefault(question.id, place)) is not place:
                yield Problem(place, "K01", {"id": question.id, "first": first})
            if question.levels and len(question.levels) != asked.scale + 1:
                facts = {"field": "levels", "value": len(question.levels), "expected": asked.scale + 1}
                yield Problem(asked.where(*path, "levels"), "K07", facts)


def begun(root: Path, used: frozenset[str], asked: Questionnaire, title: str, on: date, by: str) -> tuple[str, Edit]:
    """A new assessment without answers, and the id that it is given. Raises AmendError."""
    id_ = amend.next_id(PREFIX, used)
    fields = {"id": id_, "title": title, "on": on, "by": by, "questionnaire": asked.id, "scale": asked.scale}
    return id_, amend.new(root, FOLDER, Assessment, fields)


def answered(one: Assessment, question: str, answer: Answer) -> Edit:
    """An assessment with one more answer, or another one. Raises AmendError."""
    fields = answer.model_dump(exclude_none=True)
    return amend.amend(Path(one.at.file), Assessment, [(("answers", question), fields)])


def in_language(texts: Texts, language: str) -> str:
    """A text in a language, or as it is there."""
    return {**texts}.get(language) or next(iter(texts.values()), "–")  # type: ignore[call-overload]
