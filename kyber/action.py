"""Actions: something to be done by somebody until some day, for a risk, a service, an exercise or a finding.

`actions/*.yaml` in, frozen records out; and the checks that hold for an action wherever it comes from.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Annotated, Final, Literal

from pydantic import Field

from kyber.people import Owner
from kyber.problem import Problem, Severity
from kyber.register import Day, Id, Part, Record, Ref, Text, out_of_order
from kyber.text import Key

GLOB: Final = "actions/*.yaml"
PREFIX: Final = "A"
"""How the ids of new actions begin."""
OPEN: Final = frozenset(("proposed", "planned", "ongoing"))
"""What has yet to be done."""

Status = Literal["proposed", "planned", "ongoing", "done", "cancelled"]
Money = Annotated[float, Field(ge=0)]


class Origin(Part):
    """The answer that an action follows from."""

    assessment: Annotated[Id, Ref("assessment")]
    """The assessment of the current state."""
    question: Id
    """The question in it."""


class Action(Record):
    """Something to be done."""

    id: Id
    """A stable name, such as A-001; never reused."""
    title: Text
    """What is done, in a few words."""
    description: Text | None = None
    """What is done, as far as the title does not say it."""
    status: Status = "planned"
    """`proposed`: nobody has decided on it; `planned`, `ongoing`, `done`, `cancelled`."""
    owner: Owner | None = None
    """Who sees that it is done; required unless it is only proposed."""
    due: Day | None = None
    """The last day; required unless it is only proposed."""
    effort: Text | None = None
    """How much work it is, in words: 3 person-days."""
    cost: Money | None = None
    """What it costs, in euros, once."""
    expected_effect: Text | None = None
    """What will be better."""
    after: tuple[Annotated[Id, Ref("action")], ...] = ()
    """What has to be done first."""
    done_on: Day | None = None
    """When it was done."""
    evidence: tuple[Text, ...] = ()
    """What shows that it was done: a ticket, a report, a decision."""
    origin: Origin | None = None
    """Where it comes from, if it was made of an assessment of the current state."""

    @property
    def is_open(self) -> bool:
        return self.status in OPEN


def check_actions(actions: Sequence[Action], today: date) -> Iterator[Problem]:
    """K05: actions that wait for each other. K06: days that cannot be. K17: late, or nobody's, or without a day."""
    yield from _cycles(actions)
    for one in actions:
        yield from out_of_order(one, ("done_on",), one.done_on, last=today)
        if not one.is_open or one.status == "proposed":
            continue
        for field in ("owner", "due"):
            if getattr(one, field) is None:
                why = Key(f"risks.action-lacks.{field}")
                yield Problem(one.at, "K17", {"id": one.id, "why": why, "due": one.due or "–"}, Severity.WARNING)
        if one.due is not None and one.due < today:
            why = Key("risks.action-late")
            yield Problem(one.where("due"), "K17", {"id": one.id, "why": why, "due": one.due}, Severity.WARNING)


def _cycles(actions: Sequence[Action]) -> Iterator[Problem]:
    after = {one.id: one.after for one in actions}
    for one in actions:
        waiting, seen = list(one.after), set[str]()
        while waiting:
            id_ = waiting.pop()
            if id_ == one.id:
                yield Problem(one.where("after"), "K05", {"id": one.id, "field": "after"})
                break
            if id_ not in seen:
                seen.add(id_)
                waiting += after.get(id_, ())
