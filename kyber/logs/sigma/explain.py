"""A rule and one event in, the rule's whole condition out: what each part of it says of the event, and why.

Nothing is left out because the answer was clear before: every leaf is asked, by the predicates that the matcher asks.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

from kyber.finding import RuleRef, Sample
from kyber.level import Level
from kyber.logs.batch import EventBatch
from kyber.logs.schema import Condition
from kyber.logs.sigma.evidence import Event, Look, matching
from kyber.logs.sigma.filters import Filter
from kyber.logs.sigma.predicate import (
    ANY,
    And,
    Cidr,
    Equals,
    Exists,
    FieldRef,
    Glob,
    Leaf,
    Node,
    Not,
    Null,
    Order,
    Predicate,
    Regex,
    TimePart,
    TooLong,
    address,
    searcher,
)
from kyber.logs.sigma.rule import Rule
from kyber.logs.values import NO_TIME, as_datetime, moment, number, parts, shown, texts


class Why(StrEnum):
    """Why a leaf holds or does not; each is a key of the catalogue `explain`."""

    HOLDS = "holds"
    ABSENCE = "absence"
    ABSENT = "absent"
    NULL = "null"
    PRESENT = "present"
    DIFFERS = "differs"
    CASE = "case"
    WITHIN = "within"
    NO_NUMBER = "no-number"
    NO_ADDRESS = "no-address"
    NO_TIME = "no-time"
    OTHER_ABSENT = "other-absent"
    NOWHERE = "nowhere"
    TOO_LONG = "too-long"
    BLIND = "blind"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A leaf: the selection it stands in, what it asks of which field, and what it met.

    `columns` are those that were looked in, in order, none for a keyword, which looks at every value; `column` is where
    `value` was found, empty where there was none.
    """

    holds: bool
    why: Why
    part: str
    field: str
    pattern: str
    columns: tuple[str, ...]
    column: str
    value: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """Parts that are joined: by `and`, by `or`, or one of them negated by `not`."""

    holds: bool
    join: Literal["and", "or", "not"]
    nodes: tuple["Answer", ...]


Answer = Told | Branch


class Reach(StrEnum):
    """How a word of a logsource was met, or was not; each is a key of the catalogue `explain`."""

    DECLARED = "declared"
    FOUND = "found"
    OTHER = "other"
    UNDECLARED = "undeclared"
    UNKNOWN = "unknown"
    NOT_FOUND = "not-found"


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A column of the event that a product's table looks at, the values it wants there, and the one that is there."""

    holds: bool
    column: str
    wanted: tuple[str, ...]
    value: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One word of a rule's logsource: `key` is product, category or service, `given` what the input is declared to be.

    `terms`: where the events themselves decide, the alternatives of conditions that the table named `table` has.
    """

    holds: bool
    reach: Reach
    key: str
    wanted: str
    given: str | None
    table: str
    terms: tuple[tuple[Term, ...], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Filtered:
    """A filter of the rule, and what its condition says of the event: where it holds, the event is taken out."""

    filter: RuleRef
    condition: Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What a rule says of one event. `lacking`: watch lists that are not there, so that the rule does not run."""

    rule: RuleRef
    level: Level
    event: Sample
    logsource: tuple[Seen, ...]
    condition: Answer
    filters: tuple[Filtered, ...] = ()
    lacking: tuple[str, ...] = ()

    @property
    def seen(self) -> bool:
        """Whether the rule's logsource lets it see the event."""
        return all(one.holds for one in self.logsource)

    @property
    def hidden(self) -> bool:
        """Whether a filter takes the event out of the rule."""
        return any(one.condition.holds for one in self.filters)

    @property
    def matches(self) -> bool:
        """Whether a scan would find the event by this rule."""
        return self.seen and self.condition.holds and not self.hidden and not self.lacking


def explanation(
    rule: Rule, batch: EventBatch, row: int, filters: Iterable[Filter] = (), lacking: Collection[str] = ()
) -> Explanation:
    """Why a rule matches one event of a batch, or does not.

    `filters`: those in force, of whatever rules. `lacking`: names of watch lists that are not there; in the rule, each
    stands for itself: `%name%`.
    """
    event = Event(batch, row)
    time = int(batch.times[row])
    sample = Sample(
        batch.event_id(row),
        batch.origin(row).file,
        batch.records[row],
        None if time == NO_TIME else as_datetime(time),
        {},
    )
    return Explanation(
        rule=rule.ref,
        level=rule.level,
        event=sample,
        logsource=_seen(rule, batch, row),
        condition=answer(rule.condition, event, lacking),
        filters=tuple(
            Filtered(filter=one.ref, condition=answer(one.condition, event))
            for one in filters
            if one.applies(rule.ref, rule.logsource)
        ),
        lacking=tuple(sorted(lacking)),
    )


def answer(node: Node, event: Event, lacking: Collection[str] = ()) -> Answer:
    """What a condition says of an event, part by part."""
    if isinstance(node, Leaf):
        return _told(node, event, lacking)
    if isinstance(node, Not):
        inner = answer(node.node, event, lacking)
        return Branch(holds=not inner.holds, join="not", nodes=(inner,))
    nodes = tuple(answer(one, event, lacking) for one in node.nodes)
    if isinstance(node, And):
        return Branch(holds=all(one.holds for one in nodes), join="and", nodes=nodes)
    return Branch(holds=any(one.holds for one in nodes), join="or", nodes=nodes)


# Leaves


def _told(leaf: Leaf, event: Event, lacking: Collection[str]) -> Told:
    look = event.look(leaf)
    blind = lacking and isinstance(leaf.predicate, Glob) and any(f"%{name}%" in str(leaf.predicate) for name in lacking)
    held = () if blind else look.held
    why = Why.BLIND if blind else _why(leaf, look, event)
    column, value = held[0] if held else look.found or ("", None)
    return Told(
        holds=bool(held),
        why=why,
        part=leaf.part,
        field=leaf.field,
        pattern=str(leaf.predicate),
        columns=event.batch.table.where_is(leaf.field) if leaf.field else (),
        column=column,
        value=None if not column else matching(leaf.predicate, value) if held else shown(value),
    )


def _why(leaf: Leaf, look: Look, event: Event) -> Why:
    if look.held:
        return Why.HOLDS if look.held[0][0] else Why.ABSENCE
    if look.late:
        return Why.TOO_LONG
    if not leaf.field:
        return Why.CASE if _nearly(_in_any_case(leaf.predicate), look, event) else Why.NOWHERE
    if look.found is None:
        return Why.ABSENT
    if isinstance(leaf.predicate, Null | Exists):
        return Why.PRESENT
    return _why_not(leaf.predicate, look, event)


def _why_not(predicate: Predicate, look: Look, event: Event) -> Why:
    """Why a predicate does not hold for a value that is there."""
    value = look.found[1] if look.found else None
    if isinstance(predicate, FieldRef) and event.where(predicate.field) is None:
        return Why.OTHER_ABSENT
    if next(texts(value), None) is None:
        return Why.NULL
    if isinstance(predicate, Equals | Order) and all(number(part) is None for part in parts(value)):
        return Why.NO_NUMBER
    if isinstance(predicate, Cidr) and all(address(text) is None for text in texts(value)):
        return Why.NO_ADDRESS
    if isinstance(predicate, TimePart) and all(moment(part, event.batch.zone) == NO_TIME for part in parts(value)):
        return Why.NO_TIME
    if _nearly(_in_any_case(predicate), look, event):
        return Why.CASE
    return Why.WITHIN if _nearly(_anywhere(predicate), look, event) else Why.DIFFERS


def _nearly(predicate: Predicate | None, look: Look, event: Event) -> bool:
    """Whether what is asked for a little more loosely would hold."""
    try:
        found = (look.found,) if look.found else event.values
        return predicate is not None and any(event.answers(predicate, value) for _, value in found)
    except TooLong:
        return False


def _in_any_case(predicate: Predicate) -> Predicate | None:
    """The same without regard to case; None where it has none already."""
    if isinstance(predicate, Glob | FieldRef):
        return replace(predicate, cased=False) if predicate.cased else None
    if not isinstance(predicate, Regex) or "i" in predicate.flags:
        return None
    try:
        searcher(predicate.source, predicate.flags + "i")
    except ValueError:
        return None
    return Regex(predicate.source, predicate.flags + "i")


def _anywhere(predicate: Predicate) -> Predicate | None:
    """The same anywhere in the value, as with `contains`; None where that says nothing."""
    if isinstance(predicate, FieldRef):
        return replace(predicate, how="contains")
    if isinstance(predicate, Glob) and any(isinstance(token, str) and token for token in predicate.tokens):
        return Glob((ANY, *predicate.tokens, ANY), predicate.cased)
    return None


# Logsources


def _seen(rule: Rule, batch: EventBatch, row: int) -> tuple[Seen, ...]:
    """Each word of a rule's logsource; they hold for the events that `route.routed` gives."""
    wanted, declared, table = rule.logsource, batch.logsource, batch.table
    found = []
    if wanted.product is not None:
        same = wanted.product == declared.product
        found.append(
            Seen(
                holds=same,
                reach=Reach.DECLARED if same else Reach.OTHER if declared.product else Reach.UNDECLARED,
                key="product",
                wanted=wanted.product,
                given=declared.product,
                table=table.name,
            )
        )
    for key, word, given, known in (
        ("category", wanted.category, declared.category, table.categories),
        ("service", wanted.service, declared.service, table.services),
    ):
        if word is None:
            continue
        terms: tuple[tuple[Term, ...], ...] = ()
        if word == given:
            reach = Reach.DECLARED
        elif word not in known:
            reach = Reach.UNKNOWN
        else:
            terms = tuple(_terms(one, batch, row) for one in known[word])
            reach = Reach.FOUND if any(all(term.holds for term in one) for one in terms) else Reach.NOT_FOUND
        holds = reach in (Reach.DECLARED, Reach.FOUND)
        found.append(Seen(holds=holds, reach=reach, key=key, wanted=word, given=given, table=table.name, terms=terms))
    return tuple(found)


def _terms(condition: Condition, batch: EventBatch, row: int) -> tuple[Term, ...]:
    found = []
    for name, wanted in condition:
        column = batch.column(name)
        there = column is not None and column.codes[row] >= 0
        found.append(
            Term(
                holds=bool(batch.where(((name, wanted),))[row]),
                column=name,
                wanted=tuple(sorted(wanted)),
                value=shown(column.at(row)) if column is not None and there else None,
            )
        )
    return tuple(found)
