"""Rules -> plan: the rules of each logsource, and every distinct question that some rule asks of a field, once.

A plan is frozen and knows no events; `match` runs it. Questions are numbered, so that a batch's answers are look-ups.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, overload

from kyber.logs.batch import LogSource
from kyber.logs.sigma.filters import Filter
from kyber.logs.sigma.predicate import And, Exists, FieldRef, Leaf, Node, Not, Null, Or, Predicate
from kyber.logs.sigma.rule import Rule

Tree = int | tuple[Literal["and", "or", "not"], tuple["Tree", ...]]
"""A condition over the numbers of questions."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a field; `field` is empty for keywords, which are asked of every value of the event."""

    field: str
    predicate: Predicate

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that have to be looked at."""
        return (self.field, self.predicate.field) if isinstance(self.predicate, FieldRef) else (self.field,)

    @property
    def absent(self) -> bool:
        """The answer for an event that does not have the field."""
        return isinstance(self.predicate, Null) or (isinstance(self.predicate, Exists) and not self.predicate.wanted)


@dataclass(frozen=True, slots=True)
class Planned:
    """A rule, its condition over question numbers, and its needs: of each group at least one must be answered yes.

    The rule is one `among` others, at `place`, so that it need not have been made before somebody asks for it.
    `filters`: places in the plan's filters of those that apply to it.
    """

    among: Sequence[Rule] = field(compare=False, repr=False)
    place: int
    tree: Tree
    needs: tuple[frozenset[int], ...]
    filters: tuple[int, ...] = ()

    @property
    def rule(self) -> Rule:
        """The rule itself."""
        return self.among[self.place]


@dataclass(frozen=True, slots=True)
class Plan:
    """`routes`: logsource -> its rules. `questions` by number. `asked`: field -> numbers of the questions about it.

    `fields`: logsource -> the fields that its rules look at. `filters`: those that apply to some rule.
    """

    routes: Mapping[LogSource, Sequence[Planned]]
    questions: Sequence[Question]
    asked: Mapping[str, Sequence[int]]
    fields: Mapping[LogSource, frozenset[str]]
    filters: Sequence["PlannedFilter"] = ()

    @property
    def rules(self) -> int:
        """How many rules the plan holds."""
        return sum(map(len, self.routes.values()))


@dataclass(frozen=True, slots=True)
class PlannedFilter:
    """A filter, its condition over the numbers of questions that are its own, and its needs.

    Its questions stand in a plan of their own, without rules: they are asked only of events that a rule matched.
    """

    filter: Filter
    tree: Tree
    needs: tuple[frozenset[int], ...]
    plan: Plan


class Ready(Sequence[Rule]):
    """Rules whose plan is known already."""

    def __init__(self, rules: Sequence[Rule], plan: Plan) -> None:
        self.rules, self.plan = rules, plan

    def __len__(self) -> int:
        return len(self.rules)

    @overload
    def __getitem__(self, at: int) -> Rule: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Rule]: ...
    def __getitem__(self, at: int | slice) -> Rule | Sequence[Rule]:
        return self.rules[at]


def plan(rules: Iterable[Rule], filters: Sequence[Filter] = ()) -> Plan:
    """The plan of a set of rules, and of the filters over them."""
    found = rules.plan if isinstance(rules, Ready) else _unfiltered(tuple(rules))
    return filtered(found, filters) if filters else found


def _unfiltered(rules: Sequence[Rule]) -> Plan:
    routes: dict[LogSource, list[Planned]] = {}
    numbers: dict[Question, int] = {}
    fields: dict[LogSource, set[str]] = {}
    trees = [_numbered(rule.condition, numbers) for rule in rules]
    questions = tuple(numbers)
    for place, (rule, tree) in enumerate(zip(rules, trees, strict=True)):
        routes.setdefault(rule.logsource, []).append(Planned(rules, place, tree, tuple(needs(tree, questions))))
        fields.setdefault(rule.logsource, set()).update(_looked_at(tree, questions))
    return Plan(
        routes, questions, asked(questions), {logsource: frozenset(names) for logsource, names in fields.items()}
    )


def filtered(found: Plan, filters: Sequence[Filter]) -> Plan:
    """A plan of rules with filters over them."""
    over: dict[LogSource, list[list[int]]] = {}
    for logsource, rules in found.routes.items():
        fitting = [number for number, one in enumerate(filters) if one.fits(logsource)]
        if fitting:  # otherwise no rule has to be looked at
            over[logsource] = [
                [number for number in fitting if filters[number].applies(planned.rule.ref, logsource)]
                for planned in rules
            ]
    applied = sorted({number for rules in over.values() for numbers in rules for number in numbers})
    places = {number: place for place, number in enumerate(applied)}
    routes = {
        logsource: [
            replace(planned, filters=tuple(places[number] for number in numbers)) if numbers else planned
            for planned, numbers in zip(rules, over[logsource], strict=True)
        ]
        if logsource in over
        else rules
        for logsource, rules in found.routes.items()
    }
    return replace(found, routes=routes, filters=tuple(_planned_filter(filters[number]) for number in applied))


def _planned_filter(one: Filter) -> PlannedFilter:
    numbers: dict[Question, int] = {}
    tree = _numbered(one.condition, numbers)
    questions = tuple(numbers)
    fields = {one.logsource: frozenset(_looked_at(tree, questions))}
    return PlannedFilter(one, tree, tuple(needs(tree, questions)), Plan({}, questions, asked(questions), fields))


def _numbered(node: Node, numbers: dict[Question, int]) -> Tree:
    match node:
        case Leaf(field, predicate, _):
            return numbers.setdefault(Question(field, predicate), len(numbers))
        case And(nodes):
            return ("and", tuple(_numbered(one, numbers) for one in nodes))
        case Or(nodes):
            return ("or", tuple(_numbered(one, numbers) for one in nodes))
        case Not(inner):
            return ("not", (_numbered(inner, numbers),))


def _looked_at(tree: Tree, questions: Sequence[Question]) -> Iterator[str]:
    return (name for number in numbers_in(tree) for name in questions[number].fields)


def asked(questions: Iterable[Question]) -> dict[str, list[int]]:
    """By field, the numbers of the questions about it."""
    found: dict[str, list[int]] = {}
    for number, question in enumerate(questions):
        found.setdefault(question.field, []).append(number)
    return found


def numbers_in(tree: Tree) -> Iterator[int]:
    """The numbers of the questions in a tree, in order."""
    if isinstance(tree, int):
        yield tree
    else:
        for inner in tree[1]:
            yield from numbers_in(inner)


def needs(tree: Tree, questions: Sequence[Question]) -> list[frozenset[int]]:
    """Groups of questions of which each must have a yes for the tree to hold; none where absence alone satisfies it."""
    if isinstance(tree, int):
        return [] if questions[tree].absent else [frozenset((tree,))]
    operator, inner = tree
    if operator == "and":
        return [group for one in inner for group in needs(one, questions)]
    if operator == "or":
        groups = [needs(one, questions) for one in inner]
        # Of each branch the smallest group says the most; together they are one sound, cheap test.
        return [frozenset[int]().union(*(min(group, key=len) for group in groups))] if groups and all(groups) else []
    return []
