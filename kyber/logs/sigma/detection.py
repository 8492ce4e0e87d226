"""The detection of a Sigma rule -> one tree of leaves. What cannot be used is a DetectionError that says where."""

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_network
from typing import Any

from kyber.logs.sigma.condition import ConditionError, parse
from kyber.logs.sigma.modifier import CHANGES, Placeholders, variants, within
from kyber.logs.sigma.predicate import (
    TIME_PARTS,
    And,
    Cidr,
    Equals,
    Exists,
    FieldRef,
    Glob,
    Leaf,
    Node,
    Not,
    Null,
    Or,
    Order,
    Predicate,
    Regex,
    TimePart,
    leaves,
    searcher,
)

MAX_LEAVES = 20_000
"""Comparisons of one rule."""

MAX_CONDITIONS = 100

FLAGS = {"i": "i", "ignorecase": "i", "m": "m", "multiline": "m", "s": "s", "dotall": "s"}
ORDERINGS = ("lt", "lte", "gt", "gte")
ANCHORS = ("contains", "startswith", "endswith")
EVERYWHERE = frozenset(("all", "neq"))
"""Modifiers that go with every other."""
ALONE: Mapping[str, frozenset[str]] = {
    "exists": frozenset(),
    "re": frozenset(FLAGS),
    "cidr": frozenset(("expand",)),
    "fieldref": frozenset((*ANCHORS, "cased")),
    **{one: frozenset(TIME_PARTS) for one in ORDERINGS},
    **{one: frozenset(ORDERINGS) for one in TIME_PARTS},
}
"""Modifiers that say themselves how to compare -> those that may stand beside them."""
MODIFIERS = EVERYWHERE | frozenset((*CHANGES, *FLAGS, *ALONE, "expand", "cased"))

Path = tuple[str | int, ...]


class DetectionError(Exception):
    """A part of the detection cannot be used: an R-code, its facts, and the path to the part in the document."""

    def __init__(self, code: str, path: Path, **facts: object) -> None:
        super().__init__(code)
        self.code, self.path, self.facts = code, path, facts


def detection(document: Mapping[str, Any], placeholders: Placeholders) -> Node:
    """The tree that a rule's detection means. Raises DetectionError, and Feature where a placeholder is not filled."""
    given = document["detection"]
    if not isinstance(given, dict):
        raise DetectionError("R02", ("detection",))
    here: Path = ("detection", "condition")
    written = given.get("condition")
    written = written if isinstance(written, list) else [written]
    conditions = [one for one in written if isinstance(one, str)]
    if not written or len(conditions) != len(written):
        raise DetectionError("R03", here, field="condition")
    if len(conditions) > MAX_CONDITIONS:
        raise DetectionError("R04", here, why=f"more than {MAX_CONDITIONS} conditions")
    reader = _Reader(placeholders)
    selections = {
        name: reader.selection(value, name) for name, value in given.items() if name not in ("condition", "timeframe")
    }
    try:
        node = _either([parse(one, selections) for one in conditions])
    except ConditionError as error:
        raise DetectionError("R04", here, why=str(error)) from None
    for count, _ in enumerate(leaves(node), 1):
        if count > MAX_LEAVES:  # a selection may be named many times
            raise DetectionError("R04", here, why=f"more than {MAX_LEAVES} comparisons")
    return node


class _Reader:
    """Reads the selections of one rule, and bounds how many comparisons they make together."""

    def __init__(self, placeholders: Placeholders) -> None:
        self.placeholders = placeholders
        self.made = 0

    def selection(self, value: Any, name: str) -> Node:
        """A map is AND, a list of maps OR, a list of values keywords."""
        here: Path = ("detection", name)
        if isinstance(value, dict):
            return self.map(value, name, here)
        if isinstance(value, list):
            if not value:
                raise DetectionError("R18", here, name=name)
            return _either([self.one_of(one, name, (*here, index)) for index, one in enumerate(value)])
        if value is None:
            raise DetectionError("R18", here, name=name)
        return self.item("", value, name, here)

    def one_of(self, value: Any, name: str, here: Path) -> Node:
        if isinstance(value, list):
            raise DetectionError("R18", here, name=name)
        return self.map(value, name, here) if isinstance(value, dict) else self.item("", value, name, here)

    def map(self, value: Mapping[str, Any], name: str, here: Path) -> Node:
        if not value:
            raise DetectionError("R18", here, name=name)
        return _both([self.item(key, one, name, (*here, key)) for key, one in value.items()])

    def item(self, key: str, value: Any, part: str, here: Path) -> Node:
        """`field|modifier|…: value or values` -> leaves, joined by OR, or by AND with `all`."""
        field, *modifiers = key.split("|")
        values = value if isinstance(value, list) else [value]
        if not values or any(isinstance(one, dict | list) for one in values):
            raise DetectionError("R18", here, name=part)
        for one in modifiers:
            if one not in MODIFIERS:
                raise DetectionError("R05", here, modifier=one)
        try:
            _go_together(modifiers)
            comparison = _Comparison(field, modifiers, part, self.placeholders)
            nodes = [self.counted(comparison.of(one)) for one in values]
        except ValueError as error:
            modifier, brief = "|".join(modifiers), _brief(value)
            raise DetectionError("R06", here, modifier=modifier, value=brief, why=str(error)) from None
        node = _both(nodes) if "all" in modifiers else _either(nodes)
        return Not(node) if "neq" in modifiers else node

    def counted(self, node: Leaf | Or) -> Node:
        self.made += 1 if isinstance(node, Leaf) else len(node.nodes)
        if self.made > MAX_LEAVES:
            raise ValueError(f"the rule makes more than {MAX_LEAVES} comparisons")
        return node


def _go_together(modifiers: list[str]) -> None:
    """Raises ValueError for modifiers of which one would be passed over in silence."""
    given = set(modifiers)
    for one in given & set(ALONE):
        if others := given - ALONE[one] - EVERYWHERE - {one}:
            raise ValueError(f"`{one}` does not go with `{min(others)}`")
    if "re" not in given and (flags := given & set(FLAGS)):
        raise ValueError(f"`{min(flags)}` goes with `re` only")


class _Comparison:
    """Turns the values of one item into nodes."""

    def __init__(self, field: str, modifiers: list[str], part: str, placeholders: Placeholders) -> None:
        self.field, self.modifiers, self.part, self.placeholders = field, modifiers, part, placeholders
        self.cased = "cased" in modifiers
        self.alone = not ALONE.keys().isdisjoint(modifiers)
        self.plain = EVERYWHERE.union(("cased",)).issuperset(modifiers)
        self.anywhere = not field and not any(one in ANCHORS for one in modifiers)
        self.flags = "".join(sorted({FLAGS[one] for one in modifiers if one in FLAGS}))
        self.time = next((one for one in modifiers if one in TIME_PARTS), None)
        self.order = next((one for one in modifiers if one in ORDERINGS), None)

    def of(self, value: Any) -> Leaf | Or:
        """The leaves of one value. Raises ValueError for one that the modifiers cannot take."""
        predicates = self.predicates(value) if self.alone else self.texts(value)
        found = [Leaf(self.field, predicate, self.part) for predicate in predicates]
        return found[0] if len(found) == 1 else Or(tuple(found))

    def predicates(self, value: Any) -> Iterator[Predicate]:
        """What a modifier says how to compare."""
        if "exists" in self.modifiers:
            if not isinstance(value, bool):
                raise ValueError("`exists` takes true or false")
            yield Exists(value)
        elif self.time:
            yield TimePart(self.time, self.order or "eq", _number(value))
        elif self.order:
            yield Order(self.order, _number(value))
        elif "fieldref" in self.modifiers:
            how = next((one for one in self.modifiers if one in ANCHORS), "equals")
            yield FieldRef(_text(value), how, self.cased)
        elif "re" in self.modifiers:
            source = _text(value)
            searcher(source, self.flags)
            yield Regex(source, self.flags)
        else:
            for tokens in variants(_text(value), self.modifiers, self.placeholders):
                yield Cidr(ip_network("".join(map(str, tokens)), strict=False))

    def texts(self, value: Any) -> Sequence[Predicate]:
        """What no modifier says how to compare: null, a number, or patterns."""
        if value is None:
            return (Null(),)
        if isinstance(value, int | float) and not isinstance(value, bool) and self.field and self.plain:
            return (Equals(value),)
        written = ("true" if value else "false") if isinstance(value, bool) else str(value)
        found = variants(written, self.modifiers, self.placeholders)
        return [Glob(within(tokens) if self.anywhere else tokens, self.cased) for tokens in found]


def _text(value: Any) -> str:
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        raise ValueError("a text is wanted")  # noqa: TRY004 - it is the rule that is wrong, not a call
    return str(value)


def _number(value: Any) -> int | float:
    if isinstance(value, str):
        try:
            return int(value) if value.lstrip("+-").isdigit() else float(value)
        except ValueError:
            raise ValueError("a number is wanted") from None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("a number is wanted")  # noqa: TRY004 - as above
    return value


def _brief(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:59] + "…"


def _both(nodes: list[Node]) -> Node:
    return nodes[0] if len(nodes) == 1 else And(tuple(nodes))


def _either(nodes: list[Node]) -> Node:
    return nodes[0] if len(nodes) == 1 else Or(tuple(nodes))
