"""A batch asked row by row with the reference evaluator: the slow, obvious twin of the matcher."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kyber.logs.batch import EventBatch
from kyber.logs.sigma.route import routed
from kyber.logs.sigma.rule import Rule
from tests import reference


def events_of(batch: EventBatch) -> list[dict[str, Any]]:
    """Each event of a batch as one flat mapping: native names, and canonical ones where the table draws them."""
    columns = {name: batch.column(name) for name in (*batch.names, *batch.table.columns)}
    return [
        {
            name: list(value) if isinstance(value := column.values[column.codes[row]], tuple) else value
            for name, column in columns.items()
            if column is not None and column.codes[row] >= 0
        }
        for row in range(batch.rows)
    ]


def rows_of(rules: Sequence[tuple[Rule, Mapping[str, Any]]], batch: EventBatch) -> Iterator[tuple[Rule, list[int]]]:
    """For each rule (with its document), the rows that the reference evaluator matches among those routed to it."""
    events: list[dict[str, Any]] | None = None
    for rule, document in rules:
        held = routed(rule.logsource, batch)
        if held is None or not held.any():
            yield rule, []
            continue
        if events is None:
            events = events_of(batch)
        test = reference.read(document, zone=batch.zone, resolve=batch.table.where_is)
        yield rule, [row for row in range(batch.rows) if held[row] and test(events[row])]
