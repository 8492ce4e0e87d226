"""People and roles: `people.yaml` in, who may own things and who holds which role out."""

from collections.abc import Iterator
from datetime import date
from typing import Annotated, Final

from kyber.problem import Place, Problem, Severity
from kyber.register import Day, Id, Part, Record, Ref, Text

FILE: Final = "people.yaml"

Holder = Annotated[Id, Ref("person")]
Owner = Annotated[Id, Ref("role", "person")]
"""The id of a role or of a person. A role is better: it outlives whoever holds it."""


class Person(Part):
    """Someone who holds roles or owns things."""

    id: Id
    """A stable name for the person, never reused."""
    name: Text
    """The name as it is shown."""
    email: Text | None = None
    """Where reminders and calendar entries go."""
    left: Day | None = None
    """The day after which the person is no longer there."""


class Role(Part):
    """A task in the organisation that someone holds."""

    id: Id
    """A stable name for the role, never reused."""
    title: Text
    """The title as it is shown."""
    holders: tuple[Holder, ...] = ()
    """The people who hold the role, the first one first."""
    deputies: tuple[Holder, ...] = ()
    """The people who stand in."""


class People(Record):
    """The roles of the organisation, and the people who hold them."""

    roles: tuple[Role, ...] = ()
    """The roles."""
    people: tuple[Person, ...] = ()
    """The people."""

    def ids(self) -> Iterator[tuple[str, str, Place]]:
        """Kind, id and place of every role and person."""
        for index, role in enumerate(self.roles):
            yield "role", role.id, self.where("roles", index, "id")
        for index, person in enumerate(self.people):
            yield "person", person.id, self.where("people", index, "id")

    def gone(self, today: date) -> frozenset[str]:
        """The people who have left by `today`."""
        return frozenset(person.id for person in self.people if person.left is not None and person.left < today)

    def with_email(self, email: str) -> Person | None:
        """The person with this address, in any case."""
        wanted = email.strip().casefold()
        return next((one for one in self.people if wanted and (one.email or "").casefold() == wanted), None)

    def shown(self, owner: str) -> str:
        """The title of a role or the name of a person; the id itself where there is neither."""
        named = {**{one.id: one.name for one in self.people}, **{one.id: one.title for one in self.roles}}
        return named.get(owner, owner)

    def called(self, text: str) -> str | None:
        """The id of the role or person whose id, title, name or address this is, in any case; None for none or many."""
        wanted = text.strip().casefold()
        exact = [id_ for _, id_, _ in self.ids() if id_.casefold() == wanted]
        other = [one.id for one in self.roles if one.title.casefold() == wanted]
        other += [one.id for one in self.people if wanted in (one.name.casefold(), (one.email or "").casefold())]
        found = exact or other
        return found[0] if wanted and len(set(found)) == 1 else None

    def held_by(self, owner: str, today: date) -> tuple[Person, ...]:
        """The people behind an owner, a role's holders or the person, without those who have left."""
        role = next((role for role in self.roles if role.id == owner), None)
        wanted = role.holders if role else (owner,)
        gone = self.gone(today)
        by_id = {person.id: person for person in self.people}
        return tuple(by_id[id_] for id_ in wanted if id_ in by_id and id_ not in gone)


def check_people(people: People, today: date) -> Iterator[Problem]:
    """K04: roles that nobody holds."""
    for index, role in enumerate(people.roles):
        if not people.held_by(role.id, today):
            yield Problem(people.where("roles", index), "K04", {"role": role.id}, Severity.WARNING)
