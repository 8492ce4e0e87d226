"""Rules looked over: the documents of rule files and what was read of them in, every doubt about them out.

Each check is a plain function over one document, in `lint_heading` and `lint_detection`; here stand those that need all
documents, or what kyber knows of logs. Reading says what cannot run; a check says what probably is not meant.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from typing import Final

from kyber.logs.batch import LogSource
from kyber.logs.schema import Table, table, tables
from kyber.logs.sigma import lint_detection, lint_heading
from kyber.logs.sigma.predicate import And, Glob, Leaf, Node, Not, Or
from kyber.logs.sigma.rule import Rule
from kyber.logs.sigma.written import Change, Hit, Written, doubt
from kyber.problem import Problem, Severity

Check = Callable[[Written], Iterator[Hit]]

CHECKS: Final[tuple[Check, ...]] = (*lint_heading.CHECKS, *lint_detection.CHECKS)
"""Every check of a document by itself. A new check is a new line in its module."""

_ALIKE = 0.85
"""How near two names must be, for the one to be taken for a slip of the other."""
_OFTEN = 3
"""In so many rules a field of a product must stand, for it to be held to be right."""


@dataclass(frozen=True, slots=True)
class Registered:
    """What a workspace's log sources say of themselves: their logsources, and the names given to their columns."""

    logsources: frozenset[LogSource] = frozenset()
    fields: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Linted:
    """What is to be said of rules, by place, and by file and number of document the changes that are safe."""

    problems: tuple[Problem, ...]
    changes: Mapping[tuple[str, int], tuple[Change, ...]] = field(default_factory=dict)


def lint(
    documents: Sequence[Written],
    rules: Iterable[Rule] = (),
    said: Iterable[Problem] = (),
    registered: Registered | None = None,
) -> Linted:
    """All that is to be said of the documents.

    `rules` are those that were read from them, and others that would run beside them; `said` is what reading said: it
    is part of the answer, and nothing is said twice.
    """
    registered = registered or Registered()
    problems = list(said)
    known = {(problem.place, problem.code) for problem in problems}
    changes: dict[tuple[str, int], list[Change]] = defaultdict(list)

    def take(hit: Hit) -> None:
        if (hit.problem.place, hit.problem.code) not in known:
            problems.append(hit.problem)

    for one in documents:
        for check in CHECKS:
            for hit in check(one):
                take(hit)
                if hit.change is not None:
                    changes[one.file, one.number].append(hit.change)
    for hit in (*check_logsources(documents, registered), *check_fields(documents, registered)):
        take(hit)
    problems += check_duplicates(rules, {one.file for one in documents})
    ordered = sorted(problems, key=lambda problem: (problem.place, problem.code))
    return Linted(tuple(ordered), {place: tuple(found) for place, found in changes.items()})


# --- logsources and fields -------------------------------------------------------------------------------------------


@cache
def _products() -> Mapping[str | None, frozenset[str]]:
    """Product -> the names of the tables that its events have; None: those of formats that name no product."""
    from kyber.logs.formats.known import FORMATS  # loads every parser

    found: dict[str | None, set[str]] = defaultdict(set)
    for form in FORMATS.values():
        found[form.product].add(form.table)
    return {product: frozenset(names) for product, names in found.items()}


def _tables(logsource: LogSource) -> tuple[Table, ...]:
    """The tables of the events that a rule may see."""
    if logsource.product is not None:
        return tuple(map(table, sorted(_products().get(logsource.product, ()))))
    return tuple(
        one
        for one in tables()
        if (logsource.category is None or logsource.category in one.categories)
        and (logsource.service is None or logsource.service in one.services)
    )


def check_logsources(documents: Sequence[Written], registered: Registered) -> Iterator[Hit]:
    """R74: a logsource that no event will have; once for each. R59: one that looks like a slip."""
    unknown: dict[LogSource, list[Written]] = defaultdict(list)
    slips: dict[LogSource, tuple[str, str, str | None] | None] = {}
    for one in documents:
        if "detection" not in one.document or (logsource := one.logsource) is None:
            continue
        if logsource not in slips:
            slips[logsource] = _slip(logsource, registered)
        if (slip := slips[logsource]) is None:
            continue
        part, value, near = slip
        if near:
            yield doubt("R59", one, ("logsource", part), part=part, value=value, wanted=near)
        else:
            unknown[logsource].append(one)
    for logsource, found in unknown.items():
        first = min(found, key=lambda one: one.file)
        count = len(found)
        yield doubt("R74", first, ("logsource",), Severity.NOTE, logsource=logsource, count=count)


def _slip(logsource: LogSource, registered: Registered) -> tuple[str, str, str | None] | None:
    """The part of a logsource that nothing knows, its value, and a known one that is like it; None if all is well."""
    if logsource in registered.logsources:
        return None
    own = [one for one in registered.logsources if one.product == logsource.product]
    if logsource.product is not None and logsource.product not in _products() and not own:
        known = {one for one in _products() if one} | {one.product for one in registered.logsources if one.product}
        return "product", logsource.product, _near(logsource.product, known)
    seen = [one for one in tables() if logsource.product is None or one in _tables(LogSource(logsource.product))]
    for part in ("category", "service"):
        value = getattr(logsource, part)
        names = {name for one in seen for name in (one.categories if part == "category" else one.services)}
        names |= {name for one in own if (name := getattr(one, part)) is not None}
        if value is not None and value not in names:
            return part, value, _near(value, names)
    return None


def _near(name: str, known: Iterable[str]) -> str | None:
    found = get_close_matches(name, sorted(known), 1, _ALIKE)
    return found[0] if found else None


def check_fields(documents: Sequence[Written], registered: Registered) -> Iterator[Hit]:
    """R73: a field that differs little from one that its product has. R58: one that none of its tables has."""
    used: dict[str | None, Counter[str]] = defaultdict(Counter)
    asked: list[tuple[Written, LogSource, dict[str, tuple[str | int, ...]]]] = []
    for one in documents:
        logsource = one.logsource
        if "detection" not in one.document or logsource is None:
            continue
        fields = {item.field: item.path for item in reversed(list(one.items())) if item.field}
        used[logsource.product].update(fields.keys())
        asked.append((one, logsource, fields))
    for one, logsource, fields in asked:
        seen = _tables(logsource)
        if not seen:
            continue
        known = frozenset().union(registered.fields, *(_fields_of(found.name) for found in seen))
        often = {name for name, count in used[logsource.product].items() if count >= _OFTEN} | known
        for name, path in fields.items():
            if name in often:
                continue
            if near := _misspelt(name, often):
                yield doubt("R73", one, path, field=name, wanted=near)
            elif not any(found.native for found in seen):
                yield doubt("R58", one, path, Severity.NOTE, field=name, logsource=logsource)


@cache
def _fields_of(name: str) -> frozenset[str]:
    """The fields that a table names, as rules write them: its own, its columns, and its native columns' own names."""
    found = table(name)
    columns = {name for names in found.fields.values() for name in names}
    columns |= {drawn.column for several in found.columns.values() for drawn in several}
    names = set(found.fields) | set(found.columns) | columns
    for prefix in (pattern.partition("{}")[0] for pattern in found.native):
        names |= {name.removeprefix(prefix) for name in columns if name.startswith(prefix)}
    return frozenset(names)


def _misspelt(name: str, known: Iterable[str]) -> str | None:
    """The known field that is the same but for case, spaces, dashes and underscores, or for one letter."""
    by_letters = {_letters(one): one for one in sorted(known)}
    if (same := by_letters.get(_letters(name))) is not None:
        return same
    alike = [one for one in by_letters.values() if abs(len(one) - len(name)) < 2 and _digits(one) == _digits(name)]
    near = get_close_matches(name, alike, 1, 0.9)
    return near[0] if near else None


def _letters(name: str) -> str:
    return re.sub(r"[\s_-]", "", name).lower()


def _digits(name: str) -> str:
    return re.sub(r"\D", "", name)


# --- duplicates ------------------------------------------------------------------------------------------------------

Shape = tuple[str, object]


def check_duplicates(rules: Iterable[Rule], files: Collection[str]) -> Iterator[Problem]:
    """R67: a rule of these files that asks the same of the same events as another, whatever it calls its selections."""
    first: dict[tuple[LogSource, Shape], Rule] = {}
    for rule in sorted(rules, key=lambda rule: (rule.place.file in files, rule.place, rule.ref.id)):
        other = first.setdefault((rule.logsource, _shape(rule.condition)), rule)
        if other is not rule and rule.place.file in files:
            yield Problem(rule.place, "R67", {"other": str(other.place), "id": other.ref.id}, Severity.WARNING)


def _shape(node: Node) -> Shape:
    """What a condition asks, without the names of its selections and the order of its parts."""
    match node:
        case Leaf():
            asked = node.predicate
            return node.field, (asked.folded, asked.cased) if isinstance(asked, Glob) else asked
        case Not():
            return "not", _shape(node.node)
        case And() | Or():
            word = "and" if isinstance(node, And) else "or"
            parts: set[Shape] = set()
            for inner in map(_shape, node.nodes):
                parts |= inner[1] if inner[0] == word and isinstance(inner[1], frozenset) else {inner}
            return parts.pop() if len(parts) == 1 else (word, frozenset(parts))
