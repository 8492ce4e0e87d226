"""Why a rule matched one event: its condition asked leaf by leaf, in words that a finding can hold."""

from collections.abc import Iterator

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
    return tuple(dict.fromkeys(_evidence(condition, batch, row)))


def _evidence(node: Node, batch: EventBatch, row: int) -> list[Evidence]:
    """Why a node holds for a row: the leaves below it that do; an empty list for what holds by absence."""
    if isinstance(node, Leaf):
        return _leaf_evidence(node, batch, row)
    if isinstance(node, Not):
        return []
    if isinstance(node, And):
        return [one for inner in node.nodes for one in _evidence(inner, batch, row)]
    return [one for inner in node.nodes if holds(inner, batch, row) for one in _evidence(inner, batch, row)]


def holds(node: Node, batch: EventBatch, row: int) -> bool:
    """Whether a condition holds for one event, asked leaf by leaf."""
    if isinstance(node, Leaf):
        return any(True for _ in _held(node, batch, row))
    if isinstance(node, Not):
        return not holds(node.node, batch, row)
    if isinstance(node, And):
        return all(holds(inner, batch, row) for inner in node.nodes)
    return any(holds(inner, batch, row) for inner in node.nodes)


def _held(leaf: Leaf, batch: EventBatch, row: int) -> Iterator[tuple[str, Value]]:
    """The columns and values for which a leaf holds in one event; ('', None) where it holds by absence."""
    if not leaf.field:
        for name, value in sorted(_values(batch, row), key=lambda one: one[0]):
            if _asked(leaf.predicate, value, batch, row):
                yield name, value
        return
    for name in batch.table.where_is(leaf.field):
        column = batch.column(name)
        if column is not None and column.codes[row] >= 0:
            if _asked(leaf.predicate, column.at(row), batch, row):
                yield name, column.at(row)
            return
    if Question(leaf.field, leaf.predicate).absent:
        yield "", None


def _values(batch: EventBatch, row: int) -> Iterator[tuple[str, Value]]:
    """Each native column that an event has, with its value; one that stands in it twice with both, as an array."""
    for name, _, column in batch.cells(np.array([row])):
        found = [column.values[code] for code in column.codes.tolist()]
        yield name, found[0] if len(found) == 1 else tuple(part for value in found for part in parts(value))


def _asked(predicate: Predicate, value: Value, batch: EventBatch, row: int) -> bool:
    if isinstance(predicate, TimePart):
        return predicate.holds_in(value, batch.zone)
    try:
        if isinstance(predicate, FieldRef):
            other = batch.first_of(batch.table.where_is(predicate.field))
            return other is not None and bool(other.codes[row] >= 0) and predicate.compares(value, other.at(row))
        return predicate.holds(value)
    except TooLong:
        return False


def _leaf_evidence(leaf: Leaf, batch: EventBatch, row: int) -> list[Evidence]:
    return [
        Evidence(
            part=leaf.part, field=leaf.field, column=name, value=_matching(leaf, value), pattern=str(leaf.predicate)
        )
        for name, value in _held(leaf, batch, row)
        if name
    ][:MOST_EVIDENCE]


def _matching(leaf: Leaf, value: Value) -> str:
    """The element of an array that matched; the whole value where that cannot be said of one."""
    if isinstance(value, tuple) and not isinstance(leaf.predicate, FieldRef | TimePart):
        return next((shown(part) for part in value if leaf.predicate.holds(part)), shown(value))
    return shown(value)
