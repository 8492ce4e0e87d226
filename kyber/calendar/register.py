"""The annual clock at one moment: the tasks there are, and all that falls due in any domain."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

from kyber.action import Action
from kyber.calendar.task import FOLDER, GLOB, Task
from kyber.clock import Due
from kyber.people import People
from kyber.problem import Place, Problem
from kyber.register import read_all


@dataclass(frozen=True, kw_only=True)
class Calendar:
    """The tasks of a workspace, and what falls due there."""

    tasks: tuple[Task, ...]
    dues: tuple[Due, ...]
    """Those of the tasks among them."""
    actions: tuple[Action, ...]
    people: People
    today: date
    folder: Place
    """Where the tasks are kept."""
    is_wanted: bool
    """Whether there is something that has to be kept up: services, plans, or an approved list of risks."""

    @cached_property
    def task(self) -> Mapping[str, Task]:
        """The tasks by id."""
        return {one.id: one for one in reversed(self.tasks)}


def load_tasks(root: Path) -> tuple[tuple[Task, ...], tuple[Problem, ...]]:
    """The tasks of the workspace at `root`, and what could not be read of them."""
    return read_all(root, GLOB, Task)


def place_of(root: Path) -> Place:
    """Where the tasks of a workspace are kept."""
    return Place(str(root / FOLDER))
