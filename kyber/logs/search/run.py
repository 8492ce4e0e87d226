"""A query over batches: one EventBatch in, the rows that match out. Values are judged as for rules, each once a batch.

Nothing is judged that cannot matter: within AND, what is asked later sees only the rows that are left, within OR only
those that are still open, and what looks at every value of an event comes last.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kyber.logs.batch import EventBatch
from kyber.logs.column import Column, Places, Rows
from kyber.logs.search.fields import Fields, nearest
from kyber.logs.search.meaning import Happened, Query, Within
from kyber.logs.search.query import Ask, Not, Or, Syntax, asks
from kyber.logs.sigma.judge import FieldMatcher, Patience, Sieve
from kyber.logs.sigma.predicate import Predicate
from kyber.logs.values import NO_TIME

MAX_NAMES = 20_000
"""Names of fields that are remembered, to say which one may have been meant."""


class Searcher:
    """Runs one query over batches. Knows afterwards what no event had, and which patterns took too long."""

    def __init__(self, query: Query, shown: tuple[str, ...] = ()) -> None:
        """`shown`: fields that are not asked for, but of which it shall be known whether any event had them."""
        self.query = query
        self.numbers = {ask: number for number, ask in enumerate(query.tests)}
        self.events = 0
        self._unseen = dict.fromkeys((*(ask.field for ask in query.tests if ask.field), *shown))
        self._known: set[str] = set()
        judged: dict[str, dict[int, Predicate]] = {}
        for ask, test in query.tests.items():
            if not isinstance(test, Happened | Within):
                judged.setdefault(ask.field, {})[self.numbers[ask]] = test
        patience = Patience()
        self.matchers = {field: FieldMatcher(predicates, patience) for field, predicates in judged.items()}
        self.sieve = Sieve.of(judged.get("", {}).values())

    def rows(self, batch: EventBatch) -> Places:
        """The rows of a batch that match, ascending."""
        fields = Fields(batch)
        self.events += batch.rows
        if batch.rows and self._unseen:
            if len(self._known) < MAX_NAMES:
                self._known.update(fields.here())
            for field in [field for field in self._unseen if fields.has(field)]:
                del self._unseen[field]
        rows = np.arange(batch.rows)
        return rows[_Answers(self, fields).held(self.query.tree, rows)]

    @property
    def unseen(self) -> dict[str, list[str]]:
        """The fields that no event had, each with the names that may have been meant; empty where nothing was read."""
        return {field: nearest(field, self._known) for field in self._unseen} if self.events else {}

    @property
    def slow(self) -> list[str]:
        """The patterns that took too long on some values, so that not all that match was found."""
        late = {number for matcher in self.matchers.values() for number in matcher.timeouts}
        return [str(self.query.tests[ask]) for ask, number in self.numbers.items() if number in late]


@dataclass(slots=True)
class _Drawn:
    """A column, the rows that are in it, and what is known of its values: which were judged, and how."""

    column: Column
    rows: Rows
    judged: Rows
    answers: dict[int, Rows]


class _Answers:
    """The answers of one batch, each found when it is first needed, and only for rows that need it."""

    def __init__(self, searcher: Searcher, fields: Fields) -> None:
        self.searcher, self.fields, self.batch = searcher, fields, fields.batch
        self._drawn: dict[str, _Drawn | None] = {}
        self._looked = np.zeros(self.batch.rows, dtype=bool)
        self._keywords: dict[int, Rows] = {}

    def held(self, tree: Syntax, rows: Places) -> Rows:
        """For each of the rows, whether the tree holds."""
        if isinstance(tree, Ask):
            return self.asked(tree, rows)
        if isinstance(tree, Not):
            return ~self.held(tree.part, rows)
        settles = isinstance(tree, Or)  # what settles it: a yes an `or`, a no an `and`
        found = np.full(len(rows), not settles)
        still = np.arange(len(rows))
        for part in sorted(tree.parts, key=_looks_at_everything):
            if not len(still):
                break
            settled = self.held(part, rows[still]) == settles
            found[still[settled]] = settles
            still = still[~settled]
        return found

    def asked(self, ask: Ask, rows: Places) -> Rows:
        """For each of the rows, whether the value that is asked for is there."""
        test, number = self.searcher.query.tests[ask], self.searcher.numbers[ask]
        if isinstance(test, Happened):
            times, period = self.batch.times[rows], test.period
            held: Rows = times != NO_TIME
            if period.start is not None:
                held &= times >= period.start
            if period.end is not None:
                held &= times < period.end
            return held
        if isinstance(test, Within) and not ask.field:
            raise AssertionError("a range without a field")
        if not ask.field:
            return self.keyword(number, rows)
        drawn = self.drawn(ask.field, rows)
        if drawn is None:
            return np.zeros(len(rows), dtype=bool)
        codes = drawn.column.codes[rows]
        present = np.unique(codes[codes >= 0])
        if isinstance(test, Within):
            answers = np.zeros(len(drawn.column.values) + 1, dtype=bool)
            answers[[code for code in present if test.holds(drawn.column.values[code], self.batch.zone)]] = True
            return answers[codes]
        self.judge(ask.field, drawn, present)
        answer = drawn.answers.get(number)
        return np.zeros(len(rows), dtype=bool) if answer is None else answer[codes]

    def judge(self, field: str, drawn: _Drawn, present: NDArray[np.int32]) -> None:
        """Judge those of a column's values that were not judged before."""
        new = present[~drawn.judged[present]]
        drawn.judged[new] = True
        verdicts = self.searcher.matchers[field].verdicts([drawn.column.values[code] for code in new])
        for number, places in verdicts.items():
            answer = drawn.answers.setdefault(number, np.zeros(len(drawn.column.values) + 1, dtype=bool))
            answer[new[places]] = True

    def drawn(self, field: str, rows: Places) -> _Drawn | None:
        """The column of a field, in which at least the rows are; None where none of them has it."""
        known = self._drawn.get(field)
        if field in self._drawn and (known is None or known.rows[rows].all()):
            return known
        # The second time it is drawn whole.
        few = field not in self._drawn and len(rows) * 2 < self.batch.rows
        held = np.full(self.batch.rows, not few)
        held[rows] = True
        column = self.fields.column(field, held if few else None)
        if column is None and not few:
            self._drawn[field] = None
        elif column is not None:
            self._drawn[field] = _Drawn(column, held, np.zeros(len(column.values) + 1, dtype=bool), {})
        return self._drawn.get(field)

    def keyword(self, number: int, rows: Places) -> Rows:
        """For each of the rows, whether some value of the event holds what is looked for."""
        new = rows[~self._looked[rows]]
        if len(new):
            self._looked[new] = True
            sieve = self.searcher.sieve
            if self.batch.verbatim and sieve is not None:
                new = new[sieve.rows(self.batch.read.joined(new))]
            matcher = self.searcher.matchers[""]
            for _, cells, column in self.batch.cells(new) if len(new) else ():
                for found, indexes in matcher.verdicts(column.values).items():
                    holds = np.zeros(len(column.values), dtype=bool)
                    holds[indexes] = True
                    answer = self._keywords.setdefault(found, np.zeros(self.batch.rows, dtype=bool))
                    answer[cells[holds[column.codes]]] = True
        known = self._keywords.get(number)
        return np.zeros(len(rows), dtype=bool) if known is None else known[rows]


def _looks_at_everything(tree: Syntax) -> bool:
    return any(not ask.field for ask in asks(tree))
