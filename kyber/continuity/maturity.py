"""How mature each domain is, what changed, and the gaps: an assessment and its questionnaire in, numbers out.

What nobody has answered is counted as that, and never as 0.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from statistics import fmean

from kyber import action, amend
from kyber.action import OPEN, Action
from kyber.amend import Edit
from kyber.continuity.assessment import Assessment, Domain, Question, Questionnaire, in_language

YEAR = timedelta(days=365)
"""The time over which the actions of a development plan are spread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How mature a domain is. `mean` and `target` are on the scale, of the questions that have one; None: of none.

    `before` is the mean of an earlier assessment; `change` how far the mean moved, of what both have answered.
    """

    domain: Domain
    mean: float | None
    target: float | None
    before: float | None
    change: float | None
    answered: int
    of: int


def standings(asked: Questionnaire, now: Assessment, before: Assessment | None = None) -> tuple[Standing, ...]:
    """How mature every domain of a questionnaire is by an assessment, and how that changed since another."""
    return tuple(_standing(asked, domain, now, before) for domain in asked.domains)


def _standing(asked: Questionnaire, domain: Domain, now: Assessment, before: Assessment | None) -> Standing:
    ids = [one.id for one in domain.questions]
    scores = {id_: score for id_ in ids if (score := now.score(id_)) is not None}
    earlier = {id_: score for id_ in ids if before is not None and (score := before.score(id_)) is not None}
    both = scores.keys() & earlier.keys()
    targets = [target for id_ in ids if (target := target_of(asked, now, id_)) is not None]
    return Standing(
        domain=domain,
        mean=_mean(scores.values()),
        target=_mean(targets),
        before=_mean(earlier.values()),
        change=_mean([scores[id_] - earlier[id_] for id_ in both]),
        answered=len(scores),
        of=len(ids),
    )


def _mean(values: Iterable[int]) -> float | None:
    found = list(values)
    return fmean(found) if found else None


def target_of(asked: Questionnaire, one: Assessment, question: str) -> int | None:
    """The score that is aimed at: as the answer says, or else the questionnaire."""
    answer = one.answers.get(question)
    return answer.target if answer is not None and answer.target is not None else asked.target


def unanswered(asked: Questionnaire, one: Assessment) -> tuple[Question, ...]:
    """The questions that nobody has answered, in their order."""
    return tuple(question for question in asked.questions.values() if one.score(question.id) is None)


def last_before(one: Assessment, found: Sequence[Assessment]) -> Assessment | None:
    """The latest assessment by the same questionnaire that is earlier than this one."""
    earlier = [
        each
        for each in found
        if each.id != one.id and each.questionnaire == one.questionnaire and (each.on, each.id) < (one.on, one.id)
    ]
    return max(earlier, key=lambda each: (each.on, each.id), default=None)


# --- the development plan --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A question whose score is below its target."""

    question: Question
    score: int
    target: int
    action: Action | None = None
    """What was decided on it before."""

    @property
    def size(self) -> int:
        return self.target - self.score


def gaps(asked: Questionnaire, one: Assessment, actions: Sequence[Action]) -> tuple[Gap, ...]:
    """The gaps, the largest first, then the lowest score; each with the action that is there for it already.

    That is one that came of this assessment, whatever became of it, or one of an earlier one that is still open.
    """
    found = []
    for question in asked.questions.values():
        score, target = one.score(question.id), target_of(asked, one, question.id)
        if score is not None and target is not None and score < target:
            known = _known(one, question.id, actions)
            found.append(Gap(question=question, score=score, target=target, action=known))
    return tuple(sorted(found, key=lambda gap: (-gap.size, gap.score)))


def _known(one: Assessment, question: str, actions: Sequence[Action]) -> Action | None:
    for each in reversed(actions):
        origin = each.origin
        if origin is not None and origin.question == question and (origin.assessment == one.id or each.status in OPEN):
            return each
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One line of a development plan: a gap, the action for it, who does it, and by when."""

    gap: Gap
    id: str
    owner: str | None
    due: date | None
    new: bool


def plan(found: Sequence[Gap], used: Iterable[str], owner: str, start: date) -> tuple[Step, ...]:
    """The gaps as actions over a year from `start` on, the largest ones first; what is there already stays as it is."""
    taken = set(used)
    days = _spread(sum(gap.action is None for gap in found), start)
    steps = []
    for gap in found:
        if gap.action is not None:
            steps.append(Step(gap=gap, id=gap.action.id, owner=gap.action.owner, due=gap.action.due, new=False))
            continue
        id_ = amend.next_id(action.PREFIX, taken)
        taken.add(id_)
        steps.append(Step(gap=gap, id=id_, owner=owner, due=next(days), new=True))
    return tuple(steps)


def _spread(number: int, start: date) -> Iterator[date]:
    """So many days, evenly over a year; a day of a weekend becomes the Friday before it."""
    for n in range(1, number + 1):
        day = start + YEAR * n / number
        yield day - timedelta(days=max(0, day.weekday() - 4))


def written(root: Path, step: Step, one: Assessment, title: str, language: str) -> Edit:
    """A new action for a step of the plan, which says where it comes from. Raises AmendError."""
    levels, target = step.gap.question.levels, step.gap.target
    fields = {
        "id": step.id,
        "title": title,
        "description": in_language(step.gap.question.ask, language),
        "status": "planned",
        "owner": step.owner,
        "due": step.due,
        "expected_effect": in_language(levels[target], language) if target < len(levels) else None,
        "origin": {"assessment": one.id, "question": step.gap.question.id},
    }
    return amend.new(root, "actions", Action, fields)
