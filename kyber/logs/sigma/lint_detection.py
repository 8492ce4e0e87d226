"""Selections and conditions, looked over: what is never used, does not exclude, matches everything, or says nothing.

A rule may be read without fault and still mean something else than its author thinks. The checks ask kyber's own
reader what a condition or a value means.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from kyber.logs.sigma.condition import ConditionError, parse
from kyber.logs.sigma.detection import ANCHORS, FLAGS, MODIFIERS
from kyber.logs.sigma.filters import negated
from kyber.logs.sigma.modifier import ENCODINGS, pattern, variants, within
from kyber.logs.sigma.predicate import ANY, And, Leaf, Node, Not, Null, Or
from kyber.logs.sigma.written import Change, Hit, Item, Part, Written, doubt
from kyber.problem import Severity

_FILTER = re.compile(r"filters?(?:_.*|\d*)", re.IGNORECASE)
_NOT_ALL = re.compile(r"\bnot\s+\(?\s*all\s+of\s+(\S+?)(?=[\s)]|$)", re.IGNORECASE)
_PLAIN = frozenset((*ANCHORS, "all", "neq", "cased"))
"""Modifiers beside which a value's own wildcards can be judged."""
_TEXTUAL = frozenset(("contains", "re", "cidr", "expand"))


def check_conditions(one: Written) -> Iterator[Hit]:
    """R70: a filter that does not exclude. R71: `not all of` filters. R72: a selection that no condition uses."""
    for key, whole, selections in one.sections():
        conditions = _conditions(whole)
        trees = [tree for text in conditions if (tree := _tree(text, selections)) is not None]
        if not trees or len(trees) < len(conditions):
            continue  # the reader says what is wrong there
        used = _signs(trees)
        for name in selections:
            if name not in used:
                yield doubt("R72", one, (key, name), name=name)
            elif key == "detection" and _FILTER.fullmatch(name) and used[name] == {True}:
                yield doubt("R70", one, (key, name), name=name)
        for text in conditions:
            for names in _NOT_ALL.findall(text):
                meant = [name for name in selections if names.lower() == "them" or fnmatchcase(name, names)]
                if len(meant) > 1 and all(map(_FILTER.fullmatch, meant)):
                    yield doubt("R71", one, (key, "condition"), names=names)


def check_polarity(one: Written) -> Iterator[Hit]:
    """R51: a filter that hides all but what its selections name. R52: one that other tools read the other way."""
    for key, whole, selections in one.sections():
        trees = [tree for text in _conditions(whole) if (tree := _tree(text, selections)) is not None]
        if key != "filter" or not trees or len(trees) < len(_conditions(whole)) or negated(whole):
            continue  # a negation hides what is selected, for kyber and for pySigma alike
        if all(found == {False} for found in _signs(trees).values()):
            yield doubt("R51", one, (key, "condition"))
        else:
            yield doubt("R52", one, (key, "condition"), Severity.NOTE)


def _conditions(whole: Mapping[str, Any]) -> list[str]:
    given = whole.get("condition")
    return [one for one in (given if isinstance(given, list) else [given]) if isinstance(one, str)]


def _tree(condition: str, selections: Mapping[str, Any]) -> Node | None:
    """The condition over names alone; None where it cannot be read."""
    try:
        return parse(condition, {name: Leaf(name, Null(), name) for name in selections})
    except ConditionError:
        return None


def _signs(trees: Sequence[Node]) -> Mapping[str, set[bool]]:
    """Each name that the conditions use -> whether plainly (True), under a negation (False), or both."""
    found: dict[str, set[bool]] = defaultdict(set)

    def walk(node: Node, sign: bool) -> None:
        match node:
            case Leaf():
                found[node.field].add(sign)
            case Not():
                walk(node.node, not sign)
            case And() | Or():
                for inner in node.nodes:
                    walk(inner, sign)

    for tree in trees:
        walk(tree, True)
    return found


def check_wildcards(one: Written) -> Iterator[Hit]:
    """R75: a value that everything matches. R76: wildcards that the modifier adds anyway."""
    for item in one.items():
        if not set(item.modifiers) <= _PLAIN:
            continue
        for index, value in enumerate(item.values):
            if not isinstance(value, str) or (value and "*" not in value):
                continue
            tokens = _meaning(item, value)
            if tokens == (ANY,):
                alone = len(item.values) == 1 and item.field and value != ""
                severity = Severity.NOTE if alone else Severity.WARNING
                yield doubt("R75", one, item.path_of(index), severity, field=item.field, value=value)
            elif (bare := _bare(item, value)) != value:
                path, anchor = item.path_of(index), _anchor(item)
                change = Change(path, bare)
                yield doubt("R76", one, path, Severity.NOTE, change, value=value, wanted=bare, modifier=anchor)


def _anchor(item: Item) -> str:
    return next((name for name in item.modifiers if name in ANCHORS), "")


def _meaning(item: Item, value: str) -> tuple[object, ...]:
    """The pattern that a value stands for, wildcards of its modifiers included."""
    (tokens,) = variants(value, item.modifiers, {})
    return within(tokens) if not item.field and not _anchor(item) else tokens


def _bare(item: Item, value: str) -> str:
    """The value without the stars at its ends that change nothing."""
    if not _anchor(item):
        return value
    meant = _meaning(item, value)
    while value.startswith("*") and _meaning(item, value[1:]) == meant:
        value = value[1:]
    while value.endswith("*") and _meaning(item, value[:-1]) == meant:
        value = value[:-1]
    return value


def check_modifiers(one: Written) -> Iterator[Hit]:
    """R77: `all` with one value. R53: modifiers that say nothing. R54: base64offset that hardly matches. R55: `all`
    that one text can hardly meet."""
    for item in one.items():
        given = set(item.modifiers)
        if not item.is_key or not given <= MODIFIERS:
            continue
        anchors = [name for name in item.modifiers if name in ANCHORS]
        if len(item.modifiers) > len(given) or len(anchors) > 1:
            yield doubt("R53", one, item.path, modifiers="|".join(item.modifiers))
        if "base64offset" in given and "contains" not in given:
            yield doubt("R54", one, item.path, field=item.field)
        if "all" not in given:
            continue
        if len(item.values) == 1:
            name = "|".join((item.field, *(modifier for modifier in item.modifiers if modifier != "all")))
            change = Change(item.path, name, Part.KEY) if item.field else None
            yield doubt("R77", one, item.path, Severity.NOTE, change, field=item.field)
        elif item.field and not given & _TEXTUAL and not _has_stars(item):
            yield doubt("R55", one, item.path, field=item.field)


def _has_stars(item: Item) -> bool:
    return any(ANY in pattern(str(value)) for value in item.values)


def check_patterns(one: Written) -> Iterator[Hit]:
    """R78: a regular expression that begins and ends with what searching does anyway."""
    for item in one.items():
        if "re" not in item.modifiers:
            continue
        for index, value in enumerate(item.values):
            if isinstance(value, str) and value.startswith(".*") and re.search(r"(?<!\\)(?:\\\\)*\.\*$", value):
                yield doubt("R78", one, item.path_of(index), Severity.NOTE)


def check_lists(one: Written) -> Iterator[Hit]:
    """R79: null in a list. R56: a value that stands twice in one."""
    for item in one.items():
        if not item.listed:
            continue
        exact = set(item.modifiers) & {"cased", "re", "base64", "base64offset", *ENCODINGS, *FLAGS}
        seen: set[tuple[bool, str]] = set()
        for index, value in enumerate(item.values):
            if value is None:
                yield doubt("R79", one, item.path_of(index), field=item.field)
                continue
            if isinstance(value, dict | list):
                continue
            key = isinstance(value, str), str(value) if exact else str(value).casefold()
            if key in seen:
                yield doubt("R56", one, item.path_of(index), Severity.NOTE, value=value)
            seen.add(key)


CHECKS = (check_conditions, check_polarity, check_wildcards, check_modifiers, check_patterns, check_lists)
