"""The register of continuity at one moment: the services, plans and exercises there are, and how they hang together."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

from kyber import action
from kyber.action import Action
from kyber.continuity import exercise, plan, service
from kyber.continuity.exercise import Exercise
from kyber.continuity.graph import Graph, graph_of
from kyber.continuity.plan import Plan
from kyber.continuity.recovery import Loss, Recovery, losses, recoveries
from kyber.continuity.service import Service
from kyber.people import FILE as PEOPLE_FILE
from kyber.people import People
from kyber.problem import Problem
from kyber.register import read_all
from kyber.settings import Settings


@dataclass(frozen=True, kw_only=True)
class ContinuityRegister:
    """Every service, plan and exercise of a workspace, with what they refer to."""

    services: tuple[Service, ...]
    plans: tuple[Plan, ...]
    exercises: tuple[Exercise, ...]
    actions: tuple[Action, ...]
    people: People
    settings: Settings
    today: date
    reckoned: Mapping[str, Recovery] | None = None
    """The recoveries where they were worked out on more services than may be shown; `lost` likewise."""
    lost: Mapping[str, Loss] | None = None

    @cached_property
    def service(self) -> Mapping[str, Service]:
        """The services by id."""
        return {one.id: one for one in reversed(self.services)}

    @cached_property
    def plan(self) -> Mapping[str, Plan]:
        """The plans by id."""
        return {one.id: one for one in reversed(self.plans)}

    @cached_property
    def graph(self) -> Graph:
        """What the services need."""
        return graph_of(self.services)

    @cached_property
    def recoveries(self) -> Mapping[str, Recovery]:
        """How soon each service can be back, by id."""
        return recoveries(self.graph) if self.reckoned is None else self.reckoned

    @cached_property
    def losses(self) -> Mapping[str, Loss]:
        """How much work each service can lose, by id."""
        return losses(self.graph) if self.lost is None else self.lost

    def loses(self, one: Service) -> bool:
        """Whether more work can be lost than its objective says."""
        loss = self.losses[one.id].largest
        return one.rpo is not None and loss is not None and loss > one.rpo.approximate_seconds

    def plans_of(self, one: Service) -> tuple[Plan, ...]:
        """The plans that hold for a service: that name it, or that it names."""
        return tuple(self._plans.get(one.id, ()))

    @cached_property
    def _plans(self) -> Mapping[str, list[Plan]]:
        """The plans of each service, in the order of the plans."""
        naming: dict[str, list[str]] = {}
        for one in self.services:
            for id_ in one.plans:
                naming.setdefault(id_, []).append(one.id)
        found: dict[str, list[Plan]] = {}
        for each in self.plans:
            for id_ in dict.fromkeys((*each.services, *naming.get(each.id, ()))):
                found.setdefault(id_, []).append(each)
        return found

    def exercises_of(self, one: Service | Plan) -> tuple[Exercise, ...]:
        """The exercises of a service or a plan, held or planned, the latest last.

        An exercise of a plan is one of the plan's services; one that names services and no plan is one of their plans.
        """
        if isinstance(one, Plan):
            found = [
                each
                for each in self.exercises
                if one.id in each.plans or (not each.plans and set(each.services) & set(one.services))
            ]
        else:
            plans = {each.id for each in self.plans_of(one)}
            found = [each for each in self.exercises if one.id in each.services or plans & set(each.plans)]
        return tuple(sorted(found, key=lambda each: (each.date, each.id)))

    def last_exercise(self, one: Service | Plan) -> Exercise | None:
        """The last exercise of it that was held."""
        return next((each for each in reversed(self.exercises_of(one)) if each.is_held), None)

    def measured(self, one: Service) -> Exercise | None:
        """The last exercise that measured how long restoring a service takes, or how much is lost."""
        found = [each for each in self.exercises if one.id in each.services and each.measured is not None]
        return max(found, key=lambda each: (each.date, each.id), default=None)


def load_continuity(root: Path, settings: Settings, today: date) -> tuple[ContinuityRegister, tuple[Problem, ...]]:
    """The register of the workspace at `root`, and what could not be read of it."""
    people, people_problems = read_all(root, PEOPLE_FILE, People)
    actions, action_problems = read_all(root, action.GLOB, Action)
    register, problems = beside(root, settings, today, people[0] if people else People(), actions)
    return register, (*people_problems, *problems, *action_problems)


def beside(
    root: Path, settings: Settings, today: date, people: People, actions: tuple[Action, ...]
) -> tuple[ContinuityRegister, tuple[Problem, ...]]:
    """The same, where people and actions were read already."""
    services, service_problems = read_all(root, service.GLOB, Service)
    plans, plan_problems = read_all(root, plan.GLOB, Plan)
    exercises, exercise_problems = read_all(root, exercise.GLOB, Exercise)
    register = ContinuityRegister(
        services=services,
        plans=plans,
        exercises=exercises,
        actions=actions,
        people=people,
        settings=settings,
        today=today,
    )
    return register, (*service_problems, *plan_problems, *exercise_problems)
