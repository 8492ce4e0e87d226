"""Sigma filter documents -> frozen filters, and what is wrong between them and the rules that they name.

Source: the Sigma filters specification 2.0.0. A filter takes the events that it selects out of its rules. What Sigma
has no word for stands under the document's key `kyber:`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from kyber.finding import RuleRef
from kyber.logs.batch import LogSource
from kyber.logs.sigma.condition import parse
from kyber.logs.sigma.detection import DetectionError, detection
from kyber.logs.sigma.modifier import Placeholders
from kyber.logs.sigma.predicate import Leaf, Node, Not, Null
from kyber.problem import Place, Problem, Severity
from kyber.yamltext import line_of

ANY: Final = "any"
NO_SELECTIONS: Final = frozenset(("rules", "condition"))
OWN_KEYS: Final = frozenset(("owner", "expires", "must_fire", "family", "title", "next", "ground"))
"""What may stand under `kyber:`: what filters use, and what rules do."""
MAX_MUST_FIRE: Final = 100
"""Events that one filter may list as those that must still fire."""

Event = Mapping[str, Any]
"""An event by the names that rules give its fields: texts, numbers, booleans, null, or lists of those."""


@dataclass(frozen=True, slots=True)
class Named:
    """A rule's id or name as a filter gives it, and where."""

    name: str
    place: Place


@dataclass(frozen=True, slots=True)
class MustFire:
    """An event that at least one of the filter's rules must match and no filter take out, and where it stands."""

    event: Event
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Takes the events for which `condition` holds out of some rules. `rules`: None for every rule that it fits.

    `expires`: the last day on which it holds. `owner`: the role or person who answers for it.
    """

    ref: RuleRef
    place: Place
    rules: tuple[Named, ...] | None
    logsource: LogSource
    condition: Node
    owner: str = ""
    expires: date | None = None
    must_fire: tuple[MustFire, ...] = ()

    def applies(self, rule: RuleRef, logsource: LogSource) -> bool:
        """Whether it takes events out of a rule of this logsource."""
        return self.fits(logsource) and (self.rules is None or any(names(one, rule) for one in self.rules))

    def fits(self, logsource: LogSource) -> bool:
        """Whether a rule of this logsource can be filtered: it says the same as the filter's, and maybe more."""
        said = ((getattr(self.logsource, key), getattr(logsource, key)) for key in LogSource.__slots__)
        return all(mine in (None, theirs) for mine, theirs in said)

    def in_force(self, today: date | None) -> bool:
        """Whether it has not expired; where nobody says what day it is, it has not."""
        return today is None or self.expires is None or today <= self.expires


def names(one: Named, rule: RuleRef) -> bool:
    """Whether a reference means a rule."""
    return bool(one.name) and one.name in (rule.id, rule.name)


def read_filter(
    document: Mapping[str, Any], ref: RuleRef, place: Place, logsource: LogSource, placeholders: Placeholders
) -> Filter:
    """The filter of a document. Raises DetectionError, and Feature where a placeholder is not filled."""
    given = document["filter"]
    if not isinstance(given, dict):
        raise DetectionError("R02", ("filter",))
    named = given.get("rules")
    own = _own(document)
    return Filter(
        ref=ref,
        place=place,
        rules=None if isinstance(named, str) and named.lower() == ANY else _rules(named, document, place.file),
        logsource=logsource,
        condition=_condition(given, placeholders),
        owner=_owner(own),
        expires=_expires(own),
        must_fire=tuple(_must_fire(own, document, place.file)),
    )


def _rules(given: Any, document: Mapping[str, Any], file: str) -> tuple[Named, ...]:
    listed = given if isinstance(given, list) else [given]
    named = [one for one in listed if isinstance(one, str) and one.strip()]
    if not named or len(named) != len(listed):
        raise DetectionError("R03", ("filter", "rules"), field="filter.rules")
    return tuple(
        Named(one, Place(file, line_of(document, ("filter", "rules", index)))) for index, one in enumerate(named)
    )


def _condition(given: Mapping[str, Any], placeholders: Placeholders) -> Node:
    """What the filter takes out: what its condition selects, or what a condition that is one negation negates."""
    selections = {name: value for name, value in given.items() if name != "rules"}
    try:
        node = detection({"detection": selections}, placeholders)
    except DetectionError as error:
        raise DetectionError(error.code, ("filter", *error.path[1:]), **error.facts) from None
    for _ in range(_negations(given)):
        assert isinstance(node, Not)
        node = node.node
    return node


def negated(given: Mapping[str, Any]) -> bool:
    """Whether the whole condition of a filter (one that can be read) is one negation, as `not selection`."""
    return _negations(given) % 2 == 1


def _negations(given: Mapping[str, Any]) -> int:
    """How many negations stand one in the other around all that a filter's condition says."""
    written = given["condition"]
    conditions = written if isinstance(written, list) else [written]
    if len(conditions) > 1:
        return 0
    # `neq` negates within a selection; only what the condition itself says counts.
    node = parse(conditions[0], {name: Leaf(name, Null(), name) for name in given if name not in NO_SELECTIONS})
    count = 0
    while isinstance(node, Not):
        node, count = node.node, count + 1
    return count


def _own(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """What stands under `kyber:`. A slip in it would be a filter that never expires, or that nothing guards."""
    own = document.get("kyber", {})
    if not isinstance(own, dict):
        raise DetectionError("R03", ("kyber",), field="kyber")
    for key in own:
        if key not in OWN_KEYS:
            raise DetectionError("R03", ("kyber", key), field=f"kyber.{key}")
    return own


def _owner(own: Mapping[str, Any]) -> str:
    owner = own.get("owner", "")
    if not isinstance(owner, str):
        raise DetectionError("R03", ("kyber", "owner"), field="kyber.owner")
    return owner.strip()


def _expires(own: Mapping[str, Any]) -> date | None:
    given = own.get("expires")
    if given is None:
        return None
    try:
        return date.fromisoformat(given)
    except (ValueError, TypeError):
        raise DetectionError("R03", ("kyber", "expires"), field="kyber.expires") from None


def _must_fire(own: Mapping[str, Any], document: Mapping[str, Any], file: str) -> Iterator[MustFire]:
    given = own.get("must_fire")
    given = [] if given is None else given
    if not isinstance(given, list) or len(given) > MAX_MUST_FIRE:
        raise DetectionError("R03", ("kyber", "must_fire"), field="kyber.must_fire")
    for index, event in enumerate(given):
        here = ("kyber", "must_fire", index)
        if not isinstance(event, dict) or not event or not all(map(_plain, event.values())):
            raise DetectionError("R03", here, field=f"kyber.must_fire.{index}")
        yield MustFire(event, Place(file, line_of(document, here)))


def _plain(value: Any) -> bool:
    """Whether a value is one that a field can hold, or a list of such."""
    return not any(isinstance(one, dict | list) for one in (value if isinstance(value, list) else [value]))


def check_filters(
    filters: Iterable[Filter],
    rules: Iterable[tuple[RuleRef, LogSource | None]],
    correlations: Iterable[RuleRef] = (),
    today: date | None = None,
) -> Iterator[Problem]:
    """R30 to R32, R36, R37: filters that have expired, or that name what they cannot filter.

    `rules`: every rule that was read and its logsource; None for one that cannot run.
    """
    rules = list(rules)
    known = {name: logsource for rule, logsource in rules for name in (rule.id, rule.name) if name}
    above = {name for rule in correlations for name in (rule.id, rule.name) if name}
    for one in filters:
        if not one.in_force(today):
            yield Problem(
                one.place,
                "R32",
                {"title": one.ref.title, "expires": one.expires, "owner": one.owner or "?"},
                Severity.WARNING,
            )
        if one.rules is None and not any(found is not None and one.fits(found) for _, found in rules):
            yield Problem(one.place, "R37", {"title": one.ref.title, "logsource": str(one.logsource)}, Severity.WARNING)
        for named in one.rules or ():
            if named.name in above:
                yield Problem(named.place, "R36", {"rule": named.name})
            elif named.name not in known:
                yield Problem(named.place, "R30", {"rule": named.name})
            elif (found := known[named.name]) is not None and not one.fits(found):
                facts = {"rule": named.name, "logsource": str(one.logsource), "its": str(found)}
                yield Problem(named.place, "R31", facts)
