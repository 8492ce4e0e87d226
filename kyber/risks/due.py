"""What falls due in the register of risks: reviews, tests, actions, ends of acceptances, the yearly approval."""

from collections.abc import Iterator
from typing import Final

from kyber.action import Action
from kyber.clock import Due, again
from kyber.duration import Duration
from kyber.risks.approval import latest
from kyber.risks.checks import WARNS_BEFORE
from kyber.risks.register import RiskRegister, open_risks
from kyber.risks.steps import YEARLY

_SOON: Final = Duration.parse("14 d")


def dues(register: RiskRegister) -> Iterator[Due]:
    """All that waits in the register, and what of it was last done."""
    yield from _reviews(register)
    yield from _acceptances(register)
    yield from _tests(register)
    yield from _approvals(register)
    for one in register.actions:
        yield from action_dues(one)


def action_dues(one: Action) -> Iterator[Due]:
    """An action that somebody has decided on, while it waits and once it was done."""
    day = one.due or one.done_on
    if day is None or one.status in ("proposed", "cancelled"):
        return
    done = (one.done_on or day) if one.status == "done" else None
    yield Due(
        ring="risks",
        kind="action",
        id=one.id,
        title=one.title,
        owner=one.owner,
        due=day,
        done=done,
        place=one.where("due"),
    )


def _reviews(register: RiskRegister) -> Iterator[Due]:
    for one in open_risks(register):
        due = register.review_due(one)
        if due is None or one.status == "preliminary":
            continue
        next_ = Due(
            ring="risks",
            kind="risk-review",
            id=one.id,
            title=one.title,
            owner=(one.review.reviewer if one.review else None) or one.owner,
            due=due,
            lead=_SOON,
            place=one.where("review"),
        )
        yield from again(next_, one.review.last if one.review else None)


def _acceptances(register: RiskRegister) -> Iterator[Due]:
    for one in open_risks(register):
        if one.acceptance is not None and one.status == "accepted":
            yield Due(
                ring="risks",
                kind="acceptance",
                id=one.id,
                title=one.title,
                owner=one.owner,
                due=one.acceptance.expires,
                lead=WARNS_BEFORE,
                place=one.where("acceptance", "expires"),
            )


def _tests(register: RiskRegister) -> Iterator[Due]:
    for one in register.controls:
        if one.test is None or one.test.due is None or not one.is_in_place:
            continue
        next_ = Due(
            ring="risks",
            kind="control-test",
            id=one.id,
            title=one.title,
            owner=one.owner,
            due=one.test.due,
            place=one.where("test"),
        )
        yield from again(next_, one.test.last)


def _approvals(register: RiskRegister) -> Iterator[Due]:
    """Each approval of the list, and the next one, twelve months after the last."""
    for one in register.approvals:
        yield Due(
            ring="management",
            kind="approval",
            id=one.on.isoformat(),
            title=one.decision_ref,
            owner=one.by,
            due=one.on,
            done=one.on,
            place=one.where("on"),
        )
    if (last := latest(register.approvals)) is not None:
        yield Due(
            ring="management",
            kind="approval",
            id=last.on.isoformat(),
            title=last.decision_ref,
            owner=last.by,
            due=YEARLY.after(last.on),
            place=last.where("on"),
        )
