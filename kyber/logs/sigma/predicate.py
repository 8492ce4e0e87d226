"""What one leaf of a rule asks of one field: frozen predicates over single values, and the tree that joins them.

Semantics: the Sigma specification 2.1.0. Each predicate can be asked of one value (`holds`); the matcher asks most of
them of many values at once, and must give the same answers.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from enum import Enum
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

import regex

from kyber.logs.values import Value, as_datetime, fold, moment, number, parts, texts

REGEX_SECONDS = 0.5
"""How long a pattern that needs backtracking may take on one value."""
MAX_REGEX = 8_192
MAX_PAIRS = 1_000_000
"""Comparisons of two arrays, element by element, for one event."""


class Wild(Enum):
    """The wildcards of a pattern: any characters, and exactly one."""

    ANY = "*"
    ONE = "?"


Token = str | Wild
ANY, ONE = Wild.ANY, Wild.ONE


def written(tokens: tuple[Token, ...]) -> str:
    """Tokens as people read them; a literal star or question mark is escaped."""
    return "".join(
        token.value if isinstance(token, Wild) else token.replace("*", "\\*").replace("?", "\\?") for token in tokens
    )


class Feature(Exception):  # noqa: N818 - not an error: the rule is Blind
    """A rule asks for something that kyber does not have; `reason` and `facts` as in `finding.Blind`."""

    def __init__(self, reason: str, **facts: object) -> None:
        super().__init__(reason)
        self.reason, self.facts = reason, facts


class TooLong(Exception):  # noqa: N818
    """To answer would take longer than a rule may take."""


class RegexTimeout(TooLong):
    """A pattern took longer on one value than REGEX_SECONDS."""

    def __init__(self, written: str) -> None:
        super().__init__(written)
        self.written = written


@dataclass(frozen=True, slots=True)
class Glob:
    """The whole value matches the tokens. `*` and `?` span line feeds."""

    tokens: tuple[Token, ...]
    cased: bool = False

    @property
    def folded(self) -> tuple[Token, ...]:
        """The tokens as the value will be compared: folded unless cased."""
        if self.cased:
            return self.tokens
        return tuple(token if isinstance(token, Wild) else fold(token) for token in self.tokens)

    def holds(self, value: Value) -> bool:
        """Whether any element's text matches."""
        match = compiled(self.folded)
        return any(match(text if self.cased else fold(text)) for text in texts(value))

    def __str__(self) -> str:
        return written(self.tokens) + (" (cased)" if self.cased else "")


@lru_cache(maxsize=50_000)
def compiled(tokens: tuple[Token, ...]) -> Callable[[str], bool]:
    """A test of a whole text against tokens, in time linear in the text for each piece between stars.

    Between two stars the leftmost place is as good as any other, so no backtracking is needed.
    """
    pieces: list[list[Token]] = [[]]
    for token in tokens:
        if token is ANY:
            pieces.append([])
        else:
            pieces[-1].append(token)
    found = [
        re.compile("".join("." if token is ONE else re.escape(str(token)) for token in piece), re.DOTALL)
        for piece in pieces
    ]
    widths = [sum(1 if token is ONE else len(str(token)) for token in piece) for piece in pieces]
    if len(found) == 1:
        whole = found[0].fullmatch
        return lambda text: whole(text) is not None
    head, *middle, tail = found

    def test(text: str) -> bool:
        end = len(text) - widths[-1]
        if end < widths[0] or not head.match(text) or not tail.match(text, end):
            return False
        at = widths[0]
        for piece in middle:
            hit = piece.search(text, at, end)
            if hit is None:
                return False
            at = hit.end()
        return True

    return test


@dataclass(frozen=True, slots=True)
class Regex:
    """The pattern is found somewhere in the value. `flags`: some of `ims`. `\\d`, `\\s` and `\\w` are ASCII (PCRE)."""

    source: str
    flags: str = ""

    def holds(self, value: Value) -> bool:
        """Whether the pattern is found in any element's text. Raises RegexTimeout."""
        search = searcher(self.source, self.flags)
        return any(search(text) for text in texts(value))

    def __str__(self) -> str:
        return f"/{self.source}/{self.flags}"


@lru_cache(maxsize=10_000)
def searcher(source: str, flags: str) -> Callable[[str], bool]:
    """A search in bounded time: a linear engine where it knows the pattern's constructs, else one with a time limit.

    Raises ValueError for a pattern that neither understands.
    """
    if len(source) > MAX_REGEX:
        raise ValueError(f"longer than {MAX_REGEX} characters")
    letters = "".join(sorted(set(flags) & set("ims")))
    try:
        slow = regex.compile((f"(?{letters})" if letters else "") + source, regex.VERSION0 | regex.ASCII)
    except (regex.error, RecursionError, OverflowError) as error:
        raise ValueError(str(error)) from None
    if (linear := _linear(source, letters)) is not None:
        if "i" not in letters:
            return lambda text: linear.search(text) is not None
        # Case in RE2 is Unicode's: a Kelvin sign is a k. ASCII texts have none of those.
        return lambda text: linear.search(text) is not None if text.isascii() else _bounded(slow, source, text)
    return lambda text: _bounded(slow, source, text)


def _linear(source: str, letters: str) -> Any:
    """A pattern for the linear engine; None where it does not read it as PCRE would, or not at all."""
    import re2

    if not _LINEAR.fullmatch(source) or ("i" in letters and not source.isascii()):
        return None
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 64 << 20
    try:
        return re2.compile((f"(?{letters})" if letters else "") + _dollar(source, "m" in letters), options)
    except re2.error:
        return None


def any_of(patterns: Iterable[Regex]) -> tuple[frozenset[Regex], Callable[[str], bool]]:
    """Those of some patterns that one look at a text can answer for, and that look: False says that none of them is
    found in it. True says nothing: each has to be asked."""
    import re2

    known = [(one, "".join(sorted(set(one.flags) & set("ims")))) for one in patterns]
    fit = [(one, letters) for one, letters in known if _linear(one.source, letters) is not None]
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 64 << 20
    try:
        joined = re2.compile(
            "|".join(
                (f"(?{letters}:" if letters else "(?:") + _dollar(one.source, "m" in letters) + ")"
                for one, letters in fit
            ),
            options,
        )
    except re2.error:
        return frozenset(), lambda _: True
    return frozenset(one for one, _ in fit), lambda text: not text.isascii() or joined.search(text) is not None


def _bounded(pattern: "regex.Pattern[str]", source: str, text: str) -> bool:
    try:
        return pattern.search(text, timeout=REGEX_SECONDS) is not None
    except TimeoutError:
        raise RegexTimeout(source) from None


_LINEAR = re.compile(
    r"""(?:[^\\()\[\]$]
        | \\[dDsSwWtrnf.\\/|^$?*+(){}\[\]\-"'`~!@\#%&=:;<>, ]
        | \\x[0-9A-Fa-f]{2}
        | \((?!\?) | \(\?: | \)
        | \[\^?\]?(?:[^\[\]\\]|\\[dDsSwWtrnf.\\/|^$?*+(){}\[\]\-"'])*\]
        | \$ )*""",
    re.VERBOSE | re.DOTALL,
)
"""Constructs that RE2 and a backtracking engine read alike. Word boundaries and the rest go to the bounded engine."""


def _dollar(source: str, multiline: bool) -> str:
    """`$` stands also before a last line feed, as in PCRE; RE2's does not."""
    if multiline or "$" not in source:
        return source
    return re.sub(
        r"(\\.)|(\[\^?\]?(?:[^\[\]\\]|\\.)*\])|\$", lambda m: m[1] or m[2] or r"(?:\n?\z)", source, flags=re.DOTALL
    )


@dataclass(frozen=True, slots=True)
class Equals:
    """The value is this number, or a text that reads as it."""

    number: int | float

    def holds(self, value: Value) -> bool:
        """Whether any element is that number."""
        return any(number(part) == self.number for part in parts(value))

    def __str__(self) -> str:
        return str(self.number)


@dataclass(frozen=True, slots=True)
class Order:
    """The value is a number (or reads as one) that stands in this order to the bound."""

    operator: str
    bound: int | float

    def holds(self, value: Value) -> bool:
        """Whether any element does."""
        return any((found := number(part)) is not None and self.compares(found) for part in parts(value))

    def compares(self, found: int | float) -> bool:
        """Whether a number stands in that order to the bound."""
        return ORDERS[self.operator](found, self.bound)

    def __str__(self) -> str:
        return f"{self.operator} {self.bound}"


ORDERS: dict[str, Callable[[int | float, int | float], bool]] = {
    "lt": lambda a, b: a < b,
    "lte": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "gte": lambda a, b: a >= b,
    "eq": lambda a, b: a == b,
}


@dataclass(frozen=True, slots=True)
class Null:
    """The field is absent, or null."""

    def holds(self, value: Value) -> bool:
        """Whether a value that is there is null, or an array with null in it."""
        return None in parts(value)

    def __str__(self) -> str:
        return "null"


@dataclass(frozen=True, slots=True)
class Exists:
    """The field is there, whatever its value; or is not."""

    wanted: bool

    def holds(self, value: Value) -> bool:
        """A value that is asked is there."""
        return self.wanted

    def __str__(self) -> str:
        return "exists" if self.wanted else "does not exist"


@dataclass(frozen=True, slots=True)
class Cidr:
    """The value is an address in the network."""

    network: IPv4Network | IPv6Network

    def holds(self, value: Value) -> bool:
        """Whether any element is."""
        return any((found := address(text)) is not None and found in self.network for text in texts(value))

    def __str__(self) -> str:
        return str(self.network)


@lru_cache(maxsize=50_000)
def address(text: str) -> IPv4Address | IPv6Address | None:
    """A text as an IP address, or None."""
    try:
        return ip_address(text)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class FieldRef:
    """The value compares with another field of the same event: `equals`, `contains`, `startswith` or `endswith`."""

    field: str
    how: str = "equals"
    cased: bool = False

    def compares(self, value: Value, other: Value) -> bool:
        """Whether any element of the one compares with any element of the other. Raises TooLong."""
        ours = set(texts(value) if self.cased else map(fold, texts(value)))
        theirs = set(texts(other) if self.cased else map(fold, texts(other)))
        if self.how == "equals":
            return not ours.isdisjoint(theirs)
        if len(ours) * len(theirs) > MAX_PAIRS:
            raise TooLong(str(self))
        test = _HOW[self.how]
        return any(test(one, two) for one in ours for two in theirs)

    def __str__(self) -> str:
        return f"{self.how} the field {self.field}"


_HOW: dict[str, Callable[[str, str], bool]] = {
    "contains": lambda one, two: two in one,
    "startswith": lambda one, two: one.startswith(two),
    "endswith": lambda one, two: one.endswith(two),
}


@dataclass(frozen=True, slots=True)
class TimePart:
    """A part of the time that the value tells (in the source's time zone) stands in an order to a number."""

    part: str
    operator: str
    bound: int | float

    def holds_in(self, value: Value, zone: tzinfo) -> bool:
        """Whether any element does."""
        return any(
            (time := as_datetime(moment(one, zone))) is not None
            and ORDERS[self.operator](TIME_PARTS[self.part](time.astimezone(zone)), self.bound)
            for one in parts(value)
        )

    def __str__(self) -> str:
        return f"{self.part} {self.operator} {self.bound}"


TIME_PARTS: dict[str, Callable[[datetime], int]] = {
    "minute": lambda time: time.minute,
    "hour": lambda time: time.hour,
    "day": lambda time: time.day,
    "week": lambda time: time.isocalendar().week,
    "month": lambda time: time.month,
    "year": lambda time: time.year,
}

Predicate = Glob | Regex | Equals | Order | Null | Exists | Cidr | FieldRef | TimePart


@dataclass(frozen=True, slots=True)
class Leaf:
    """One field and one predicate; `field` is empty for keywords, which look at every value. `part`: the selection."""

    field: str
    predicate: Predicate
    part: str


@dataclass(frozen=True, slots=True)
class And:
    """Every part holds; an empty one holds."""

    nodes: Sequence["Node"]


@dataclass(frozen=True, slots=True)
class Or:
    """Some part holds; an empty one does not."""

    nodes: Sequence["Node"]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold. A leaf over an absent field does not hold, so its negation does."""

    node: "Node"


Node = Leaf | And | Or | Not


def leaves(node: Node) -> Iterator[Leaf]:
    """Every leaf below a node, in order."""
    todo = [node]
    while todo:
        node = todo.pop()
        if isinstance(node, Leaf):
            yield node
        elif isinstance(node, Not):
            todo.append(node.node)
        else:
            todo.extend(reversed(node.nodes))
