"""A plan for when services stop: `continuity/plans/*.yaml` in, frozen records out."""

from datetime import date
from hashlib import sha256
from typing import Annotated, Final, Literal

from pydantic import Field

from kyber.people import Owner
from kyber.register import Day, Id, Part, Record, Ref, Span, Text

GLOB: Final = "continuity/plans/*.yaml"
PREFIX: Final = "P"
"""How the ids of new plans begin."""

Kind = Literal["continuity", "recovery", "preparedness", "communication", "incident"]


class Approved(Part):
    """Management's decision on a plan."""

    by: Owner
    """Who decided."""
    on: Day
    """When."""
    state: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """SHA-256 of what was approved; `kyber continuity plan approve` writes it."""


class Review(Part):
    """When somebody looks whether all of it is still right."""

    interval: Span
    """How often."""
    last: Day | None = None
    """When it was last done; else the day it was approved counts."""
    reviewer: Owner | None = None
    """Who does it."""


class Step(Part):
    """One thing that is done."""

    no: Annotated[int, Field(ge=1)]
    """Its number."""
    when: Text | None = None
    """When it is done: at once, after step 2, when the network is there."""
    who: Text
    """Who does it: a role, so that the plan outlives its holder."""
    does: Text
    """What is done."""
    where: Text | None = None
    """Where."""
    how: Text | None = None
    """How, as far as it does not go without saying."""
    target_time: Span | None = None
    """By when after activation it is done."""


class Contact(Part):
    """Whom to reach."""

    name: Text
    """The role, person or organisation."""
    phone: Text | None = None
    """A number that works when the network does not."""
    email: Text | None = None
    """An address."""
    note: Text | None = None
    """When, and for what."""


class OfflineCopy(Part):
    """Where the plan lies on paper, or on something that works without the network."""

    where: Text
    """Where it lies."""
    checked_on: Day | None = None
    """When somebody last saw that it is there and of this version."""


class Preparedness(Part):
    """What a wellbeing services county's preparedness plan holds, by the headings of VNA 308/2023, section 1."""

    levels_and_alerting: Text | None = None
    """Levels of preparedness, and how people are alerted."""
    situational_picture: Text | None = None
    """How the situational picture is made and kept."""
    sufficiency: Text | None = None
    """Staff, premises and material that suffice."""
    cooperation: Text | None = None
    """With whom, and how."""
    training_and_exercises: Text | None = None
    """Training and exercises."""
    communication: Text | None = None
    """Who tells whom."""


class Plan(Record):
    """What is done when services stop."""

    id: Id
    """A stable name, such as P-001; never reused."""
    title: Text
    """The plan in a few words."""
    type: Kind
    """`continuity`, `recovery`, `preparedness`, `communication` or `incident`."""
    services: tuple[Annotated[Id, Ref("service")], ...] = ()
    """The services that it holds for; none: the whole organisation."""
    owner: Owner
    """Who answers for it."""
    version: Annotated[Text, Field(max_length=40)]
    """The version, in quotes: "1.2"."""
    approved: Approved | None = None
    """Who approved it, and when."""
    review: Review
    """When somebody looks whether it is still right."""
    activation: tuple[Text, ...]
    """When the plan is used, and who decides that."""
    steps: tuple[Step, ...]
    """What is done."""
    contacts: tuple[Contact, ...] = ()
    """Whom to reach."""
    offline_copy: OfflineCopy | None = None
    """Where it lies when the systems do not work."""
    preparedness: Preparedness | None = None
    """The content of a preparedness plan."""
    notes: Text | None = None
    """Anything else."""

    @property
    def review_due(self) -> date | None:
        """When it is to be looked at next: the interval after the last review, or after its approval."""
        last = self.review.last or (self.approved.on if self.approved else None)
        return None if last is None else self.review.interval.after(last)


def state_of(plan: Plan) -> str:
    """SHA-256 over the RFC 8785 JSON of what an approval of a plan is about: what is done when, by whom, for what."""
    import rfc8785

    about = {"title", "type", "services", "owner", "activation", "steps", "contacts", "preparedness"}
    return sha256(rfc8785.dumps(plan.model_dump(mode="json", include=about, exclude_none=True))).hexdigest()
