"""A matcher's batches in, the near misses of its rules out: events that one more answer would have made a match of.

A rule is near for an event that it sees and does not match if

- one leaf that asks for something to be there (not `null`, not `exists: false`), and that stands under no `not`,
  would make its condition hold if it held; and
- that leaf alone would not be enough: something else that the condition asks to be there is there.

So an event that a negated part of the rule keeps out is not near, nor is one that a filter would have taken out, and
nothing is near for a rule with a single leaf.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from kyber.finding import Asked, NearMiss, RuleRef, Sample
from kyber.level import Level
from kyber.logs.batch import EventBatch
from kyber.logs.column import Rows
from kyber.logs.sigma.match import Matcher, Route
from kyber.logs.sigma.plan import Planned, Question, Tree
from kyber.logs.sigma.predicate import And, Leaf, Node, Not, Or
from kyber.logs.sigma.rule import Rule
from kyber.logs.values import NO_TIME, as_datetime, shown
from kyber.privacy import shortened

MAX_VALUES = 1_000
"""Distinct values that are counted for one missing leaf; of a value that comes later, only the event counts."""
LONGEST = 512
"""Characters of such a value that are kept."""
VALUES_SHOWN = 5
"""The most common of them, which are told."""
ASKED_SHOWN = 8
"""Leaves that are named where any one of several would have done."""
FAR = 2
"""A condition that lacks this many leaves lacks too many."""

Counts = NDArray[np.int16] | int
Path = tuple[int, ...]
"""The way to a node of a condition: which of the inner nodes to take, from the top down."""


@dataclass(slots=True)
class Gathered:
    """A near miss while its events are still being counted: plain data, so that what several scans gathered can be
    put together in any order."""

    rule: RuleRef
    level: Level
    asked: tuple[Asked, ...]
    alternatives: int
    met: int = 0
    count: int = 0
    values: Counter[tuple[str, str | None]] = field(default_factory=Counter)
    earliest: tuple[int, str, bytes, int] | None = None
    sample: Sample | None = None

    def take(self, other: "Gathered") -> None:
        """Add what another part of the scan gathered of the same near miss."""
        self.count += other.count
        self.met = max(self.met, other.met)
        self.values += other.values
        if other.earliest is not None and (self.earliest is None or other.earliest < self.earliest):
            self.earliest, self.sample = other.earliest, other.sample


class NearMisses:
    """The near misses of all rules over the batches of a scan."""

    def __init__(self, matcher: Matcher) -> None:
        self.matcher = matcher
        self.gathered: dict[tuple[str, Path], Gathered] = {}

    def add(self, batch: EventBatch, rows: NDArray[np.int64] | None = None) -> None:
        """Count the near misses of a batch; only those of some rows, where they are given."""
        order: NDArray[np.int64] | None = None
        for route in self.matcher.routes(batch):
            kept = None if rows is None else np.flatnonzero(np.isin(route.rows, rows))
            for planned in self.matcher.plan.routes[route.logsource]:
                for path, places, met in near(planned, route, kept):
                    left = self._unfiltered(planned, batch, route, places)
                    if not left.any():
                        continue
                    if order is None:
                        order = np.lexsort((np.array(batch.offsets), batch.times)).argsort()
                    self._count(planned.rule, path, batch, route, places[left], int(met[left].max()), order)

    def _unfiltered(self, planned: Planned, batch: EventBatch, route: Route, places: NDArray[np.int64]) -> Rows:
        """Which of the places no filter of the rule would have taken out."""
        rows = np.sort(route.rows[places])
        left = np.ones(len(places), dtype=bool)
        for number in planned.filters:
            left &= ~np.isin(route.rows[places], self.matcher.filters[number].selected(batch, rows))
        return left

    def take(self, gathered: Mapping[tuple[str, Path], Gathered]) -> None:
        """Add what another part of the scan gathered with the same plan."""
        for key, one in gathered.items():
            if key in self.gathered:
                self.gathered[key].take(one)
            else:
                self.gathered[key] = replace(one, values=Counter(one.values))

    def _count(
        self,
        rule: Rule,
        path: Path,
        batch: EventBatch,
        route: Route,
        places: NDArray[np.int64],
        met: int,
        order: NDArray[np.int64],
    ) -> None:
        rows = route.rows[places]
        row = int(rows[order[rows].argmin()])
        known = self.gathered.get((rule.ref.id, path))
        if known is None:
            asked = list(_asked(_at(rule.condition, path)))
            known = Gathered(rule.ref, rule.level, tuple(asked[:ASKED_SHOWN]), len(asked))
            self.gathered[rule.ref.id, path] = known
        known.count += len(rows)
        known.met = max(known.met, met)
        earliest = (int(batch.times[row]), batch.source, batch.origin(row).fingerprint, batch.offsets[row])
        if known.earliest is None or earliest < known.earliest:
            known.earliest, known.sample = earliest, _sample(batch, row)
        for name in dict.fromkeys(one.field for one in known.asked if one.field):
            for value, count in _values(route, name, places):
                if (name, value) in known.values or len(known.values) < MAX_VALUES:
                    known.values[name, value] += count

    def done(self) -> tuple[NearMiss, ...]:
        """The near misses, the most telling first: those of which the rule found most, then the most serious and the
        rarest."""
        found = [
            NearMiss(
                rule=one.rule,
                level=one.level,
                asked=one.asked,
                alternatives=one.alternatives,
                met=one.met,
                count=one.count,
                values=tuple(
                    (*key, count)
                    for key, count in sorted(one.values.items(), key=lambda found: (-found[1], str(found[0])))
                )[:VALUES_SHOWN],
                sample=one.sample,
            )
            for one in self.gathered.values()
            if one.sample is not None
        ]
        return tuple(
            sorted(
                found, key=lambda one: (-one.met, -one.level, one.count, one.rule.title, one.rule.id, str(one.asked))
            )
        )


def near(
    planned: Planned, route: Route, kept: NDArray[np.int64] | None = None
) -> Iterator[tuple[Path, NDArray[np.int64], NDArray[np.int16]]]:
    """The places among a route's rows where a rule is near: by what is missing, with how much of the rest is there.

    What is missing is a leaf, or a list of values of which any would have done; where either of two things would have,
    the place comes with both. `kept`: the places that count.
    """
    if sum(route.possible.isdisjoint(group) for group in planned.needs) >= FAR:
        return
    lacks, met = _standing(planned.tree, route, kept)
    size = len(route.rows) if kept is None else len(kept)
    places = np.flatnonzero(np.broadcast_to((np.asarray(lacks) == 1) & (np.asarray(met) > 0), (size,)))
    if not len(places):
        return
    met = np.broadcast_to(np.asarray(met, dtype=np.int16), (size,))[places]
    rows = places if kept is None else kept[places]
    for path, chosen in _missing(planned.tree, (), route, rows, np.zeros(len(rows), dtype=bool)):
        yield path, rows[chosen], met[chosen]


def _standing(tree: Tree, route: Route, places: NDArray[np.int64] | None) -> tuple[Counts, Counts]:
    """How many leaves a condition lacks in each row (FAR: that many or more, or none that could help), and how many
    parts that it needs to be there are there; or one number for all rows."""
    if isinstance(tree, int):
        answer = route.asked(tree)
        if not isinstance(answer, bool):
            answer = answer if places is None else answer[places]
            if route.answers.questions[tree].absent:
                return np.where(answer, 0, FAR).astype(np.int16), 0
            return (~answer).astype(np.int16), answer.astype(np.int16)
        if route.answers.questions[tree].absent:
            return (0 if answer else FAR), 0
        return int(not answer), int(answer)
    operator, inner = tree
    if operator == "not":
        answer = route.answer(inner[0])
        if isinstance(answer, bool):
            return (FAR if answer else 0), 0
        answer = answer if places is None else answer[places]
        return np.where(answer, FAR, 0).astype(np.int16), 0
    lacks: Counts
    met: Counts
    if operator == "and":
        lacks, met = 0, 0
        for one in inner:
            more, there = _standing(one, route, places)
            lacks, met = lacks + more, met + there
            if np.all(np.asarray(lacks) >= FAR):
                return FAR, 0
        return np.minimum(lacks, FAR), met
    # Of the branches that lack least: what has to be there in any case where one holds, the most where none does.
    lacks, met = FAR, 0
    for one in inner:
        more, there = _standing(one, route, places)
        both = np.where(np.equal(lacks, 0), np.minimum(met, there), np.maximum(met, there))
        met = np.where(np.less(more, lacks), there, np.where(np.equal(more, lacks), both, met)).astype(np.int16)
        lacks = np.minimum(lacks, more)
    return lacks, met


def _missing(
    tree: Tree, path: Path, route: Route, places: NDArray[np.int64], helped: Rows
) -> Iterator[tuple[Path, NDArray[np.int64]]]:
    """Of the places where a condition lacks one leaf: what it is that lacks, and where. `helped`: where something that
    is there stands beside it already."""
    if isinstance(tree, int):
        yield path, np.arange(len(places))
        return
    _, inner = tree  # not a `not`: nothing there could help
    standing = [_standing(one, route, places) for one in inner]
    size = (len(places),)
    lacks = [np.broadcast_to(np.asarray(one), size) for one, _ in standing]
    met = [np.broadcast_to(np.asarray(one), size) for _, one in standing]
    if tree[0] == "and":
        for index, one in enumerate(inner):
            here = np.flatnonzero(lacks[index] == 1)
            if len(here):
                beside = np.any([met[other][here] > 0 for other in range(len(inner)) if other != index], axis=0)
                for below, chosen in _missing(one, (*path, index), route, places[here], helped[here] | beside):
                    yield below, here[chosen]
        return
    could = [(lack == 1) & (helped | (there > 0)) for lack, there in zip(lacks, met, strict=True)]
    if _is_list(inner, route):
        yield path, np.flatnonzero(np.any(could, axis=0))
        return
    for index, one in enumerate(inner):
        here = np.flatnonzero(could[index])
        if len(here):
            for below, chosen in _missing(one, (*path, index), route, places[here], helped[here]):
                yield below, here[chosen]


def _is_list(nodes: Sequence[Tree], route: Route) -> bool:
    """Whether all are leaves that ask the same field."""
    fields = {route.answers.questions[one].field if isinstance(one, int) else None for one in nodes}
    return len(fields) == 1 and None not in fields


def _at(node: Node, path: Path) -> Node:
    for index in path:
        assert isinstance(node, And | Or)
        node = node.nodes[index]
    return node


def _asked(node: Node) -> Iterator[Asked]:
    """What a missing part asks for, each leaf that could have helped."""
    if isinstance(node, Leaf):
        if not Question(node.field, node.predicate).absent:
            yield Asked(node.part, node.field, str(node.predicate))
    elif not isinstance(node, Not):
        for inner in node.nodes:
            yield from _asked(inner)


def _values(route: Route, name: str, places: NDArray[np.int64]) -> Iterator[tuple[str | None, int]]:
    """What stands in a field at some rows, and how often; None where it is absent."""
    codes, column = route.codes(name), route.answers.column(name)
    if codes is None or column is None:
        yield None, len(places)
        return
    found, counts = np.unique(codes[places], return_counts=True)
    for code, count in zip(found.tolist(), counts.tolist(), strict=True):
        yield (None if code < 0 else shortened(shown(column.values[code]), LONGEST)), count


def _sample(batch: EventBatch, row: int) -> Sample:
    time = int(batch.times[row])
    moment = None if time == NO_TIME else as_datetime(time)
    return Sample(batch.event_id(row), batch.origin(row).file, batch.records[row], moment, {})
