"""A plan over batches: one EventBatch in, per rule the rows that match out; at the end, the rules that were blind.

Each distinct value of a column is judged once against all predicates that any rule asks of the column. A rule whose
necessary predicates hit no value of the batch costs no more than that; only the others look at rows, by their codes.
"""

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

import numpy as np
import orjson
from numpy.typing import NDArray

from kyber.finding import Blind
from kyber.logs.batch import Codes, Column, EventBatch, LogSource, Rows
from kyber.logs.schema import Condition, Table
from kyber.logs.sigma.judge import FieldMatcher, Patience, Sieve
from kyber.logs.sigma.plan import Plan, Planned, Tree, numbers_in
from kyber.logs.sigma.predicate import FieldRef, TimePart, TooLong
from kyber.logs.sigma.rule import Rule


@dataclass(frozen=True, slots=True)
class Match:
    """A rule, and the rows of the batch that it matched, ascending."""

    rule: Rule
    rows: NDArray[np.int64]


class Matcher:
    """Runs one plan over batches, and knows at the end which of its rules were blind."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        patience = Patience()
        self.fields = {
            name: FieldMatcher({number: plan.questions[number].predicate for number in numbers}, patience)
            for name, numbers in plan.asked.items()
        }
        self.undecided = {
            name: found
            for name, numbers in plan.asked.items()
            if (
                found := frozenset(
                    one for one in numbers if isinstance(plan.questions[one].predicate, FieldRef | TimePart)
                )
            )
        }
        """By field, the questions that its values alone do not answer."""
        self.seen: dict[LogSource, set[str]] = {}
        self._wanted: dict[str, frozenset[str]] = {}
        self.keywords = {
            logsource: _Keywords(plan, asked)
            for logsource, rules in plan.routes.items()
            if (
                asked := {
                    number
                    for planned in rules
                    for number in numbers_in(planned.tree)
                    if not plan.questions[number].field
                }
            )
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
            route = _Route(answers, logsource, np.flatnonzero(rows))
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

    def wanted(self, table: Table) -> frozenset[str]:
        """The native columns of a product that some rule, or a finding, may look at; found once a table."""
        if table.name not in self._wanted:
            self._wanted[table.name] = self._looked_at(table)
        return self._wanted[table.name]

    def _looked_at(self, table: Table) -> frozenset[str]:
        fields = (name for names in self.plan.fields.values() for name in names)
        columns = {column for name in fields for column in table.where_is(name)} | set(table.columns) | set(table.shown)
        drawn = {one.column for name in columns for one in table.columns.get(name, ())}
        conditions = (table.services.values(), table.categories.values())
        kinds = {name for kind in conditions for alternatives in kind for one in alternatives for name, _ in one}
        return frozenset(columns | drawn | kinds | {clock.column for clock in table.time})

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
            if column is not None and name in self.matcher.fields:
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
            zone = self.batch.zone
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

    def __init__(self, answers: _Answers, logsource: LogSource, rows: NDArray[np.int64]) -> None:
        self.answers, self.rows = answers, rows
        self.logsource = logsource
        self.fields = answers.matcher.plan.fields[logsource]
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
        if any(self.possible.isdisjoint(group) for group in planned.needs):
            return None
        answer = self.answer(planned.tree)
        if answer is False:
            return None
        return self.rows if answer is True else self.rows[answer]

    @cached_property
    def possible(self) -> frozenset[int]:
        """The questions to which some value of the batch may answer yes."""
        answers, found = self.answers, set(self.keywords() if "" in self.fields else ())
        for name in self.fields - {""}:
            if answers.column(name) is not None:
                found |= answers.verdicts(name).keys() | answers.matcher.undecided.get(name, frozenset())
        return frozenset(found)

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
            return self.compared(number, question.predicate, column, codes)
        table = self.answers.table(number, column)
        return False if table is None else table[codes]

    def compared(self, number: int, reference: FieldRef, column: Column, codes: Codes) -> Answer:
        """One field against another: each distinct pair of values is compared once."""
        other, theirs = self.answers.column(reference.field), self.codes(reference.field)
        if other is None or theirs is None:
            return False
        pairs, place = np.unique(np.stack((codes, theirs)), axis=1, return_inverse=True)

        matcher = self.answers.matcher.fields[self.answers.questions[number].field]

        def holds(mine: int, its: int) -> bool:
            try:
                return mine >= 0 and its >= 0 and reference.compares(column.values[mine], other.values[its])
            except TooLong:
                matcher.timeouts.add(number)
                return False

        found = [holds(mine, its) for mine, its in pairs.T.tolist()]
        answer: Rows = np.array(found, dtype=bool)[place.reshape(-1)]
        return answer

    def keywords(self) -> dict[int, Rows]:
        """Keyword question -> its answer in each row: whether any value of the event answers yes."""
        if self._keywords is None:
            asked, memory = self.answers.matcher.keywords.get(self.logsource), self.answers.batch.read.memory
            if asked is None:
                self._keywords = {}
            elif memory is None:
                self._keywords = self._looked_for(asked)
            else:
                self._keywords = self._remembered(asked, memory)
        return self._keywords

    def _remembered(self, asked: "_Keywords", memory: MutableMapping[bytes, bytes]) -> dict[int, Rows]:
        """What was found in these rows the last time; else what is found now, which is remembered."""
        key = sha256(asked.key + self.rows.tobytes()).digest()
        known = memory.get(key)
        if known is None:
            found = self._looked_for(asked)
            if asked.known.isdisjoint(self.answers.matcher.fields[""].timeouts):
                places = {asked.numbers.index(number): np.flatnonzero(rows).tolist() for number, rows in found.items()}
                memory[key] = orjson.dumps([[place, rows] for place, rows in places.items() if rows])
            return found
        answers = {}
        for place, rows in orjson.loads(known):
            answers[asked.numbers[place]] = answer = np.zeros(len(self.rows), dtype=bool)
            answer[rows] = True
        return answers

    def _looked_for(self, asked: "_Keywords") -> dict[int, Rows]:
        found: dict[int, Rows] = {}
        batch = self.answers.batch
        places = np.arange(len(self.rows))
        if batch.verbatim and asked.sieve is not None:
            places = np.flatnonzero(asked.sieve.rows(*batch.read.joined(self.rows)))
        if len(places):
            for _, cells, column in batch.cells(self.rows[places]):
                for number, indexes in self.answers.matcher.fields[""].verdicts(column.values).items():
                    table = np.zeros(len(column.values), dtype=bool)
                    table[indexes] = True
                    answer = found.setdefault(number, np.zeros(batch.rows, dtype=bool))
                    answer[cells[table[column.codes]]] = True
        return {number: answer[self.rows] for number, answer in found.items() if number in asked.known}


MEANING = b"1:"
"""Changes when the same keywords come to mean something else, so that nothing remembered of them is believed."""


class _Keywords:
    """The keyword questions that the rules of one logsource ask."""

    def __init__(self, plan: Plan, numbers: set[int]) -> None:
        self.known = frozenset(numbers)
        self.numbers = sorted(numbers, key=lambda number: repr(plan.questions[number].predicate))
        self.sieve = Sieve.of(plan.questions[number].predicate for number in self.numbers)
        named = (repr(plan.questions[number].predicate).encode() for number in self.numbers)
        self.key = sha256(MEANING + b"\0".join(named)).digest()


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
