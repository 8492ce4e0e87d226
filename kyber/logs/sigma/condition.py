"""Sigma's condition language: a text and the names of the selections in, a tree over those names out.

Lowest to highest: `or`, `and`, `not`, `1 of`/`all of`, parentheses. Operators are read in either case. A name that
begins with `_` is meant only by a pattern that begins with `_` too.
"""

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase

from kyber.logs.sigma.predicate import And, Node, Not, Or

MAX_LENGTH = 16_384
MAX_DEPTH = 64
MAX_NAMES = 20_000
"""Selections that the patterns of one condition are held against, all together."""

_TOKEN = re.compile(r"\s*(?:([()|])|([^\s()|]+))")
_OPERATORS = frozenset(("and", "or", "not"))


class ConditionError(ValueError):
    """The condition cannot be read; the text says why."""


def parse(condition: str, selections: Mapping[str, Node]) -> Node:
    """The tree of one condition. Raises ConditionError."""
    if len(condition) > MAX_LENGTH:
        raise ConditionError(f"longer than {MAX_LENGTH} characters")
    return _Reader(condition, selections).read()


class _Reader:
    def __init__(self, condition: str, selections: Mapping[str, Node]) -> None:
        self.selections = selections
        self.tokens = [first or second for first, second in _TOKEN.findall(condition)]
        self.at = 0
        self.depth = 0
        self.looked_at = 0

    def read(self) -> Node:
        if not self.tokens:
            raise ConditionError("it is empty")
        node = self.either()
        if (left := self.peek()) is not None:
            if left == "|":
                raise ConditionError("aggregations with '|' left Sigma with version 2: write a correlation rule")
            raise ConditionError(f"'{left}' was not expected")
        return node

    def peek(self) -> str | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def word(self) -> str:
        """The next token in lower case, '' at the end."""
        return (self.peek() or "").lower()

    def take(self) -> str:
        token = self.peek()
        if token is None:
            raise ConditionError("it ends too early")
        self.at += 1
        return token

    def either(self) -> Node:
        nodes = [self.both()]
        while self.word() == "or":
            self.at += 1
            nodes.append(self.both())
        return nodes[0] if len(nodes) == 1 else Or(tuple(nodes))

    def both(self) -> Node:
        nodes = [self.negated()]
        while self.word() == "and":
            self.at += 1
            nodes.append(self.negated())
        return nodes[0] if len(nodes) == 1 else And(tuple(nodes))

    def negated(self) -> Node:
        negations = 0
        while self.word() == "not":
            self.at += 1
            negations += 1
        node = self.operand()
        return Not(node) if negations % 2 else node

    def operand(self) -> Node:
        token = self.take()
        if token == "(":  # noqa: S105 - a parenthesis
            self.depth += 1
            if self.depth > MAX_DEPTH:
                raise ConditionError(f"nested deeper than {MAX_DEPTH}")
            node = self.either()
            if self.peek() != ")":
                raise ConditionError("a parenthesis is not closed")
            self.at += 1
            self.depth -= 1
            return node
        if token in (")", "|") or token.lower() in _OPERATORS:
            raise ConditionError(f"'{token}' was not expected")
        if self.word() == "of" and token not in self.selections:
            self.at += 1
            return self.several(token, self.take())
        return self.named(token)

    def several(self, how_many: str, names: str) -> Node:
        self.looked_at += len(self.selections)
        if self.looked_at > MAX_NAMES:
            raise ConditionError(f"its patterns name more than {MAX_NAMES} selections")
        if names.lower() == "them":
            found = [node for name, node in self.selections.items() if not name.startswith("_")]
        elif "*" in names:
            found = [
                node
                for name, node in self.selections.items()
                if fnmatchcase(name, names.replace("[", "[[]")) and (names.startswith("_") or not name.startswith("_"))
            ]
        else:
            found = [self.named(names)]
        if not found:
            raise ConditionError(f"no selection is named like '{names}'")
        match how_many.lower():
            case "1" | "any":
                return found[0] if len(found) == 1 else Or(tuple(found))
            case "all":
                return found[0] if len(found) == 1 else And(tuple(found))
            case _:
                raise ConditionError(f"'{how_many} of' is not Sigma: write '1 of' or 'all of'")

    def named(self, name: str) -> Node:
        try:
            return self.selections[name]
        except KeyError:
            raise ConditionError(f"there is no selection '{name}'") from None
