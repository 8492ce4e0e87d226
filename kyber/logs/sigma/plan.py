"""Rules -> plan: the rules of each logsource, and every distinct question that some rule asks of a field, once.

A plan is frozen and knows no events; `match` runs it. Questions are numbered, so that a batch's answers are look-ups.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from kyber.logs.batch import LogSource
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
    """A rule, its condition over question numbers, and its needs: of each group at least one must be answered yes."""

    rule: Rule
    tree: Tree
    needs: tuple[frozenset[int], ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """`routes`: logsource -> its rules. `questions` by number. `asked`: field -> numbers of the questions about it.

    `fields`: logsource -> the fields that its rules look at.
    """

    routes: Mapping[LogSource, Sequence[Planned]]
    questions: Sequence[Question]
    asked: Mapping[str, Sequence[int]]
    fields: Mapping[LogSource, frozenset[str]]

    @property
    def rules(self) -> int:
        """How many rules the plan holds."""
        return sum(map(len, self.routes.values()))


def plan(rules: Iterable[Rule]) -> Plan:
    """The plan of a set of rules."""
    routes: dict[LogSource, list[Planned]] = {}
    numbers: dict[Question, int] = {}
    fields: dict[LogSource, set[str]] = {}

    def numbered(node: Node) -> Tree:
        match node:
            case Leaf(field, predicate, _):
                return numbers.setdefault(Question(field, predicate), len(numbers))
            case And(nodes):
                return ("and", tuple(map(numbered, nodes)))
            case Or(nodes):
                return ("or", tuple(map(numbered, nodes)))
            case Not(inner):
                return ("not", (numbered(inner),))

    trees = [(rule, numbered(rule.condition)) for rule in rules]
    questions = tuple(numbers)
    for rule, tree in trees:
        routes.setdefault(rule.logsource, []).append(Planned(rule, tree, tuple(needs(tree, questions))))
        looked_at = (name for number in numbers_in(tree) for name in questions[number].fields)
        fields.setdefault(rule.logsource, set()).update(looked_at)
    asked: dict[str, list[int]] = {}
    for number, question in enumerate(questions):
        asked.setdefault(question.field, []).append(number)
    return Plan(routes, questions, asked, {logsource: frozenset(names) for logsource, names in fields.items()})


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
