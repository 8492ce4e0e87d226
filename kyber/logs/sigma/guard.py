"""Rules and filters in, the events out that a filter says must still fire and that do not: filters guarded.

Such an event is written in the names that its rules and filters ask for, and is asked as it stands, by no field table.
"""

from collections.abc import Iterator
from datetime import UTC
from typing import Final

from kyber.logs.batch import EventBatch, LogSource, Origin, Parsed
from kyber.logs.schema import Table
from kyber.logs.sigma.evidence import holds
from kyber.logs.sigma.filters import Event, Filter
from kyber.logs.sigma.rule import Rule, RuleSet
from kyber.problem import Problem

_AS_WRITTEN: Final = Table(
    name="",
    title="",
    columns={},
    fields={},
    native=(),
    time=(),
    services={},
    categories={},
    shown=(),
)


def as_written(event: Event) -> EventBatch:
    """An event by the names that rules give its fields, as a batch of its own."""
    parsed = Parsed(events=[dict(event)], raw=[b""], numbers=[1], offsets=[0])
    return EventBatch(parsed, Origin("", "", b"", UTC), LogSource(), _AS_WRITTEN)


def check_must_fire(rules: RuleSet) -> Iterator[Problem]:
    """R33, R34: events that must still fire and that no rule matches, or that filters take out of every one.

    A filter none of whose rules can run is not asked: there is nothing that it could hide.
    """
    for one in rules.filters:
        over = [rule for rule in rules.rules if one.applies(rule.ref, rule.logsource)] if one.must_fire else []
        for listed in one.must_fire if over else ():
            event = as_written(listed.event)
            matched = [rule for rule in over if holds(rule.condition, event, 0)]
            taken = [hiding(rule, rules.filters, event) for rule in matched]
            if not matched:
                yield Problem(listed.place, "R33", {"title": one.ref.title})
            elif all(taken):
                by = dict.fromkeys(found.ref.title for filters in taken for found in filters)
                yield Problem(listed.place, "R34", {"title": one.ref.title, "filters": ", ".join(by)})


def hiding(rule: Rule, filters: tuple[Filter, ...], event: EventBatch) -> tuple[Filter, ...]:
    """The filters that take the one event of a batch out of a rule."""
    return tuple(one for one in filters if one.applies(rule.ref, rule.logsource) and holds(one.condition, event, 0))
