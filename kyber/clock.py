"""What waits for whom, by which day: the one record in which every domain says what falls due.

Each domain yields its own: reviews of risks and plans, tests of controls, exercises, actions, tasks of the clock.
"""

from dataclasses import dataclass
from datetime import date
from typing import Literal

from kyber.problem import Place

Ring = Literal["management", "risks", "continuity", "logs", "privacy", "training"]
"""The rings of the annual clock, from the outermost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """Something that is to be done by a day, or was."""

    ring: Ring
    kind: str
    """What is to be done: the words stand in the catalogues under `clock.kind.KIND`."""
    id: str
    """The id of the record that it belongs to."""
    title: str
    """The title of that record."""
    owner: str | None
    """The role or person that it waits for."""
    due: date
    """The last day."""
    done: date | None = None
    """When it was done; None while it waits."""
    place: Place
    """Where the record stands."""
