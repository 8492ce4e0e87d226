"""What stands on the paper of a plan: the plan and the register in, one frozen card out, with people by name."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from kyber.continuity.plan import Plan
from kyber.continuity.register import ContinuityRegister
from kyber.continuity.service import Message, Service
from kyber.people import People


@dataclass(frozen=True, slots=True)
class Who:
    """A role and who holds it today, a person, or whatever else somebody is called."""

    title: str
    holders: tuple[str, ...] = ()
    """Names; for a person, and for what is no role, none."""
    deputies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What a paper is compared with the register by."""

    printed_on: date
    commit: str | None
    """The commit that the workspace had checked out; None where it is in no repository."""
    is_changed: bool
    """Whether what was printed differs from that commit."""
    sha256: str
    """Of the file that was printed, in hexadecimal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One plan with all that is needed to follow it."""

    organisation: str
    plan: Plan
    services: tuple[Service, ...]
    """Those that it holds for; none: the whole organisation."""
    messages: tuple[tuple[Service, Message], ...]
    """Who tells whom while these services are away."""
    owner: Who
    approver: Who | None
    reviewer: Who | None
    doers: tuple[Who, ...]
    """Who does each step, as long as the steps."""
    tellers: tuple[Who, ...]
    """Who gives each message, as long as the messages."""
    stamp: Stamp

    @property
    def everybody(self) -> tuple[Who, ...]:
        """Everybody who is named, once, those who act first."""
        named = (*self.doers, *self.tellers, self.owner, self.approver, self.reviewer)
        return tuple(dict.fromkeys(one for one in named if one is not None))


def card(plan: Plan, register: ContinuityRegister, stamp: Stamp) -> Card:
    """The card of a plan as the register is."""
    services = services_of(plan, register)
    messages = tuple((service, message) for service in services for message in service.communication)

    def who(text: str) -> Who:
        return called(text, register.people, register.today)

    return Card(
        organisation=register.settings.organisation,
        plan=plan,
        services=services,
        messages=messages,
        owner=who(plan.owner),
        approver=who(plan.approved.by) if plan.approved else None,
        reviewer=who(plan.review.reviewer) if plan.review.reviewer else None,
        doers=tuple(who(step.who) for step in plan.steps),
        tellers=tuple(who(message.who) for _, message in messages),
        stamp=stamp,
    )


def services_of(plan: Plan, register: ContinuityRegister) -> tuple[Service, ...]:
    """The services that a plan holds for: those it names, in its order, then those that name it."""
    named = [register.service[id_] for id_ in plan.services if id_ in register.service]
    return tuple(named) + tuple(one for one in register.services if plan.id in one.plans and one not in named)


def called(text: str, people: People, today: date) -> Who:
    """Who is meant by the id of a role or person, or by any other text; those who have left are left out."""
    role = next((one for one in people.roles if one.id == text), None)
    if role is None:
        return Who(people.shown(text))
    return Who(role.title, tuple(_names(role.holders, people, today)), tuple(_names(role.deputies, people, today)))


def outdated(plans: Iterable[Plan]) -> Iterator[Plan]:
    """The plans of which nobody has looked at the copy on paper since their version was approved."""
    for plan in plans:
        copy = plan.offline_copy
        if (
            copy is not None
            and plan.approved is not None
            and (copy.checked_on is None or copy.checked_on < plan.approved.on)
        ):
            yield plan


def _names(ids: Iterable[str], people: People, today: date) -> Iterator[str]:
    for id_ in ids:
        yield from (one.name for one in people.held_by(id_, today))
