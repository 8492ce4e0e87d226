"""One event asked by the predicates themselves: whether a condition holds for it, and why, in words for a finding."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kyber.finding import Evidence
from kyber.logs.batch import EventBatch
from kyber.logs.sigma.plan import Question
from kyber.logs.sigma.predicate import And, FieldRef, Leaf, Node, Not, Predicate, TimePart, TooLong
from kyber.logs.values import Value, parts, shown

MOST_EVIDENCE = 8
"""Columns that are named for one keyword."""


def evidence(condition: Node, batch: EventBatch, row: int) -> tuple[Evidence, ...]:
    """The leaves of a condition that held for one event, and where they held. For an event that it matched."""
    return tuple(dict.fromkeys(_evidence(condition, Event(batch, row))))


def holds(condition: Node, batch: EventBatch, row: int) -> bool:
    """Whether a condition holds for one event, asked leaf by leaf."""
    return Event(batch, row).holds(condition)


@dataclass(frozen=True, slots=True)
class Look:
    """What a leaf met in one event. `found`: the column that has the field, and its value; None where none has.

    `held`: the columns and values for which the leaf holds; ('', None) where it holds by absence. `late`: the answer
    would have taken too long, which makes it a no.
    """

    found: tuple[str, Value] | None
    held: tuple[tuple[str, Value], ...]
    late: bool = False


class Event:
    """One event of a batch, to be asked one question after the other."""

    def __init__(self, batch: EventBatch, row: int) -> None:
        self.batch, self.row = batch, row
        self._fields: dict[str, tuple[str, Value] | None] = {}
        self._looks: dict[int, tuple[Leaf, Look]] = {}

    @cached_property
    def values(self) -> tuple[tuple[str, Value], ...]:
        """Each native column that the event has, with its value; one that stands in it twice with both, as an array."""
        found = []
        for name, _, column in self.batch.cells(np.array([self.row])):
            here = [column.values[code] for code in column.codes.tolist()]
            found.append((name, here[0] if len(here) == 1 else tuple(part for value in here for part in parts(value))))
        return tuple(sorted(found, key=lambda one: one[0]))

    def where(self, field: str) -> tuple[str, Value] | None:
        """The column in which a field of the rules is found here, and its value; None where the event lacks it."""
        if field not in self._fields:
            self._fields[field] = self._where(field)
        return self._fields[field]

    def _where(self, field: str) -> tuple[str, Value] | None:
        for name in self.batch.table.where_is(field):
            column = self.batch.column(name)
            if column is not None and column.codes[self.row] >= 0:
                return name, column.at(self.row)
        return None

    def look(self, leaf: Leaf) -> Look:
        """What a leaf meets here. Each is asked once, however many conditions around it are asked."""
        known = self._looks.get(id(leaf))
        if known is None:
            known = self._looks[id(leaf)] = leaf, self._look(leaf)
        return known[1]

    def _look(self, leaf: Leaf) -> Look:
        found = self.where(leaf.field) if leaf.field else None
        if leaf.field and found is None:
            return Look(None, (("", None),) if Question(leaf.field, leaf.predicate).absent else ())
        held, late = [], False
        for name, value in self.values if found is None else (found,):
            try:
                if self.answers(leaf.predicate, value):
                    held.append((name, value))
            except TooLong:
                late = True
        return Look(found, tuple(held), late)

    def answers(self, predicate: Predicate, value: Value) -> bool:
        """Whether a predicate holds for a value of this event. Raises TooLong."""
        if isinstance(predicate, TimePart):
            return predicate.holds_in(value, self.batch.zone)
        if isinstance(predicate, FieldRef):
            other = self.where(predicate.field)
            return other is not None and predicate.compares(value, other[1])
        return predicate.holds(value)

    def holds(self, node: Node) -> bool:
        """Whether a condition holds here."""
        if isinstance(node, Leaf):
            return bool(self.look(node).held)
        if isinstance(node, Not):
            return not self.holds(node.node)
        return (all if isinstance(node, And) else any)(self.holds(inner) for inner in node.nodes)


def _evidence(node: Node, event: Event) -> Iterator[Evidence]:
    """Why a node that holds does: the leaves below it that do; nothing for what holds by absence."""
    if isinstance(node, Leaf):
        for name, value in event.look(node).held[:MOST_EVIDENCE]:
            if name:
                yield Evidence(node.part, node.field, name, matching(node.predicate, value), str(node.predicate))
    elif not isinstance(node, Not):
        for inner in node.nodes:
            if isinstance(node, And) or event.holds(inner):
                yield from _evidence(inner, event)


def matching(predicate: Predicate, value: Value) -> str:
    """The element of an array that matched; the whole value where that cannot be said of one."""
    if isinstance(value, tuple) and not isinstance(predicate, FieldRef | TimePart):
        return next((shown(part) for part in value if predicate.holds(part)), shown(value))
    return shown(value)
