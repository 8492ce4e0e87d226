"""The register of risks at one moment: the risks, controls, actions and approvals there are, and what judges them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Final

from kyber import action
from kyber.action import Action
from kyber.duration import Duration
from kyber.people import FILE as PEOPLE_FILE
from kyber.people import People
from kyber.problem import Problem
from kyber.register import read_all
from kyber.risks import approval, control, risk
from kyber.risks.approval import Approval
from kyber.risks.control import Control
from kyber.risks.matrix import Scale, rank, scale_of
from kyber.risks.risk import Risk
from kyber.settings import RiskLevel, Settings

REVIEWS: Final[Mapping[RiskLevel, Duration]] = {
    RiskLevel.INTOLERABLE: Duration.parse("1 month"),
    RiskLevel.MAJOR: Duration.parse("3 months"),
    RiskLevel.MODERATE: Duration.parse("6 months"),
    RiskLevel.MINOR: Duration.parse("12 months"),
    RiskLevel.NEGLIGIBLE: Duration.parse("12 months"),
}
"""How often a risk of each level is looked at, unless the settings say otherwise."""
ANY: Final = "*"
"""The category of the appetite for every category that has none of its own."""


@dataclass(frozen=True, kw_only=True)
class RiskRegister:
    """Every risk of a workspace, with what it refers to, and what it is judged by."""

    risks: tuple[Risk, ...]
    controls: tuple[Control, ...]
    actions: tuple[Action, ...]
    approvals: tuple[Approval, ...]
    people: People
    settings: Settings
    today: date

    @cached_property
    def scale(self) -> Scale:
        return scale_of(self.settings)

    @cached_property
    def control(self) -> Mapping[str, Control]:
        """The controls by id."""
        return {one.id: one for one in reversed(self.controls)}

    @cached_property
    def action(self) -> Mapping[str, Action]:
        """The actions by id."""
        return {one.id: one for one in reversed(self.actions)}

    def controls_of(self, one: Risk) -> tuple[Control, ...]:
        """The controls that a risk names, as far as they are there."""
        return tuple(self.control[id_] for id_ in one.controls if id_ in self.control)

    def actions_of(self, one: Risk) -> tuple[Action, ...]:
        """The actions that a risk names, as far as they are there."""
        return tuple(self.action[id_] for id_ in one.actions if id_ in self.action)

    def level(self, one: Risk) -> RiskLevel | None:
        """The level that counts today; None where it was not assessed, or is outside the scale."""
        return self.scale.level(one.left)

    def level_to_accept(self, one: Risk) -> RiskLevel | None:
        """The level that asks for authority: the higher one of today's estimate and of what treatment left."""
        return max((self.scale.level(one.current), self.scale.level(one.residual)), key=rank)

    def appetite(self, one: Risk) -> RiskLevel | None:
        """The highest level that is borne without treatment; None where the settings have none for the category."""
        found = self.settings.appetite
        return found.get(one.category or ANY, found.get(ANY))

    def is_above_appetite(self, one: Risk) -> bool:
        """Whether the level is above the appetite; not where either is unknown."""
        appetite = self.appetite(one)
        return appetite is not None and rank(self.level(one)) > rank(appetite)

    def interval(self, one: Risk) -> Duration:
        """How often a risk is looked at: the shorter of its own interval and that of its level."""
        level = self.level(one) or RiskLevel.MINOR
        asked = self.settings.reviews.get(level, REVIEWS[level])
        own = one.review.interval if one.review else None
        return asked if own is None else min(own, asked, key=lambda span: span.approximate_seconds)

    def review_due(self, one: Risk) -> date | None:
        """When it is to be looked at next: the interval after the last review, or else after it was identified."""
        last = one.review.last if one.review and one.review.last else one.identified_on
        return None if last is None else self.interval(one).after(last)

    def is_overdue(self, one: Risk) -> bool:
        """Whether it should have been looked at before today."""
        due = self.review_due(one)
        return due is not None and due < self.today

    def may_accept(self, approver: str, level: RiskLevel) -> bool:
        """Whether a role that somebody holds, or its holder, may accept a risk of this level, or of a higher one."""
        allowed = {role for at, role in self.settings.authority.items() if rank(at) >= rank(level)}
        holders = {role: {person.id for person in self.people.held_by(role, self.today)} for role in allowed}
        return any(held and (approver == role or approver in held) for role, held in holders.items())

    def prioritised(self, risks: Sequence[Risk] | None = None) -> tuple[Risk, ...]:
        """The risks, the largest first: by level, then impact, then likelihood, then id; what is not assessed last."""

        def place(one: Risk) -> tuple[int, int, int, str]:
            left = one.left
            return -rank(self.level(one)), -(left.whole if left else 0), -(left.likelihood if left else 0), one.id

        return tuple(sorted(self.risks if risks is None else risks, key=place))


def load_register(
    root: Path, settings: Settings, today: date, *, only_risks: bool = False
) -> tuple[RiskRegister, tuple[Problem, ...]]:
    """The register of the workspace at `root`, and what could not be read of it.

    `only_risks`: without controls, actions and approvals, for what does not look at them.
    """
    people, people_problems = read_all(root, PEOPLE_FILE, People)
    risks, risk_problems = read_all(root, risk.GLOB, Risk)
    controls, control_problems = read_all(root, control.GLOB, Control) if not only_risks else ((), ())
    actions, action_problems = read_all(root, action.GLOB, Action) if not only_risks else ((), ())
    approvals, approval_problems = read_all(root, approval.GLOB, Approval) if not only_risks else ((), ())
    register = RiskRegister(
        risks=risks,
        controls=controls,
        actions=actions,
        approvals=approvals,
        people=people[0] if people else People(),
        settings=settings,
        today=today,
    )
    return register, (*people_problems, *risk_problems, *control_problems, *action_problems, *approval_problems)


def open_risks(register: RiskRegister) -> Iterator[Risk]:
    """The risks that are not closed."""
    return (one for one in register.risks if one.is_open)
