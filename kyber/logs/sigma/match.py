"""A plan over batches: one EventBatch in, per rule the rows that match out; at the end, the rules that were blind.

Each distinct value of a column is judged once against all predicates that any rule asks of the column. A rule whose
necessary predicates hit no value of the batch costs no more than that; only the others look at rows, by their codes.
"""

from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256

import numpy as np
import orjson
from numpy.typing import NDArray

from kyber.finding import Blind
from kyber.logs.batch import EventBatch, LogSource
from kyber.logs.column import Codes, Column, Rows
from kyber.logs.schema import Table
from kyber.logs.sigma.judge import FieldMatcher, Patience, Sieve
from kyber.logs.sigma.plan import Plan, Planned, PlannedFilter, Tree, numbers_in
from kyber.logs.sigma.predicate import FieldRef, TimePart, TooLong
from kyber.logs.sigma.route import Router
from kyber.logs.sigma.rule import Rule


@dataclass(frozen=True, slots=True)
class Match:
    """A rule, and the rows of the batch that it matched and no filter took out, ascending; there may be none.

    `hidden`: by the filter's id, the rows that it took out. A row that several filters select is in each of them.
    """

    rule: Rule
    rows: NDArray[np.int64]
    hidden: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Matched:
    """What a matcher knows in the end: which fields the events of each logsource were seen to have, and the questions
    whose patterns took too long: the rules', and each filter's. Plain data."""

    seen: Mapping[LogSource, set[str]]
    late: frozenset[int]
    filters: Sequence[frozenset[int]]


class Judges:
    """The questions of a plan, made ready to be answered when they are needed: a field's when it is first judged, and
    then only those of the logsources that were met. `trees`: by logsource, the conditions that ask them."""

    def __init__(self, plan: Plan, trees: Mapping[LogSource, Iterable[Tree]], patience: Patience) -> None:
        self.plan, self.trees, self.patience = plan, trees, patience
        self.met: set[LogSource] = set()
        self.asked: set[int] = set()
        self.fields: dict[str, FieldMatcher] = {}
        self.whole: set[str] = set()
        self.elsewhere: frozenset[int] = frozenset()
        self.keywords: dict[LogSource, _Keywords] = {}

    def meet(self, logsources: Iterable[LogSource]) -> None:
        """Questions of these logsources may be asked from now on."""
        for logsource in logsources:
            if logsource in self.met:
                continue
            self.met.add(logsource)
            asked = {number for tree in self.trees[logsource] for number in numbers_in(tree)}
            if keywords := asked.intersection(self.plan.asked.get("", ())):
                self.keywords[logsource] = _Keywords(self.plan, keywords)
            new = asked - self.asked
            self.asked |= new
            for name in self.fields.keys() - self.whole:
                if not new.isdisjoint(self.plan.asked.get(name, ())):
                    # Made anew once only, so that many logsources met one by one do not make it many times.
                    before = self.fields[name]
                    self.whole.add(name)
                    self.fields[name] = after = self._made(self.plan.asked[name])
                    after.timeouts |= before.timeouts
                    after.spent |= before.spent

    def field(self, name: str) -> FieldMatcher:
        """What judges the values of a field."""
        if name not in self.fields:
            self.fields[name] = self._made(number for number in self.plan.asked.get(name, ()) if number in self.asked)
        return self.fields[name]

    def _made(self, numbers: Iterable[int]) -> FieldMatcher:
        return FieldMatcher({number: self.plan.questions[number].predicate for number in numbers}, self.patience)

    @property
    def lost(self) -> frozenset[int]:
        """The questions whose patterns took too long, here or elsewhere."""
        return self.elsewhere.union(*(one.timeouts for one in self.fields.values()))

    def late(self, tree: Tree) -> str:
        """A pattern of a condition that took too long; empty where none did."""
        late = self.lost
        number = next(filter(late.__contains__, numbers_in(tree)), None) if late else None
        return "" if number is None else str(self.plan.questions[number].predicate)


class Matcher:
    """Runs one plan over batches, and knows at the end which of its rules were blind."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        patience = Patience()
        trees = {logsource: [one.tree for one in rules] for logsource, rules in plan.routes.items()}
        self.judges = Judges(plan, trees, patience)
        self.filters = [_Filtering(one, patience) for one in plan.filters]
        self.router = Router(plan.routes)
        self.seen: dict[LogSource, set[str]] = {}
        self._needed: dict[LogSource, _Needed] = {}
        self._wanted: dict[str, frozenset[str]] = {}

    def matches(self, batch: EventBatch) -> Iterator[Match]:
        """The rules that match something in the batch, and what filters took out of it."""
        for route in self.routes(batch):
            self._look(route.logsource, route)
            for planned in self._possible(route):
                found = route.rows_of(planned.tree, planned.needs)
                if found is not None and len(found):
                    yield self._filtered(planned, batch, found) if planned.filters else Match(planned.rule, found)

    def look(self, batch: EventBatch) -> None:
        """See which fields the events of a batch have, and match nothing: enough to know the blind rules."""
        for route in self.routes(batch):
            self._look(route.logsource, route)

    def found(self) -> Matched:
        """What is known by now."""
        return Matched(self.seen, self.judges.lost, [one.judges.lost for one in self.filters])

    def take(self, other: Matched) -> None:
        """Take in what another matcher of the same plan knows."""
        for logsource, names in other.seen.items():
            self.seen.setdefault(logsource, set()).update(names)
        self.judges.elsewhere |= other.late
        for one, late in zip(self.filters, other.filters, strict=True):
            one.judges.elsewhere |= late

    def _possible(self, route: "Route") -> Iterator[Planned]:
        """The rules of a logsource that may match something in the batch, in order."""
        logsource = route.logsource
        if logsource not in self._needed:
            self._needed[logsource] = _Needed.of(self.plan.routes[logsource])
        return self._needed[logsource].possible(route.possible)

    def routes(self, batch: EventBatch) -> Iterator["Route"]:
        """The events of a batch that rules see, a logsource at a time, to be asked what their rules ask."""
        held = self.router.held(batch)
        answers = _Answers(self.judges, batch, held)
        for logsource, rows in held.items():
            yield Route(answers, logsource, np.flatnonzero(rows))

    def _filtered(self, planned: Planned, batch: EventBatch, rows: NDArray[np.int64]) -> Match:
        """What is left of the rows that a rule matched; every filter looks at all of them."""
        selected = ((self.filters[one], self.filters[one].selected(batch, rows)) for one in planned.filters)
        hidden = {one.planned.filter.ref.id: found for one, found in selected if len(found)}
        left = np.setdiff1d(rows, np.concatenate(list(hidden.values()))) if hidden else rows
        return Match(planned.rule, left, hidden)

    def _look(self, logsource: LogSource, route: "Route") -> None:
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
        plans = (self.plan, *(one.plan for one in self.plan.filters))
        fields = (name for plan in plans for names in plan.fields.values() for name in names)
        columns = {column for name in fields for column in table.where_is(name)} | set(table.columns) | set(table.shown)
        conditions = (table.services.values(), table.categories.values())
        kinds = {name for kind in conditions for alternatives in kind for one in alternatives for name, _ in one}
        return table.drawn_for(columns) | kinds | {clock.column for clock in table.time}

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
                elif late := self._late(planned):
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

    def _late(self, planned: Planned) -> str:
        filters = (self.filters[one] for one in planned.filters)
        return self.judges.late(planned.tree) or next(filter(None, (one.late for one in filters)), "")


@dataclass(frozen=True, slots=True)
class _Needed:
    """The rules of a logsource by what they need: of one group of questions, the smallest, each rule's place stands
    under every question. `always`: the places of rules that need nothing."""

    rules: Sequence[Planned]
    places: Mapping[int, Sequence[int]]
    always: frozenset[int]

    @classmethod
    def of(cls, rules: Sequence[Planned]) -> "_Needed":
        places: dict[int, list[int]] = {}
        for place, planned in enumerate(rules):
            for number in min(planned.needs, key=len, default=()):
                places.setdefault(number, []).append(place)
        return cls(rules, places, frozenset(place for place, one in enumerate(rules) if not one.needs))

    def possible(self, answered: frozenset[int]) -> Iterator[Planned]:
        """The rules that have what they need, as far as that group tells; in order."""
        found = self.always.union(*(self.places[number] for number in answered if number in self.places))
        return map(self.rules.__getitem__, sorted(found))


_NONE = np.array([], dtype=np.int32)


class _Answers:
    """The questions of a plan, answered for the values of one batch when they are first asked."""

    def __init__(self, judges: Judges, batch: EventBatch, held: Mapping[LogSource, Rows]) -> None:
        judges.meet(held)
        self.judges, self.batch, self.held = judges, batch, held
        self.questions = judges.plan.questions
        self._whole = frozenset(logsource for logsource, rows in held.items() if rows.all())
        self._columns: dict[str, Column | None] = {}
        self._verdicts: dict[str, Mapping[int, NDArray[np.int32]]] = {}
        self._tables: dict[int, Rows] = {}

    def column(self, name: str) -> Column | None:
        """The column in which a field of the rules is found in this batch."""
        if name not in self._columns:
            asking = self.asking(name)
            few = asking is not None and np.count_nonzero(asking) * 2 < self.batch.rows
            self._columns[name] = self.batch.first_of(self.batch.table.where_is(name), asking if few else None)
        return self._columns[name]

    def asking(self, name: str) -> Rows | None:
        """The events about which some rule asks this field; None for all of them."""
        fields = self.judges.plan.fields
        if any(name in fields[logsource] for logsource in self._whole):
            return None
        held: Rows = np.logical_or.reduce([rows for logsource, rows in self.held.items() if name in fields[logsource]])
        return held

    def verdicts(self, name: str) -> Mapping[int, NDArray[np.int32]]:
        """For a field: question -> indexes of the column's values that answer yes.

        Only values in events that some rule asks about this field are judged.
        """
        if name not in self._verdicts:
            column, found = self.column(name), {}
            if column is not None and name in self.judges.plan.asked:
                asking = self.asking(name)
                asked = column.codes if asking is None else column.codes[asking]
                codes = np.flatnonzero(np.bincount(asked + 1, minlength=len(column.values) + 1)[1:]).astype(np.int32)
                judged = self.judges.field(name).verdicts([column.values[code] for code in codes.tolist()])
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


class Route:
    """The rows of a batch that the rules of one logsource see."""

    def __init__(self, answers: _Answers, logsource: LogSource, rows: NDArray[np.int64]) -> None:
        self.answers, self.rows = answers, rows
        self.logsource = logsource
        self.fields = answers.judges.plan.fields[logsource]
        self.whole = len(rows) == answers.batch.rows
        self._codes: dict[str, Codes | None] = {}
        self._keywords: dict[int, Rows] | None = None

    def codes(self, name: str) -> Codes | None:
        """The codes of a field in these rows; None where no event of the batch has it."""
        if name not in self._codes:
            column = self.answers.column(name)
            self._codes[name] = None if column is None else column.codes if self.whole else column.codes[self.rows]
        return self._codes[name]

    def rows_of(self, tree: Tree, needs: Iterable[frozenset[int]]) -> NDArray[np.int64] | None:
        """The rows for which a condition holds; None where it is plain beforehand that there are none."""
        if any(self.possible.isdisjoint(group) for group in needs):
            return None
        answer = self.answer(tree)
        if answer is False:
            return None
        return self.rows if answer is True else self.rows[answer]

    @cached_property
    def possible(self) -> frozenset[int]:
        """The questions to which some value of the batch may answer yes."""
        answers, found = self.answers, set(self.keywords() if "" in self.fields else ())
        for name in self.fields - {""}:
            if answers.column(name) is not None:
                found |= answers.verdicts(name).keys() | answers.judges.field(name).undecided
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

        asked = self.answers.judges.field(self.answers.questions[number].field)

        def holds(mine: int, its: int) -> bool:
            try:
                return mine >= 0 and its >= 0 and reference.compares(column.values[mine], other.values[its])
            except TooLong:
                asked.timeouts.add(number)
                return False

        found = [holds(mine, its) for mine, its in pairs.T.tolist()]
        answer: Rows = np.array(found, dtype=bool)[place.reshape(-1)]
        return answer

    def keywords(self) -> dict[int, Rows]:
        """Keyword question -> its answer in each row: whether any value of the event answers yes."""
        if self._keywords is None:
            asked, memory = self.answers.judges.keywords.get(self.logsource), self.answers.batch.read.memory
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
            if asked.known.isdisjoint(self.answers.judges.field("").timeouts):
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
            places = np.flatnonzero(batch.read.sieved(asked.sieve, self.rows))
        if len(places):
            for _, cells, column in batch.cells(self.rows[places]):
                for number, indexes in self.answers.judges.field("").verdicts(column.values).items():
                    table = np.zeros(len(column.values), dtype=bool)
                    table[indexes] = True
                    answer = found.setdefault(number, np.zeros(batch.rows, dtype=bool))
                    answer[cells[table[column.codes]]] = True
        return {number: answer[self.rows] for number, answer in found.items() if number in asked.known}


MEANING = b"1:"
"""Changes when the same keywords come to mean something else, so that nothing remembered of them is believed."""


class _Filtering:
    """One filter over batches."""

    def __init__(self, planned: PlannedFilter, patience: Patience) -> None:
        self.planned = planned
        self.judges = Judges(planned.plan, {planned.filter.logsource: (planned.tree,)}, patience)

    def selected(self, batch: EventBatch, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Those of the rows that the filter selects; no other row is looked at."""
        logsource = self.planned.filter.logsource
        held = np.zeros(batch.rows, dtype=bool)
        held[rows] = True
        route = Route(_Answers(self.judges, batch, {logsource: held}), logsource, rows)
        found = route.rows_of(self.planned.tree, self.planned.needs)
        return rows[:0] if found is None else found

    @property
    def late(self) -> str:
        """A pattern of the filter that took too long; empty where none did."""
        return self.judges.late(self.planned.tree)


class _Keywords:
    """The keyword questions that the rules of one logsource ask."""

    def __init__(self, plan: Plan, numbers: set[int]) -> None:
        self.known = frozenset(numbers)
        self.numbers = sorted(numbers, key=lambda number: repr(plan.questions[number].predicate))
        self.sieve = Sieve.of(plan.questions[number].predicate for number in self.numbers)
        named = (repr(plan.questions[number].predicate).encode() for number in self.numbers)
        self.key = sha256(MEANING + b"\0".join(named)).digest()
