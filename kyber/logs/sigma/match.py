"""A plan over batches: one EventBatch in, per rule the rows that match out; at the end, the rules that were blind.

Each distinct value of a column is judged once against all predicates that any rule asks of the column: one pass of an
Aho-Corasick automaton for parts of texts, a look-up for whole ones, and the rest one by one. A rule whose necessary
predicates hit no value of the batch costs no more than that; only the others look at rows, by gathering codes.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from time import monotonic

import ahocorasick_rs
import numpy as np
from numpy.typing import NDArray

from kyber.finding import Blind, Evidence
from kyber.logs.batch import Codes, Column, EventBatch, LogSource, Rows
from kyber.logs.schema import Condition
from kyber.logs.sigma.plan import Plan, Planned, Question, Tree, numbers_in
from kyber.logs.sigma.predicate import (
    ANY,
    And,
    Equals,
    FieldRef,
    Glob,
    Leaf,
    Node,
    Not,
    Predicate,
    RegexTimeout,
    TimePart,
    compiled,
)
from kyber.logs.sigma.rule import Rule
from kyber.logs.values import Value, fold, number, parts, shown, texts

SHORT = 3
"""Parts of texts shorter than this are looked for one by one: an automaton would report them everywhere."""
WINDOW = 65_536
"""Characters given to an automaton at once, so that a long hostile value cannot make a list of a million hits."""
REGEX_BUDGET = 20.0
"""Seconds that one pattern may take over a whole scan; the values after that it does not see, and its rule is blind."""
NOTICEABLE = 0.001
MEMORY = 8 * 2**20
"""Characters of a field's distinct values whose verdicts are remembered from batch to batch."""


class Where(IntEnum):
    """Where in a value a needle must lie for its predicate to hold; LOOK: the predicate has to be asked itself."""

    ANYWHERE = 0
    START = 1
    END = 2
    LOOK = 3


Wanted = dict[str, list[tuple[int, Where]]]
"""Needle -> the predicates that look for it, and where."""


class _Needles:
    """Every part of a text that the predicates of one field look for, found in one pass over a value."""

    def __init__(self, wanted: Wanted) -> None:
        self.short = [(needle, found) for needle, found in wanted.items() if len(needle) < SHORT]
        self.long = [needle for needle in wanted if len(needle) >= SHORT]
        self.found = [wanted[needle] for needle in self.long]
        self.longest = max(map(len, self.long), default=0)
        self.automaton = ahocorasick_rs.AhoCorasick(self.long) if self.long else None

    def search(self, value: str, hits: set[int], look: set[int]) -> None:
        """Add the predicates that hold to `hits`, and those that still have to be asked to `look`."""
        size = len(value)
        if self.automaton is not None:
            for start in range(0, size, WINDOW) if size > WINDOW else (0,):
                window = value if size <= WINDOW else value[start : start + WINDOW + self.longest]
                for index, begin, end in self.automaton.find_matches_as_indexes(window, overlapping=True):
                    for identity, where in self.found[index]:
                        if where is Where.LOOK:
                            look.add(identity)
                        elif (
                            where is Where.ANYWHERE
                            or (where is Where.START and start + begin == 0)
                            or (where is Where.END and start + end == size)
                        ):
                            hits.add(identity)
        for needle, found in self.short:
            if needle in value:
                for identity, where in found:
                    if where is Where.LOOK:
                        look.add(identity)
                    elif (
                        where is Where.ANYWHERE
                        or (where is Where.START and value.startswith(needle))
                        or (where is Where.END and value.endswith(needle))
                    ):
                        hits.add(identity)


class FieldMatcher:
    """Judges values against every predicate over one field. A predicate is named by its question's number.

    Predicates that need more than the value (another field, the source's time zone) are not judged here.
    """

    def __init__(self, predicates: Mapping[int, Predicate]) -> None:
        self.remembered: dict[Value | tuple[str, str], tuple[int, ...]] = {}
        self.held = 0
        self.timeouts: set[int] = set()
        self.spent: dict[int, float] = {}
        self.exact: tuple[dict[str, list[int]], dict[str, list[int]]] = ({}, {})
        self.always: list[int] = []
        self.numbers: dict[int | float, list[int]] = {}
        self.singly: dict[int, Callable[[Value], bool]] = {}
        self.tests: dict[int, tuple[bool, Callable[[str], bool]]] = {}
        wanted: tuple[Wanted, Wanted] = ({}, {})
        for identity, predicate in predicates.items():
            if isinstance(predicate, Glob):
                self._glob(identity, predicate, wanted[predicate.cased])
            elif isinstance(predicate, Equals):
                self.numbers.setdefault(predicate.number, []).append(identity)
            elif not isinstance(predicate, FieldRef | TimePart):
                self.singly[identity] = predicate.holds
        self.folded, self.cased = _Needles(wanted[False]), _Needles(wanted[True])
        self.any_cased = bool(wanted[True] or self.exact[True])

    def _glob(self, identity: int, predicate: Glob, wanted: Wanted) -> None:
        tokens = predicate.folded
        if all(token is ANY for token in tokens) and tokens:
            self.always.append(identity)
            return
        where = None
        match tokens:
            case ():
                self.exact[predicate.cased].setdefault("", []).append(identity)
                return
            case (str(needle),):
                self.exact[predicate.cased].setdefault(needle, []).append(identity)
                return
            case (first, str(needle), last) if first is ANY and last is ANY:
                where = Where.ANYWHERE
            case (str(needle), last) if last is ANY:
                where = Where.START
            case (first, str(needle)) if first is ANY:
                where = Where.END
            case _:
                self.tests[identity] = (predicate.cased, compiled(tokens))
                needle = max((token for token in tokens if isinstance(token, str)), key=len, default="")
                where = Where.LOOK
        if needle:
            wanted.setdefault(needle, []).append((identity, where))
        else:
            self.singly[identity] = predicate.holds

    def judge(self, value: Value) -> tuple[int, ...]:
        """The predicates that hold for a value that is there."""
        hits: set[int] = set()
        for string in texts(value):
            look: set[int] = set()
            folded = fold(string)
            hits.update(self.always)
            hits.update(self.exact[False].get(folded, ()))
            self.folded.search(folded, hits, look)
            if self.any_cased:
                hits.update(self.exact[True].get(string, ()))
                self.cased.search(string, hits, look)
            for identity in look - hits:
                cased, test = self.tests[identity]
                if test(string if cased else folded):
                    hits.add(identity)
        if self.numbers:
            for part in parts(value):
                if (found := number(part)) is not None:
                    hits.update(self.numbers.get(found, ()))
        for identity, holds in self.singly.items():
            if self.spent.get(identity, 0.0) > REGEX_BUDGET:
                self.timeouts.add(identity)
                continue
            started = monotonic()
            try:
                if holds(value):
                    hits.add(identity)
            except RegexTimeout:
                self.timeouts.add(identity)
            took = monotonic() - started
            if took > NOTICEABLE:
                self.spent[identity] = self.spent.get(identity, 0.0) + took
        return tuple(sorted(hits))

    def verdicts(self, values: Sequence[Value]) -> dict[int, list[int]]:
        """Predicate -> the indexes of the values for which it holds; predicates that hit nothing are left out."""
        remembered = self.remembered
        if self.held > MEMORY:
            remembered.clear()
            self.held = 0
        found: dict[int, list[int]] = {}
        for index, value in enumerate(values):
            key = value if type(value) is str else (type(value).__name__, repr(value))
            ids = remembered.get(key)
            if ids is None:
                ids = remembered[key] = self.judge(value)
                self.held += len(key) if type(key) is str else len(key[1])
            for identity in ids:
                found.setdefault(identity, []).append(index)
        return found


_UNSAFE = re.compile(r"[^ !#-\[\]-~]+")
_NUMERIC = re.compile(r"[0-9.eE+-]*")
_ESCAPES = (b"\\u00", b"\\u01", b"\\u21", "\u212a".encode().lower(), "\u0130".encode())
"""What may hide an ASCII letter from a search of the raw record: JSON's escapes, and letters that fold to k and i."""


class Sieve:
    """Finds the JSON records in which a keyword may stand, without reading their values."""

    def __init__(self, needles: Sequence[bytes]) -> None:
        self.automaton = ahocorasick_rs.BytesAhoCorasick([*needles, *_ESCAPES])

    @classmethod
    def of(cls, keywords: Iterable[Predicate]) -> "Sieve | None":
        """The sieve of some keywords; None where one of them could hide in a record as JSON writes it."""
        needles = set()
        for keyword in keywords:
            if not isinstance(keyword, Glob):
                return None
            literals = [token for token in keyword.tokens if isinstance(token, str)]
            needle = max((piece for literal in literals for piece in _UNSAFE.split(literal)), key=len, default="")
            if len(needle) < SHORT or all(map(_NUMERIC.fullmatch, literals)):
                return None
            needles.add(needle.lower().encode())
        return cls(sorted(needles)) if needles else None

    def rows(self, raw: Sequence[bytes]) -> Rows:
        """Which records hold a needle, or something that may hide one."""
        near = np.zeros(len(raw), dtype=bool)
        ends = np.cumsum(np.fromiter(map(len, raw), dtype=np.int64, count=len(raw)) + 1)
        found = self.automaton.find_matches_as_indexes(b"\n".join(raw).lower())
        near[np.searchsorted(ends, np.fromiter((begin for _, begin, _ in found), dtype=np.int64), side="right")] = True
        return near


@dataclass(frozen=True, slots=True)
class Match:
    """A rule, and the rows of the batch that it matched, ascending."""

    rule: Rule
    rows: NDArray[np.int64]


class Matcher:
    """Runs one plan over batches, and knows at the end which of its rules were blind."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.fields = {
            name: FieldMatcher({number: plan.questions[number].predicate for number in numbers})
            for name, numbers in plan.asked.items()
        }
        self.seen: dict[LogSource, set[str]] = {}
        self.sieves = {
            logsource: Sieve.of(
                plan.questions[number].predicate
                for planned in rules
                for number in numbers_in(planned.tree)
                if not plan.questions[number].field
            )
            for logsource, rules in plan.routes.items()
        }

    def matches(self, batch: EventBatch) -> Iterator[Match]:
        """The rules that match something in the batch."""
        held = {
            logsource: rows
            for logsource in self.plan.routes
            if (rows := routed(logsource, batch)) is not None and rows.any()
        }
        answers = _Answers(self, batch, held)
        for logsource, rows in held.items():
            route = _Route(answers, np.flatnonzero(rows), self.sieves[logsource])
            self._look(logsource, route)
            for planned in self.plan.routes[logsource]:
                found = route.rows_of(planned)
                if found is not None and len(found):
                    yield Match(planned.rule, found)

    def _look(self, logsource: LogSource, route: "_Route") -> None:
        """Remember which fields the events of this logsource were seen to have."""
        seen = self.seen.setdefault(logsource, set())
        for name in self.plan.fields[logsource] - seen:
            codes = route.codes(name) if name else None
            if not name or (codes is not None and bool((codes >= 0).any())):
                seen.add(name)

    def blind(self) -> Iterator[Blind]:
        """The rules that could not have fired on what was seen, and those whose patterns took too long."""
        for logsource, rules in self.plan.routes.items():
            seen = self.seen.get(logsource)
            for planned in rules:
                rule = planned.rule
                if seen is None:
                    yield Blind(rule.ref, rule.level, "no-events", {"logsource": str(logsource)})
                elif missing := self._missing(planned.tree, seen):
                    yield Blind(rule.ref, rule.level, "no-field", {"field": ", ".join(sorted(missing))})
                elif late := self._late(planned.tree):
                    yield Blind(rule.ref, rule.level, "regex-time", {"pattern": late})

    def _missing(self, tree: Tree, seen: set[str]) -> set[str]:
        """The fields for want of which the tree cannot hold for any event; empty when it can."""
        if isinstance(tree, int):
            question = self.plan.questions[tree]
            return set() if question.absent else set(question.fields) - seen
        operator, inner = tree
        if operator == "not":
            return set()
        found = [self._missing(one, seen) for one in inner]
        if operator == "and":
            return set().union(*found)
        return set().union(*found) if all(found) else set()

    def _late(self, tree: Tree) -> str:
        if isinstance(tree, int):
            question = self.plan.questions[tree]
            return str(question.predicate) if tree in self.fields[question.field].timeouts else ""
        return next(filter(None, map(self._late, tree[1])), "")

    def evidence(self, rule: Rule, batch: EventBatch, row: int) -> tuple[Evidence, ...]:
        """The leaves of the rule that held for one event, and where they held. For an event that the rule matched."""
        return tuple(dict.fromkeys(_evidence(rule.condition, batch, row)))


_NONE = np.array([], dtype=np.int32)


class _Answers:
    """The questions of a plan, answered for the values of one batch when they are first asked."""

    def __init__(self, matcher: Matcher, batch: EventBatch, held: Mapping[LogSource, Rows]) -> None:
        self.matcher, self.batch, self.held = matcher, batch, held
        self.questions = matcher.plan.questions
        self._columns: dict[str, Column | None] = {}
        self._verdicts: dict[str, Mapping[int, NDArray[np.int32]]] = {}
        self._tables: dict[int, Rows] = {}

    def column(self, name: str) -> Column | None:
        """The column in which a field of the rules is found in this batch."""
        if name not in self._columns:
            asking = self.asking(name)
            few = np.count_nonzero(asking) * 2 < self.batch.rows
            self._columns[name] = self.batch.first_of(self.batch.table.where_is(name), asking if few else None)
        return self._columns[name]

    def asking(self, name: str) -> Rows:
        """The events about which some rule asks this field."""
        fields = self.matcher.plan.fields
        held: Rows = np.logical_or.reduce([rows for logsource, rows in self.held.items() if name in fields[logsource]])
        return held

    def verdicts(self, name: str) -> Mapping[int, NDArray[np.int32]]:
        """For a field: question -> indexes of the column's values that answer yes.

        Only values in events that some rule asks about this field are judged.
        """
        if name not in self._verdicts:
            column, found = self.column(name), {}
            if column is not None:
                codes = np.unique(column.codes[self.asking(name)])
                codes = codes[codes >= 0]
                judged = self.matcher.fields[name].verdicts([column.values[code] for code in codes])
                found = {number: codes[places] for number, places in judged.items()}
            self._verdicts[name] = found
        return self._verdicts[name]

    def table(self, number: int, column: Column) -> Rows | None:
        """Code -> answer, the last place for absence; None where it is no everywhere."""
        question = self.questions[number]
        if isinstance(question.predicate, TimePart):
            zone = self.batch.origin.zone
            held = [index for index, one in enumerate(column.values) if question.predicate.holds_in(one, zone)]
            yes = np.array(held, dtype=np.int32)
        else:
            yes = self.verdicts(question.field).get(number, _NONE)
        if not len(yes) and not question.absent:
            return None
        if number not in self._tables:
            table = np.zeros(len(column.values) + 1, dtype=bool)
            table[yes] = True
            table[-1] = question.absent
            self._tables[number] = table
        return self._tables[number]


Answer = Rows | bool


class _Route:
    """The rows of a batch that the rules of one logsource see."""

    def __init__(self, answers: _Answers, rows: NDArray[np.int64], sieve: Sieve | None) -> None:
        self.answers, self.rows, self.sieve = answers, rows, sieve
        self.whole = len(rows) == answers.batch.rows
        self._codes: dict[str, Codes | None] = {}
        self._keywords: dict[int, Rows] | None = None

    def codes(self, name: str) -> Codes | None:
        """The codes of a field in these rows; None where no event of the batch has it."""
        if name not in self._codes:
            column = self.answers.column(name)
            self._codes[name] = None if column is None else column.codes if self.whole else column.codes[self.rows]
        return self._codes[name]

    def rows_of(self, planned: Planned) -> NDArray[np.int64] | None:
        """The rows that a rule matches; None where it is plain beforehand that there are none."""
        for group in planned.needs:
            if not any(map(self.possible, group)):
                return None
        answer = self.answer(planned.tree)
        if answer is False:
            return None
        return self.rows if answer is True else self.rows[answer]

    def possible(self, number: int) -> bool:
        """Whether some value of the batch may answer yes."""
        question = self.answers.questions[number]
        if not question.field:
            return number in self.keywords()
        if isinstance(question.predicate, FieldRef | TimePart):
            return self.answers.column(question.field) is not None
        return number in self.answers.verdicts(question.field)

    def answer(self, tree: Tree) -> Answer:
        """A condition's answer in each row, or one for all."""
        if isinstance(tree, int):
            return self.asked(tree)
        operator, inner = tree
        if operator == "not":
            found = self.answer(inner[0])
            return not found if isinstance(found, bool) else ~found
        settles = operator == "or"  # what settles it: a yes an `or`, a no an `and`
        joined: Answer = not settles
        for one in inner:
            found = self.answer(one)
            if isinstance(found, bool):
                if found is settles:
                    return settles
            elif isinstance(joined, bool):
                joined = found
            else:
                joined = joined | found if settles else joined & found
            if not isinstance(joined, bool) and (joined.all() if settles else not joined.any()):
                return settles
        return joined

    def asked(self, number: int) -> Answer:
        """A question's answer in each row, or one for all."""
        question = self.answers.questions[number]
        if not question.field:
            return self.keywords().get(number, False)
        codes = self.codes(question.field)
        column = self.answers.column(question.field)
        if codes is None or column is None:
            return question.absent
        if isinstance(question.predicate, FieldRef):
            return self.compared(question.predicate, column, codes)
        table = self.answers.table(number, column)
        return False if table is None else table[codes]

    def compared(self, reference: FieldRef, column: Column, codes: Codes) -> Answer:
        """One field against another: each distinct pair of values is compared once."""
        other, theirs = self.answers.column(reference.field), self.codes(reference.field)
        if other is None or theirs is None:
            return False
        pairs, place = np.unique(np.stack((codes, theirs)), axis=1, return_inverse=True)
        found = [
            bool(mine >= 0 and its >= 0 and reference.compares(column.values[mine], other.values[its]))
            for mine, its in pairs.T
        ]
        answer: Rows = np.array(found, dtype=bool)[place.reshape(-1)]
        return answer

    def keywords(self) -> dict[int, Rows]:
        """Keyword question -> its answer in each row: whether any value of the event answers yes."""
        if self._keywords is None:
            found: dict[int, Rows] = {}
            batch = self.answers.batch
            places = np.arange(len(self.rows))
            if batch.json and self.sieve is not None:
                places = np.flatnonzero(self.sieve.rows([batch.raw[row] for row in self.rows]))
            if len(places):
                for column in batch.columns_at(None if len(places) == batch.rows else self.rows[places]):
                    for number, indexes in self.answers.matcher.fields[""].verdicts(column.values).items():
                        table = np.zeros(len(column.values) + 1, dtype=bool)
                        table[indexes] = True
                        answer = found.setdefault(number, np.zeros(len(self.rows), dtype=bool))
                        answer[places] |= table[column.codes]
            self._keywords = found
        return self._keywords


def routed(logsource: LogSource, batch: EventBatch) -> Rows | None:
    """The rows of a batch that a rule's logsource means; None where it means none of them.

    What the batch is declared to be counts first; a category or service that it is not declared to be is looked for in
    its events, as the product's table says.
    """
    declared = batch.logsource
    if logsource.product is not None and logsource.product != declared.product:
        return None
    held: Rows | None = None
    for wanted, given, table in (
        (logsource.category, declared.category, batch.table.categories),
        (logsource.service, declared.service, batch.table.services),
    ):
        if wanted is None or wanted == given:
            continue
        if wanted not in table:
            return None
        alternatives: Sequence[Condition] = table[wanted]
        here = batch.where(alternatives[0])
        for condition in alternatives[1:]:
            here = here | batch.where(condition)
        held = here if held is None else held & here
    return np.ones(batch.rows, dtype=bool) if held is None else held


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
        for name in batch.names:
            column = batch.column(name)
            if column is not None and column.codes[row] >= 0 and _asked(leaf.predicate, column.at(row), batch, row):
                yield name, column.at(row)
        return
    for name in batch.table.where_is(leaf.field):
        column = batch.column(name)
        if column is not None and column.codes[row] >= 0:
            if _asked(leaf.predicate, column.at(row), batch, row):
                yield name, column.at(row)
            return
    if Question(leaf.field, leaf.predicate).absent:
        yield "", None


def _asked(predicate: Predicate, value: Value, batch: EventBatch, row: int) -> bool:
    if isinstance(predicate, TimePart):
        return predicate.holds_in(value, batch.origin.zone)
    if isinstance(predicate, FieldRef):
        other = batch.first_of(batch.table.where_is(predicate.field))
        return other is not None and other.codes[row] >= 0 and predicate.compares(value, other.at(row))
    try:
        return predicate.holds(value)
    except RegexTimeout:
        return False


def _leaf_evidence(leaf: Leaf, batch: EventBatch, row: int) -> list[Evidence]:
    return [
        Evidence(
            part=leaf.part, field=leaf.field, column=name, value=_matching(leaf, value), pattern=str(leaf.predicate)
        )
        for name, value in _held(leaf, batch, row)
        if name
    ][:MOST_EVIDENCE]


MOST_EVIDENCE = 8
"""Columns that are named for one keyword."""


def _matching(leaf: Leaf, value: Value) -> str:
    """The element of an array that matched; the whole value where that cannot be said of one."""
    if isinstance(value, tuple) and not isinstance(leaf.predicate, FieldRef | TimePart):
        return next((shown(part) for part in value if leaf.predicate.holds(part)), shown(value))
    return shown(value)
