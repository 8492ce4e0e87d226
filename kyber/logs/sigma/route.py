"""Which events the rules of a logsource see: an EventBatch in, the rows of each logsource out.

What tells the kind of an event (channel, event id, dataset) has few values. Each distinct value is looked up once, in
all that the product's table says at the same time, and each distinct combination is decided once and remembered.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kyber.logs.batch import EventBatch, LogSource
from kyber.logs.column import Codes, Rows
from kyber.logs.schema import Condition, Table
from kyber.logs.values import Value, parts, text

REMEMBERED: Final = 100_000
"""Values, and combinations of what they mean, whose meaning is remembered."""


class Router:
    """Decides for many logsources at once."""

    def __init__(self, logsources: Iterable[LogSource]) -> None:
        self.logsources = tuple(logsources)
        self._kinds: dict[tuple[str, LogSource], _Kinds] = {}

    def held(self, batch: EventBatch) -> dict[LogSource, Rows]:
        """The rows (bool, one per event) of each logsource that some event of the batch is of."""
        known = batch.table.name, batch.logsource
        if known not in self._kinds:
            self._kinds[known] = _Kinds(self.logsources, batch.logsource, batch.table)
        return self._kinds[known].held(batch)


class _Kinds:
    """What one product's table says of the logsources: of each, terms of which every group must have one that holds."""

    def __init__(self, logsources: Sequence[LogSource], declared: LogSource, table: Table) -> None:
        self.always: list[LogSource] = []
        self.told: list[tuple[LogSource, list[list[dict[str, int]]]]] = []
        self.meaning: dict[str, dict[str, int]] = {}  # column -> what a text means: a bit for each term that it fits
        self._bits: dict[tuple[str, frozenset[str]], int] = {}
        for logsource in logsources:
            groups = alternatives(logsource, declared, table)
            if groups == []:
                self.always.append(logsource)
            elif groups is not None:
                self.told.append((logsource, [[self._terms(one) for one in group] for group in groups]))
        self._values: dict[tuple[str, Value], int] = {}
        self._combined: dict[tuple[int, ...], tuple[LogSource, ...]] = {}

    def _terms(self, condition: Condition) -> dict[str, int]:
        terms: dict[str, int] = {}
        for name, wanted in condition:
            meaning = self.meaning.setdefault(name, {})
            if (name, wanted) not in self._bits:
                self._bits[name, wanted] = bit = 1 << len(self._bits)
                for one in wanted:
                    meaning[one] = meaning.get(one, 0) | bit
            terms[name] = terms.get(name, 0) | self._bits[name, wanted]
        return terms

    def held(self, batch: EventBatch) -> dict[LogSource, Rows]:
        if not batch.rows:
            return {}
        whole = np.ones(batch.rows, dtype=bool)
        found = dict.fromkeys(self.always, whole)
        if not self.told:
            return found
        combined: NDArray[np.integer] | None = None
        choices: list[tuple[int, ...]] = [()]
        for name in self.meaning:
            bits, codes = self._looked_up(name, batch)
            if codes is None:
                choices = [(*choice, bits[0]) for choice in choices]
                continue
            choices = [(*choice, one) for choice in choices for one in bits]
            combined = codes if combined is None else combined * len(bits) + codes
            if len(choices) > 1_000:
                distinct, places = np.unique(combined, return_inverse=True)
                choices, combined = [choices[one] for one in distinct.tolist()], places.reshape(-1)
        if combined is None:
            return found | dict.fromkeys(self._decided(choices[0]), whole)
        there = np.flatnonzero(np.bincount(combined, minlength=len(choices)))
        meant: dict[LogSource, list[int]] = {}
        for choice in there.tolist():
            for logsource in self._decided(choices[choice]):
                meant.setdefault(logsource, []).append(choice)
        for logsource, chosen in meant.items():
            table = np.zeros(len(choices), dtype=bool)
            table[chosen] = True
            found[logsource] = whole if len(chosen) == len(there) else table[combined]
        return found

    def _looked_up(self, name: str, batch: EventBatch) -> tuple[list[int], Codes | None]:
        """What the values of a column mean, each meaning once; and which each event has, None where all have one."""
        column, absent = batch.column(name), self.meaning[name].get("", 0)
        if column is None:
            return [absent], None
        meanings = [*(self._means(name, value) for value in column.values), absent]
        distinct = list(dict.fromkeys(meanings))
        if len(distinct) == 1:
            return distinct, None
        place = {one: index for index, one in enumerate(distinct)}
        codes = np.array([place[one] for one in meanings], dtype=np.int32)[column.codes]
        there = np.flatnonzero(np.bincount(codes, minlength=len(distinct)))
        return (distinct, codes) if len(there) > 1 else ([distinct[int(there[0])]], None)

    def _means(self, name: str, value: Value) -> int:
        key = (name, value) if type(value) is str else (name, (type(value).__name__, repr(value)))
        found = self._values.get(key)
        if found is None:
            if len(self._values) >= REMEMBERED:
                self._values.clear()
            found, meaning = 0, self.meaning[name]
            for part in parts(value):
                found |= meaning.get(text(part).lower(), 0)
            self._values[key] = found
        return found

    def _decided(self, choice: tuple[int, ...]) -> tuple[LogSource, ...]:
        found = self._combined.get(choice)
        if found is None:
            if len(self._combined) >= REMEMBERED:
                self._combined.clear()
            bits = dict(zip(self.meaning, choice, strict=True))
            found = self._combined[choice] = tuple(
                logsource
                for logsource, groups in self.told
                if all(any(_holds(one, bits) for one in group) for group in groups)
            )
        return found


def _holds(terms: Mapping[str, int], bits: Mapping[str, int]) -> bool:
    return all(bits[name] & term == term for name, term in terms.items())


def alternatives(logsource: LogSource, declared: LogSource, table: Table) -> list[Sequence[Condition]] | None:
    """What must hold for an event for a logsource to mean it: of each group, one condition; None where it means none.

    What a batch is declared to be counts first; a category or service that it is not declared to be is looked for in
    its events, as the product's table says.
    """
    if logsource.product is not None and logsource.product != declared.product:
        return None
    groups: list[Sequence[Condition]] = []
    for wanted, given, told in (
        (logsource.category, declared.category, table.categories),
        (logsource.service, declared.service, table.services),
    ):
        if wanted is None or wanted == given:
            continue
        if wanted not in told:
            return None
        groups.append(told[wanted])
    return groups


def routed(logsource: LogSource, batch: EventBatch) -> Rows | None:
    """The rows of a batch that one logsource means; None where it means none of them, whatever they hold."""
    groups = alternatives(logsource, batch.logsource, batch.table)
    if groups is None:
        return None
    held = np.ones(batch.rows, dtype=bool)
    for group in groups:
        held &= np.logical_or.reduce([batch.where(condition) for condition in group])
    return held
