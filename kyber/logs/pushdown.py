"""Rules or a search in, a `Narrow` out: what a store may be asked for so that nothing that they match is missing.

It follows the way of the engine and says at each step no more than what must hold: a field becomes every native column
that it may be drawn from, a pattern what its folded text looks like, and what cannot be said for sure (a negation, a
field that is absent, a column that kyber works out itself) holds for every event. None holds for every event, too.
The engine then decides; a test holds that it finds the same as without.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from ipaddress import IPv4Network
from math import isfinite
from typing import Final

from kyber.logs.batch import LogSource
from kyber.logs.enrich import COLUMNS
from kyber.logs.formats.known import FORMATS
from kyber.logs.hearing import answered
from kyber.logs.schema import Condition, Drawn, Table, tables
from kyber.logs.search import query as syntax
from kyber.logs.search.fields import OWN, where_is
from kyber.logs.search.meaning import Happened, Query, Test, Within
from kyber.logs.sigma.asking import SOURCE, silenced
from kyber.logs.sigma.literals import literals
from kyber.logs.sigma.plan import Plan, Planned, Question, Tree, plan
from kyber.logs.sigma.predicate import Cidr, Equals, FieldRef, Glob, Order, Regex, TimePart, Token
from kyber.logs.sigma.predicate import Wild as Sigma
from kyber.logs.sigma.rule import RuleSet
from kyber.logs.store.narrow import (
    ANY,
    ONE,
    All,
    Either,
    Has,
    Narrow,
    Nature,
    Numeral,
    Piece,
    Term,
    both,
    cost,
    either,
    fitting,
)
from kyber.logs.values import fold

MAX_NETWORKS: Final = 16
"""Beginnings of addresses that stand for one network; of more, an octet less is told."""
MAX_REMEMBERED: Final = 20_000
"""Fields whose columns are remembered."""
VAGUE: Final = 150
"""What may be spent to know more of a field than that it is there: clauses, and what `narrow.MAX_EFFORT` counts."""
BRIEF: Final = (150, 0)
"""The same for each rule, where there are many rules."""
COMMON: Final = frozenset(("message", "process.name", "winlog.provider_name", "winlog.channel", "winlog.event_id"))
"""Columns that most events of some kind have, so that it says nothing that one is there."""

_DERIVED: Final = frozenset((*COLUMNS, SOURCE))
"""Columns that kyber works out when it reads: no document has them."""
_DOT: Final = "\u0307"
"""What str.lower leaves of U+0130 beside the i, and `fold` does not."""


# --- rules -----------------------------------------------------------------------------------------------------------


def superset_of_rules(rules: RuleSet, *, silence: bool = True) -> Narrow | None:
    """What holds at least every event that the rules, and the correlations over them, have to see.

    Rules about silence have to see everything. `silence`: they are asked of the same events; where it is False,
    `hearing.hear` answers for those that it can, and the rules that nothing else is about are left out.
    """
    heard = frozenset() if silence else frozenset(one.ref.id for one in answered(rules))
    if any(one.of_absence and one.ref.id not in heard for one in rules.correlations):
        return None
    quiet = silenced(rules.correlations)
    awake = {rule for one in rules.correlations if one.ref.id not in heard for rule in one.rules}
    return _superset_of_plan(plan(rules.rules), quiet - awake if heard else frozenset())


def _superset_of_plan(found: Plan, without: frozenset[str]) -> Narrow | None:
    """What holds at least every event that the rules of a plan match; `without` the rules of these ids."""
    choices: list[Sequence[Narrow | None]] = []
    products: dict[str, tuple[Table, ...]] = {}
    for logsource, planned in found.routes.items():
        awake = [one for one in planned if one.rule.ref.id not in without] if without else planned
        if awake:
            choices.append(_ways(found, logsource, awake))
            if logsource.product is not None:
                products[logsource.product] = _tables(logsource.product)
    for product, told in products.items():  # a source may be declared to be one, whatever it looks like
        others = tuple(table.name for table in _tables(None) if table not in told)
        if others:
            choices.append([both((Nature("product", (product,)), Nature("table", others)))])
    return fitting(choices)


def _ways(found: Plan, logsource: LogSource, rules: Iterable[Planned]) -> list[Narrow | None]:
    """What the rules of a logsource match, from the narrowest to the widest way to say it."""
    route = _route(logsource)

    @cache
    def asked(number: int) -> Narrow | None:
        return _question(found.questions[number], logsource.product)

    matched = [_matched(one.tree, asked) for one in rules]
    whole = either(matched)
    if whole is None:
        return [route]
    few = [_fewest(one) for one in matched]
    briefly = (either(_vague(one) if cost(one).effort > most else one for one in few) for most in BRIEF)
    return [both((route, asked_)) for asked_ in (whole, either(few), *briefly, None)]


def _matched(tree: Tree, asked: Callable[[int], Narrow | None]) -> Narrow | None:
    if isinstance(tree, int):
        return asked(tree)
    operator, inner = tree
    if operator == "not":
        return None
    return (both if operator == "and" else either)(_matched(one, asked) for one in inner)


def _fewest(narrow: Narrow | None) -> Narrow | None:
    """The same, where of parts that all have to hold only the one that is asked with least stands."""
    if isinstance(narrow, Either):
        return either(map(_fewest, narrow.parts))
    if isinstance(narrow, All):
        return min(map(_fewest, narrow.parts), key=_dear)
    return narrow


def _dear(narrow: Narrow | None) -> tuple[int, int]:
    """How much it costs to ask, and to hold too much."""
    parts = narrow.parts if isinstance(narrow, Either) else (narrow,)
    asked = cost(narrow)
    return asked.clauses + asked.effort + VAGUE * any(isinstance(one, Has) for one in parts), -asked.characters


def _vague(narrow: Narrow | None) -> Narrow | None:
    """The same, where of what is not looked up whole it is only asked whether it is there, if that says anything."""
    if isinstance(narrow, Either | All):
        parts = dict.fromkeys(map(_vague, narrow.parts))
        return (either if isinstance(narrow, Either) else both)(parts)
    if isinstance(narrow, Term) and narrow.fields and COMMON.isdisjoint(narrow.fields) and cost(narrow).effort:
        return Has(narrow.fields)
    return narrow


@cache
def _tables(product: str | None) -> tuple[Table, ...]:
    """The field tables that events of a product are read with, as far as formats tell; all of them where none does."""
    names = {one.table for one in FORMATS.values() if one.product == product} if product is not None else ()
    return tuple(table for table in tables() if not names or table.name in names)


def _route(logsource: LogSource) -> Narrow | None:
    """What must hold for an event, read with a table of its product, to be of a logsource; see `route.alternatives`."""
    told = _tables(logsource.product)
    parts: list[Narrow | None] = []
    if told != _tables(None):
        parts.append(Nature("table", tuple(table.name for table in told)))
    if logsource.product is not None:
        parts.append(Nature("product", (logsource.product,)))
    if logsource.category is not None:
        kinds = ((table, table.categories.get(logsource.category, ())) for table in told)
        parts.append(either((Nature("category", (logsource.category,)), *_kinds(kinds))))
    if logsource.service is not None:
        kinds = ((table, table.services.get(logsource.service, ())) for table in told)
        parts.append(either((Nature("service", (logsource.service,)), *_kinds(kinds))))
    return both(parts)


def _kinds(told: Iterable[tuple[Table, Sequence[Condition]]]) -> Iterator[Narrow | None]:
    """For each table that has alternatives of conditions: what its events must be to meet one."""
    for table, alternatives in told:
        if alternatives:
            held = either(both(_meets(table, *one) for one in condition) for condition in alternatives)
            yield both((Nature("table", (table.name,)), held))


def _meets(table: Table, column: str, wanted: frozenset[str]) -> Narrow | None:
    """A column has one of some values, in lower case; with an empty one it may be absent."""
    if "" in wanted or column in _DERIVED or any(_DOT in one for one in wanted):
        return None
    columns = _Columns.of(_sources(table, column))
    return either(columns.like((fold(value),)) for value in sorted(wanted))


def _question(question: Question, product: str | None) -> Narrow | None:
    """What must hold for an event of a product to which a question has the answer yes."""
    predicate, columns = question.predicate, _columns(question.field, product) if question.field else None
    if question.absent or (question.field and columns is None):
        return None
    if isinstance(predicate, FieldRef):
        other = _columns(predicate.field, product)
        return both((None if columns is None else columns.there, None if other is None else other.there))
    return _asked(predicate, columns)


# --- columns ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Columns:
    """Native columns that a field may be drawn from, folded: whole, or what stands in them after or before a sign."""

    whole: tuple[str, ...]
    after: tuple[str, ...]
    before: tuple[str, ...]

    @classmethod
    def of(cls, drawn: Iterable[Drawn]) -> "_Columns":
        """Those that a field is drawn from."""
        whole: dict[str, None] = {}
        after: dict[str, None] = {}
        before: dict[str, None] = {}
        for one in drawn:
            (after if one.after else before if one.before else whole)[fold(one.column)] = None
        return cls(tuple(whole), tuple(after), tuple(before))

    @property
    def there(self) -> Narrow:
        """One of them has a value."""
        return Has(tuple(dict.fromkeys((*self.whole, *self.after, *self.before))))

    def like(self, pattern: tuple[Piece, ...]) -> Narrow | None:
        """One of them, or what is drawn of it, matches a pattern."""
        kinds = ((self.whole, pattern), (self.after, (ANY, *pattern)), (self.before, (*pattern, ANY)))
        return either(Term(fields, asked) for fields, asked in kinds if fields)

    def equal(self, number: int | float) -> Narrow | None:
        """One of them reads as a number; see `values.number`."""
        parts: list[Narrow] = [Has(fields) for fields in (self.after, self.before) if fields]
        if number == int(number) and number >= 0:
            parts.append(Term(self.whole, (str(int(number)),)))
        return either((*parts, Numeral(self.whole)))


@lru_cache(MAX_REMEMBERED)
def _columns(field: str, product: str | None) -> _Columns | None:
    """Where rules look for a field in events of a product; None where kyber may work it out."""
    told = [(table, table.where_is(field)) for table in _tables(product)]
    if any(name in _DERIVED for _, names in told for name in names):
        return None
    return _Columns.of(column for table, names in told for name in names for column in _sources(table, name))


def _sources(table: Table, name: str) -> Iterator[Drawn]:
    """What a column is drawn from: native columns."""
    yield from table.columns.get(name, ())
    yield Drawn(name)


# --- searches --------------------------------------------------------------------------------------------------------


def superset(query: Query) -> Narrow | None:
    """What holds at least every event that a search finds, whenever it happened (`meaning.needs` knows the period)."""
    asked = {ask: _test(ask.field, test) for ask, test in query.tests.items()}
    whole = _found(query.tree, asked.__getitem__)
    return fitting([[whole, _fewest(whole), _vague(whole), None]])


def _found(tree: syntax.Syntax, asked: Callable[[syntax.Ask], Narrow | None]) -> Narrow | None:
    match tree:
        case syntax.Ask():
            return asked(tree)
        case syntax.And(parts):
            return both(_found(one, asked) for one in parts)
        case syntax.Or(parts):
            return either(_found(one, asked) for one in parts)
    return None


def _test(field: str, test: Test) -> Narrow | None:
    if isinstance(test, Happened) or field in OWN:
        return None
    if not field:
        return _asked(test, None)
    columns: list[Drawn] = []
    for table in _tables(None):
        for name in where_is(table, field):
            spelled = name.lower()
            if spelled in _DERIVED or _DOT in spelled:
                return None
            # Columns whose names differ in case fold to the same.
            names = (name, *(one for one in table.columns if one.lower() == spelled))
            columns += (column for one in names for column in _sources(table, one))
    return _asked(test, _Columns.of(columns))


# --- what one value asks ---------------------------------------------------------------------------------------------


def _asked(test: Test, columns: _Columns | None) -> Narrow | None:
    """What must hold where a test holds for one of these columns; None: for any value of the event."""
    texts = literals(test.source, test.flags) if isinstance(test, Regex) else None
    patterns: list[tuple[Piece, ...]] = [(ANY, text, ANY) for text in sorted(texts or ())]
    if isinstance(test, Glob):
        patterns.append(tuple(map(_piece, test.tokens)))
    if patterns:
        return either(Term((), one) if columns is None else columns.like(one) for one in patterns)
    if columns is None:
        return None
    match test:
        case Equals(number) if isfinite(number):
            return columns.equal(number)
        case Cidr(network) if isinstance(network, IPv4Network):
            return either(map(columns.like, _addresses(network)))
        case Cidr() | Equals() | Regex() | Order() | TimePart() | Within():
            return columns.there
    return None  # a null value, which is there, has no term either


def _piece(token: Token) -> Piece:
    if isinstance(token, Sigma):
        return ANY if token is Sigma.ANY else ONE
    return fold(token)


def _addresses(network: IPv4Network) -> Iterator[tuple[Piece, ...]]:
    """Patterns of the addresses in a network: an address of version 4 is written in one way only."""
    octets, rest = divmod(network.prefixlen, 8)
    several = 2 ** (8 - rest) if rest else 1
    if rest and several <= MAX_NETWORKS:
        octets += 1
    else:
        several = 1  # an octet less is told
    if not octets:
        yield (ANY,)
        return
    *head, first = str(network.network_address).split(".")[:octets]
    for octet in range(int(first), int(first) + several):
        beginning = ".".join((*head, str(octet)))
        yield (beginning,) if octets == 4 else (f"{beginning}.", ANY)
