"""Sigma correlation documents -> frozen correlations whose rules are found; what is wrong is a Problem with its place.

Source: the Sigma correlation rules specification, with the value types of 2.1.0. kyber reads them itself: ranges,
fractional thresholds and chains must mean what is written. Running them is `correlate`'s.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fractions import Fraction
from itertools import pairwise
from math import isfinite
from typing import Any, Final, Protocol

from kyber.finding import Family, RuleRef
from kyber.level import Level
from kyber.logs.sigma.detection import DetectionError
from kyber.logs.sigma.predicate import Feature
from kyber.problem import Place, Problem
from kyber.yamltext import line_of

MAX_REFERENCES: Final = 100
"""Rules that one correlation may name."""
MAX_CHAIN: Final = 16
"""Correlations that may stand one upon the other."""
MAX_PATHS: Final = 100
"""Ways that may lead from one correlation down to rules."""
MAX_YEARS: Final = 100
"""The longest timespan."""

_DAY: Final = 86_400
SECONDS: Final[Mapping[str, int]] = {
    "s": 1,
    "m": 60,
    "h": 3_600,
    "d": _DAY,
    "w": 7 * _DAY,
    "M": 30 * _DAY,
    "y": 365 * _DAY,
}
"""The units of a timespan."""
_TIMESPAN: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?) ?([smhdwMy])")


class Kind(StrEnum):
    """What a correlation asks of the events in its window."""

    EVENT_COUNT = "event_count"
    VALUE_COUNT = "value_count"
    TEMPORAL = "temporal"
    TEMPORAL_ORDERED = "temporal_ordered"
    VALUE_SUM = "value_sum"
    VALUE_AVG = "value_avg"
    VALUE_PERCENTILE = "value_percentile"
    VALUE_MEDIAN = "value_median"


TEMPORAL: Final = frozenset((Kind.TEMPORAL, Kind.TEMPORAL_ORDERED))
NUMERIC: Final = frozenset((Kind.VALUE_SUM, Kind.VALUE_AVG, Kind.VALUE_PERCENTILE, Kind.VALUE_MEDIAN))


class Awaits(StrEnum):
    """Whom a correlation that asks for silence expects to hear from.

    Those that the register names; or only those that it declares to be what the rule is about, and besides them those
    that used to be heard within the timespan.
    """

    REGISTERED = "registered"
    SEEN = "seen"


OPERATORS: Final = ("gt", "gte", "lt", "lte", "eq", "neq")
MAX_TIMES: Final = 1_000
"""Times its usual interval that a group may be silent for."""
_KEYS: Final = frozenset(
    ("type", "rules", "aliases", "group-by", "timespan", "condition", "generate", "field", "percentile")
)


@dataclass(frozen=True, slots=True)
class Bound:
    """One comparison of a condition; `written` is the limit as its author has it."""

    operator: str
    limit: Fraction
    written: str

    def holds(self, value: Fraction | int) -> bool:
        """Whether a value satisfies it."""
        match self.operator:
            case "gt":
                return value > self.limit
            case "gte":
                return value >= self.limit
            case "lt":
                return value < self.limit
            case "lte":
                return value <= self.limit
            case "eq":
                return value == self.limit
        return value != self.limit


@dataclass(frozen=True, slots=True)
class Range:
    """A condition: all of its bounds have to hold."""

    bounds: tuple[Bound, ...]

    def holds(self, value: Fraction | int) -> bool:
        """Whether a value satisfies every bound."""
        return all(one.holds(value) for one in self.bounds)

    @property
    def of_absence(self) -> bool:
        """Whether no event at all satisfies it."""
        return self.holds(0)

    @property
    def only_absence(self) -> bool:
        """Whether nothing but no event at all satisfies it."""
        top = (one for one in self.bounds if one.operator in ("lt", "lte", "eq"))
        return self.holds(0) and any(not one.holds(1) for one in top)

    @property
    def rises(self) -> bool:
        """Whether more is worse: otherwise the condition has no lower bound."""
        return any(one.operator in ("gt", "gte", "eq", "neq") for one in self.bounds)

    def __str__(self) -> str:
        return ", ".join(f"{one.operator} {one.written}" for one in self.bounds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Correlation:
    """One correlation, ready to run once its rules are found.

    `rules`: the ids of the rules it is about, in its order (before `resolved`: ids or names as written, at `places`).
    `aliases`: alias -> rule id -> field. `timespan` in microseconds, `span` as written. `condition` None: every rule
    (of the temporal kinds only). `fields`: what the value kinds look at. `generate`: its rules alert on their own, too.
    Where it asks for silence: a source is silent after `silent_after` times its usual interval, where that is known;
    `awaits`: who is expected.
    """

    ref: RuleRef
    place: Place
    level: Level
    family: Family
    tags: tuple[str, ...]
    kind: Kind
    rules: tuple[str, ...]
    places: tuple[Place, ...]
    aliases: Mapping[str, Mapping[str, str]]
    group_by: tuple[str, ...]
    timespan: int
    span: str
    condition: Range | None
    fields: tuple[str, ...] = ()
    percentile: Fraction | None = None
    generate: bool = False
    description: str = ""
    false_positives: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    next: Mapping[str, str] = field(default_factory=dict)
    silent_after: Fraction | None = None
    awaits: Awaits = Awaits.REGISTERED

    def holds(self, value: Fraction | int) -> bool:
        """Whether a value, or a number of events or rules, satisfies the condition."""
        return value >= len(self.rules) if self.condition is None else self.condition.holds(value)

    @property
    def of_absence(self) -> bool:
        """Whether it asks for what did not happen, so that it is judged also where there is no event."""
        return self.kind is Kind.EVENT_COUNT and self.condition is not None and self.condition.of_absence

    @property
    def only_absence(self) -> bool:
        """Whether no event can satisfy it, only the want of one."""
        return self.of_absence and self.condition is not None and self.condition.only_absence

    @property
    def asked(self) -> str:
        """The condition in a few signs."""
        return f"eq {len(self.rules)}" if self.condition is None else str(self.condition)

    def field_of(self, name: str, rule: str) -> str:
        """The field that a name in this correlation means in events of a rule (by id)."""
        return self.aliases.get(name, {}).get(rule, name)


class Referable(Protocol):
    """What a correlation may name: a rule, a correlation, or one that cannot run."""

    @property
    def ref(self) -> RuleRef: ...


@dataclass(frozen=True, slots=True)
class Blinded:
    """A correlation that cannot run: `reason` and `facts` as in `finding.Blind`."""

    correlation: Correlation
    reason: str
    facts: Mapping[str, object]


# --- reading one document --------------------------------------------------------------------------------------------


def read_correlation(
    document: Mapping[str, Any],
    *,
    ref: RuleRef,
    place: Place,
    level: Level,
    family: Family,
    tags: tuple[str, ...],
    description: str,
    false_positives: tuple[str, ...],
    references: tuple[str, ...],
    next: Mapping[str, str],  # noqa: A002 - the name that rules give it
) -> Correlation:
    """The correlation of a document. Raises DetectionError, and Feature for a condition that is an expression."""
    given = document["correlation"]
    if not isinstance(given, dict):
        raise DetectionError("R02", ("correlation",))
    for key in given:
        if key not in _KEYS:
            raise _wrong(key, why=f"{key} is not a part of a correlation")
    try:
        kind = Kind(str(given.get("type")))
    except ValueError:
        raise _wrong("type", why=f"the type is one of {', '.join(Kind)}") from None
    rules = _rules(given)
    microseconds, span = _timespan(given)
    condition = _mapping(given, "condition", needed=kind not in TEMPORAL)
    found = Correlation(
        ref=ref,
        place=place,
        level=level,
        family=family,
        tags=tags,
        kind=kind,
        rules=rules,
        places=tuple(
            Place(place.file, line_of(document, ("correlation", "rules", index), place.line))
            for index in range(len(rules))
        ),
        aliases=_aliases(given),
        group_by=tuple(dict.fromkeys(_names(given, "group-by"))),
        timespan=microseconds,
        span=span,
        condition=_range(condition, kind),
        fields=_fields(given, condition, kind),
        percentile=_percentile(given, condition, kind),
        generate=_generate(document, given),
        description=description,
        false_positives=false_positives,
        references=references,
        next=next,
    )
    return replace(found, silent_after=_silent_after(document, found), awaits=_awaits(document, found))


def _wrong(*path: str | int, why: str) -> DetectionError:
    return DetectionError("R21", ("correlation", *path), why=why)


def _rules(given: Mapping[str, Any]) -> tuple[str, ...]:
    listed = given.get("rules")
    listed = listed if isinstance(listed, list) else [listed]
    if not listed or not all(isinstance(one, str) and one.strip() for one in listed):
        raise _wrong("rules", why="rules is a list of ids or names of rules")
    if len(listed) > MAX_REFERENCES:
        raise _wrong("rules", why=f"it names more than {MAX_REFERENCES} rules")
    return tuple(one.strip() for one in listed)


def _timespan(given: Mapping[str, Any]) -> tuple[int, str]:
    written = given.get("timespan")
    found = _TIMESPAN.fullmatch(written.strip()) if isinstance(written, str) else None
    if found is None:
        raise _wrong("timespan", why="timespan is a number and s, m, h, d, w, M or y, as 15m")
    microseconds = Fraction(found[1]) * SECONDS[found[2]] * 1_000_000
    if not 1 <= microseconds <= MAX_YEARS * SECONDS["y"] * 1_000_000:
        raise _wrong("timespan", why=f"timespan is more than nothing and at most {MAX_YEARS} years")
    return int(microseconds), f"{found[1]}{found[2]}"


def _mapping(given: Mapping[str, Any], name: str, *, needed: bool) -> Mapping[str, Any]:
    found = given.get(name)
    if name == "condition" and isinstance(found, str):
        raise Feature("feature", feature="correlation condition as an expression")
    if found is None and not needed:
        return {}
    if not isinstance(found, dict) or not found:
        raise _wrong(name, why=f"{name} is missing, or not a mapping")
    return found


def _aliases(given: Mapping[str, Any]) -> Mapping[str, Mapping[str, str]]:
    aliases = _mapping(given, "aliases", needed="aliases" in given and given["aliases"] is not None)
    for alias, fields in aliases.items():
        if not isinstance(fields, dict) or not all(isinstance(one, str) and one for one in fields.values()):
            raise _wrong("aliases", alias, why=f"the alias {alias} names a field for each rule")
    return {alias: dict(fields) for alias, fields in aliases.items()}


def _names(given: Mapping[str, Any], name: str) -> tuple[str, ...]:
    listed = given.get(name)
    listed = [] if listed is None else listed if isinstance(listed, list) else [listed]
    if not all(isinstance(one, str) and one for one in listed):
        raise _wrong(name, why=f"{name} is a field or a list of fields")
    return tuple(listed)


def _range(condition: Mapping[str, Any], kind: Kind) -> Range | None:
    for key in condition:
        if key not in OPERATORS and key not in ("field", "percentile"):
            raise _wrong("condition", key, why=f"{key} is not one of {', '.join(OPERATORS)}")
    bounds = []
    for operator in OPERATORS:
        if operator in condition:
            limit = condition[operator]
            if isinstance(limit, bool) or not isinstance(limit, int | float) or not isfinite(limit):
                raise _wrong("condition", operator, why=f"the threshold of {operator} is not a number")
            bounds.append(Bound(operator, Fraction(str(limit)), str(limit)))
    if not bounds:
        if kind in TEMPORAL:
            return None
        raise _wrong("condition", why=f"the condition has none of {', '.join(OPERATORS)}")
    found = Range(tuple(bounds))
    if not _satisfiable(found, whole=kind not in NUMERIC):
        raise _wrong("condition", why=f"no number satisfies {found}")
    return found


def _satisfiable(found: Range, *, whole: bool) -> bool:
    """Whether any value satisfies a condition; a whole number from 0 on, where it counts."""
    limits = [one.limit for one in found.bounds]
    if whole:
        near = {0, *(int(limit) + step for limit in limits for step in (-1, 0, 1, 2))}
        return any(found.holds(one) for one in near if one >= 0)
    ordered = sorted({*limits, *(limit + side for limit in limits for side in (-1, 1))})
    between = [(low + high) / 2 for low, high in pairwise(ordered)]
    return any(found.holds(one) for one in (*ordered, *between))


def _fields(given: Mapping[str, Any], condition: Mapping[str, Any], kind: Kind) -> tuple[str, ...]:
    holder = condition if "field" in condition else given
    fields = _names(holder, "field")
    if kind is not Kind.VALUE_COUNT and kind not in NUMERIC:
        if fields:
            raise _wrong("condition", "field", why=f"{kind} looks at no field")
        return ()
    if not fields:
        raise _wrong("condition", why=f"{kind} needs a field in its condition")
    if kind in NUMERIC and len(fields) > 1:
        raise _wrong("condition", "field", why=f"{kind} looks at one field")
    return tuple(dict.fromkeys(fields))


def _percentile(given: Mapping[str, Any], condition: Mapping[str, Any], kind: Kind) -> Fraction | None:
    found = condition.get("percentile", given.get("percentile"))
    if kind is not Kind.VALUE_PERCENTILE:
        if found is not None:
            raise _wrong("condition", "percentile", why=f"{kind} has no percentile")
        return None
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found <= 100:
        raise _wrong("condition", "percentile", why="percentile is a number from 0 to 100")
    return Fraction(str(found))


def _generate(document: Mapping[str, Any], given: Mapping[str, Any]) -> bool:
    """Beside `correlation`, where the specification has it, or in it, where pySigma does."""
    said = [(holder[0], holder[1]["generate"]) for holder in (((), document), (("correlation",), given))
            if "generate" in holder[1]]  # fmt: skip
    for path, value in said:
        if not isinstance(value, bool):
            raise DetectionError("R21", (*path, "generate"), why="generate is true or false")
    if len({value for _, value in said}) > 1:
        raise DetectionError("R21", ("generate",), why="generate is said twice, and differently")
    return bool(said and said[0][1])


def _silent_after(document: Mapping[str, Any], one: Correlation) -> Fraction | None:
    """What `kyber:` says of how many times its usual interval a source may be silent for."""
    value = _of_silence(document, "silent_after", one)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= MAX_TIMES:
        why = f"silent_after is a number from 1 to {MAX_TIMES:,}"
        raise DetectionError("R21", ("kyber", "silent_after"), why=why)
    return Fraction(str(value))


def _awaits(document: Mapping[str, Any], one: Correlation) -> Awaits:
    value = _of_silence(document, "awaits", one)
    if value is None:
        return Awaits.REGISTERED
    try:
        return Awaits(value)
    except ValueError:
        raise DetectionError("R21", ("kyber", "awaits"), why=f"awaits is one of {', '.join(Awaits)}") from None


def _of_silence(document: Mapping[str, Any], name: str, one: Correlation) -> Any:
    """A key under `kyber:` that only correlations have that ask for nothing; None where it is not there."""
    own = document.get("kyber")
    value = own.get(name) if isinstance(own, dict) else None
    if value is not None and not one.only_absence:
        why = f"{name} is for event_count with a condition that only 0 satisfies, as lt: 1"
        raise DetectionError("R21", ("kyber", name), why=why)
    return value


# --- finding what correlations name ----------------------------------------------------------------------------------


def resolved(
    correlations: Sequence[Correlation], rules: Iterable[Referable], unable: Iterable[Referable]
) -> tuple[tuple[Correlation, ...], tuple[Blinded, ...], tuple[Problem, ...]]:
    """Those that can run, each after the ones that it builds on; those that cannot, and why; and what is to be mended.

    `rules`: what can run; `unable`: what was read and cannot. A name is looked for in the correlation's own file first.
    """
    broken = {one.ref.id: one.ref.title for one in unable}
    index = _Index((*rules, *unable, *correlations))
    blinded: list[Blinded] = []
    problems: list[Problem] = []
    found: dict[str, Correlation] = {}
    for one in correlations:
        known = _found(one, index, problems)
        if isinstance(known, Blinded):
            blinded.append(known)
        else:
            found[one.ref.id] = known
    cyclic = _cyclic(found)
    for identity in cyclic:
        problems.append(Problem(found[identity].place, "R23", {"title": found[identity].ref.title}))
        blinded.append(Blinded(found.pop(identity), "cycle", {}))
    broken |= {one.correlation.ref.id: one.correlation.ref.title for one in blinded}
    ordered: dict[str, Correlation] = {}
    depth: dict[str, int] = {}
    ways: dict[str, int] = {}
    waiting = dict(found)
    while waiting:
        for one in list(waiting.values()):
            if lacking := next((rule for rule in one.rules if rule in broken), None):
                blinded.append(Blinded(one, "rule-blind", {"rule": broken[lacking]}))
                broken[one.ref.id] = one.ref.title
            elif any(rule in waiting for rule in one.rules):
                continue
            else:
                deep = depth[one.ref.id] = 1 + max((depth.get(rule, 0) for rule in one.rules), default=0)
                many = ways[one.ref.id] = sum(ways.get(rule, 1) for rule in one.rules)
                if deep <= MAX_CHAIN and many <= MAX_PATHS:
                    ordered[one.ref.id] = one
                else:
                    why = f"more than {MAX_CHAIN} correlations stand one upon the other, or {MAX_PATHS} ways lead down"
                    problems.append(Problem(one.place, "R21", {"why": why}))
                    blinded.append(Blinded(one, "feature", {"feature": "chain of correlations"}))
                    broken[one.ref.id] = one.ref.title
            del waiting[one.ref.id]
    return tuple(ordered.values()), tuple(blinded), tuple(problems)


class _Index:
    """Rules by what they may be called."""

    def __init__(self, known: Iterable[Referable]) -> None:
        self.ids: dict[str, RuleRef] = {}
        self.names: defaultdict[str, list[RuleRef]] = defaultdict(list)
        for one in known:
            self.ids.setdefault(one.ref.id.lower(), one.ref)
            if one.ref.name:
                self.names[one.ref.name].append(one.ref)

    def find(self, name: str, file: str) -> RuleRef | None:
        """What is called so: by id, by name in the same file, by name."""
        if name.lower() in self.ids:
            return self.ids[name.lower()]
        named = self.names.get(name, ())
        return next((one for one in named if one.path == file), named[0] if named else None)


def _found(one: Correlation, index: _Index, problems: list[Problem]) -> Correlation | Blinded:
    """The correlation with the ids of its rules."""
    ids: dict[str, str] = {}  # as written -> id
    for name, place in zip(one.rules, one.places, strict=True):
        known = index.find(name, one.place.file)
        if known is None:
            problems.append(Problem(place, "R22", {"rule": name}))
            return Blinded(one, "no-rule", {"rule": name})
        if known.id in ids.values():
            problems.append(Problem(place, "R21", {"why": f"{name} is named twice"}))
            return Blinded(one, "no-rule", {"rule": name})
        ids[name] = known.id
    aliases: dict[str, dict[str, str]] = {}
    for alias, fields in one.aliases.items():
        for name, given in fields.items():
            known = index.find(name, one.place.file)
            if known is None or known.id not in ids.values():
                problems.append(Problem(one.place, "R22", {"rule": name}))
                return Blinded(one, "no-rule", {"rule": name})
            aliases.setdefault(alias, {})[known.id] = given
    return replace(one, rules=tuple(ids.values()), aliases=aliases)


def _cyclic(found: Mapping[str, Correlation]) -> list[str]:
    """The ids of those that stand, through others, upon themselves."""
    left = {identity: {rule for rule in one.rules if rule in found} for identity, one in found.items()}
    while True:  # take away what builds on nothing that is left, and what nothing that is left builds on
        used: Collection[str] = set().union(*left.values())
        away = [identity for identity, inner in left.items() if not inner or identity not in used]
        if not away:
            return list(left)
        for identity in away:
            del left[identity]
        for inner in left.values():
            inner.difference_update(away)
