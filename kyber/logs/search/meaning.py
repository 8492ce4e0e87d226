"""A query's syntax, a clock -> what each of its values asks of an event, and what has to be read to answer it.

Values are compared as Sigma compares them, by Sigma's own predicates: whole values, ignoring case; what stands alone is
looked for within every value. Ranges are this module's: Sigma has none.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo
from ipaddress import ip_network
from typing import Any, Final, Literal

from kyber.logs.schema import Table
from kyber.logs.search.fields import TIME, native
from kyber.logs.search.query import And, Ask, Not, Or, Pattern, QueryError, Range, Syntax, Text, asks, parse
from kyber.logs.search.when import Clock, both, either
from kyber.logs.sigma.modifier import within
from kyber.logs.sigma.predicate import (
    Cidr,
    Equals,
    Glob,
    Predicate,
    Regex,
    Token,
    Wild,
    address,
    searcher,
)
from kyber.logs.store import Period
from kyber.logs.values import NO_TIME, Scalar, Value, fold, moment, number, parts, text

_WHOLE: Final = re.compile(r"0|-?[1-9]\d{0,18}", re.ASCII)
_NETWORK: Final = re.compile(r"[0-9A-Fa-f:.]+/\d{1,3}", re.ASCII)
_TIME: Final = re.compile(r"\d{4}-\d\d(-\d\d([T ].*)?)?|now(\s*-.*)?|today|yesterday", re.ASCII | re.IGNORECASE)

Kind = Literal["number", "time", "address", "text"]
_PLURAL: Final[Mapping[Kind, str]] = {"number": "numbers", "time": "times", "address": "addresses", "text": "words"}


@dataclass(frozen=True, slots=True)
class Happened:
    """The event happened in the period; in the open one: it says when it happened at all."""

    period: Period


@dataclass(frozen=True, slots=True)
class Within:
    """Some element of the value reads as this kind and lies between the bounds; None is open.

    Times are microseconds since the epoch, from `low` up to and without `high`. Texts are compared ignoring case.
    """

    kind: Kind
    low: Any
    high: Any
    with_low: bool = True
    with_high: bool = True

    def holds(self, value: Value, zone: tzinfo) -> bool:
        """Whether any element does; `zone` is that of times without an offset."""
        return any(self._lies(one, zone) for one in parts(value) if one is not None)

    def _lies(self, one: Scalar, zone: tzinfo) -> bool:
        found = self._read(one, zone)
        if found is None or found != found:
            return False
        if self.low is not None and not (found >= self.low if self.with_low else found > self.low):
            return False
        return self.high is None or (found <= self.high if self.with_high else found < self.high)

    def _read(self, one: Scalar, zone: tzinfo) -> Any:
        match self.kind:
            case "number":
                return number(one)
            case "time":
                return None if (time := moment(one, zone)) == NO_TIME else time
            case "address":
                found, bound = address(text(one)), self.low if self.low is not None else self.high
                return found if found is not None and bound is not None and found.version == bound.version else None
            case "text":
                return fold(text(one))


Test = Predicate | Happened | Within


@dataclass(frozen=True, slots=True)
class Need:
    """What has to be read to answer a query: never less than it needs, maybe more.

    `fields`: what the query calls the fields that it looks at; `whole`: it looks at every value of an event. No event
    outside `period` matches.
    """

    fields: frozenset[str]
    whole: bool
    period: Period

    def columns(self, table: Table) -> frozenset[str]:
        """The native columns of a product that the fields may be drawn from, as far as its table tells."""
        return frozenset(name for field in self.fields for name in native(table, field))


@dataclass(frozen=True, slots=True)
class Query:
    """A query that can be run: its syntax, and for each value in it what it asks."""

    tree: Syntax
    tests: Mapping[Ask, Test]


def read(query: str, clock: Clock, period: Period = Period()) -> Query:  # noqa: B008 - frozen
    """The query that a text means, for events of a period. Raises QueryError."""
    tree = parse(query)
    tests = {ask: _test(ask, clock, query) for ask in asks(tree)}
    if period == Period():
        return Query(tree, tests)
    during = Ask("time", Range(_mark(period.start), _mark(period.end)))
    return Query(And((during, tree)), {**tests, during: Happened(period)})


def _mark(micros: int | None) -> str | None:
    return None if micros is None else f"@{micros}"


def needs(query: Query, others: frozenset[str] = frozenset()) -> Need:
    """What has to be read to answer a query, and to show the fields `others`."""
    fields = frozenset(ask.field for ask in query.tests)
    return Need((fields | others) - {""}, "" in fields, _period(query.tree, query.tests))


def _period(tree: Syntax, tests: Mapping[Ask, Test]) -> Period:
    """A period outside of which nothing can match."""
    match tree:
        case Ask():
            test = tests[tree]
            return test.period if isinstance(test, Happened) else Period()
        case Not():
            return Period()
        case And(nodes):
            found = Period()
            for node in nodes:
                found = both(found, _period(node, tests))
            return found
        case Or(nodes):
            first, *rest = (_period(node, tests) for node in nodes)
            for other in rest:
                first = either(first, other)
            return first


def _test(ask: Ask, clock: Clock, query: str) -> Test:
    try:
        return _happened(ask, clock) if ask.field in TIME else _asked(ask, clock)
    except ValueError as error:
        raise QueryError(str(error), query, ask.at) from None


def _happened(ask: Ask, clock: Clock) -> Happened:
    """What is asked of the event's own time. Raises ValueError."""
    match ask.value:
        case Text((Wild.ANY,)):
            return Happened(Period())
        case Text(tokens) if all(isinstance(token, str) for token in tokens):
            return Happened(clock.period("".join(map(str, tokens))))
        case Range() as bounds:
            return Happened(_period_of(bounds, clock))
        case _:
            raise ValueError(f"{ask.field} takes a time, a range of times, or * alone")


def _asked(ask: Ask, clock: Clock) -> Test:
    """What is asked of the values of a field. Raises ValueError."""
    match ask.value:
        case Pattern(source, flags):
            try:
                searcher(source, flags)
            except ValueError as error:
                raise ValueError(f"this pattern cannot be used: {error}") from None
            return Regex(source, flags)
        case Text(tokens, quoted):
            return _text(tokens, quoted, bool(ask.field))
        case Range() as bounds:
            return _range(bounds, clock)


def _text(tokens: tuple[Token, ...], quoted: bool, whole: bool) -> Predicate:
    if not whole:
        return Glob(within(tokens))
    match tokens:
        case (str(word),) if not quoted and _WHOLE.fullmatch(word):
            return Equals(int(word))
        case (str(word),) if not quoted and _NETWORK.fullmatch(word):
            try:
                return Cidr(ip_network(word, strict=False))
            except ValueError:
                raise ValueError(f"{word} is no network; put it in quotes to look for it as text") from None
    return Glob(tokens)


def _range(bounds: Range, clock: Clock) -> Within:
    kinds = {_kind(bound) for bound in (bounds.low, bounds.high) if bound is not None}
    if not kinds:
        raise ValueError("a range needs a bound; field:* asks whether the field is there")
    # A bound that is no number, time or address makes it a range of texts; two that are different are a mistake.
    if len(kinds) > 1:
        one, other = sorted(kinds)
        raise ValueError(f"a range goes from one kind to the same: this one mixes {_PLURAL[one]} and {_PLURAL[other]}")
    kind = kinds.pop()
    if kind == "time":
        period = _period_of(bounds, clock)
        return Within(kind, period.start, period.end, with_high=False)
    low, high = (None if bound is None else _bound(kind, bound) for bound in (bounds.low, bounds.high))
    if low is not None and high is not None:
        if kind == "address" and low.version != high.version:
            raise ValueError("a range of addresses goes from IPv4 to IPv4, or from IPv6 to IPv6")
        if low > high:
            raise ValueError(f"nothing lies in this range: {bounds.low} comes after {bounds.high}")
    return Within(kind, low, high, bounds.with_low, bounds.with_high)


def _kind(bound: str) -> Kind:
    if number(bound) is not None:
        return "number"
    if _TIME.fullmatch(bound):
        return "time"
    return "text" if address(bound) is None else "address"


def _bound(kind: Kind, bound: str) -> Any:
    match kind:
        case "number":
            return number(bound)
        case "address":
            return address(bound)
        case _:
            return fold(bound)


def _period_of(bounds: Range, clock: Clock) -> Period:
    """The period of a range of times: an inclusive bound is in it as a whole, an exclusive one not at all."""
    low = None if bounds.low is None else clock.period(bounds.low)
    high = None if bounds.high is None else clock.period(bounds.high)
    start = None if low is None else low.start if bounds.with_low else low.end
    end = None if high is None else high.end if bounds.with_high else high.start
    if start is not None and end is not None and start >= end:
        raise ValueError(f"nothing lies in this range: {bounds.low} comes after {bounds.high}")
    return Period(start, end)
