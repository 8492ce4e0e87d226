"""Texts of which one must stand in whatever a regular expression matches: a pattern in, those texts out.

Only what every engine reads alike is understood: letters, escapes, sets, groups, alternatives and repetitions. A
pattern with anything else (a look-around, a reference back, flags within) tells nothing.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Final

from kyber.logs.sigma.predicate import MAX_REGEX
from kyber.logs.values import fold

MAX_TEXTS: Final = 32
"""Texts that one pattern may ask for."""
SHORTEST: Final = 3
"""Characters of a text that is worth looking for."""
LONG: Final = 6
"""Characters from which on a text is as good as a longer one, if it is one of fewer."""
MAX_GROUPS: Final = 50
"""Groups within one another."""

_CONTROLS: Final = {"t": "\t", "r": "\r", "n": "\n", "f": "\f"}
_TIMES: Final = re.compile(r"\{(\d{1,4})?(?:,(\d{1,4})?)?\}")

Texts = frozenset[str]


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a pattern: `exact`, all the texts that it matches, where they are few; `needed`, texts of which one
    stands in whatever it matches. None: nothing is known."""

    exact: Texts | None = None
    needed: Texts | None = None

    @property
    def best(self) -> Texts | None:
        """Texts of which one must be there, whichever way that is known."""
        return self.needed if self.exact is None else self.exact


_EMPTY: Final = _Part(frozenset(("",)))
_ANYTHING: Final = _Part()


class _Unknown(Exception):  # noqa: N818 - not an error: the pattern tells nothing
    """Something that is not understood."""


@lru_cache(maxsize=10_000)
def literals(source: str, flags: str = "") -> Texts | None:
    """Folded texts of which one must stand in the folded text that a pattern is found in; None where it does not say.

    `flags`: some of `ims`, as in `predicate.Regex`.
    """
    if len(source) > MAX_REGEX:
        return None
    try:
        reader = _Reader(source, "i" in flags)
        found = reader.either().best
        if reader.at < len(source):
            return None
    except _Unknown:
        return None
    return found if found and min(map(len, found)) >= SHORTEST else None


class _Reader:
    """Recursive descent over a pattern, one method a level."""

    def __init__(self, source: str, any_case: bool) -> None:
        self.source, self.any_case = source, any_case
        self.at = self.depth = 0

    def peek(self) -> str:
        return self.source[self.at : self.at + 1]

    def next(self) -> str:
        sign = self.peek()
        if not sign:
            raise _Unknown
        self.at += 1
        return sign

    def either(self) -> _Part:
        parts = [self.row()]
        while self.peek() == "|":
            self.at += 1
            parts.append(self.row())
        if len(parts) == 1:
            return parts[0]
        exact = _union(one.exact for one in parts)
        return _Part(exact) if exact is not None else _Part(needed=_union(one.best for one in parts))

    def row(self) -> _Part:
        parts = []
        while self.peek() not in ("", "|", ")"):
            parts.append(self.repeated())
        return _joined(parts)

    def repeated(self) -> _Part:
        part = self.one()
        while (sign := self.peek()) and sign in "*+?{":
            least, most = self.times()
            if self.peek() and self.peek() in "?+":  # as few, or as many, as can be
                self.at += 1
            if (least, most) == (1, 1):
                continue
            if least:
                part = _Part(needed=part.best)
            elif most == 1 and part.exact is not None:
                part = _Part(part.exact | {""})
            else:
                part = _ANYTHING
        return part

    def times(self) -> tuple[int, int | None]:
        sign = self.next()
        if sign in "*+?":
            return int(sign == "+"), 1 if sign == "?" else None
        found = _TIMES.match(self.source, self.at - 1)
        if found is None or found[0] in ("{}", "{,}"):
            raise _Unknown  # a brace for itself, or one engine's way to match inexactly
        self.at = found.end()
        least = int(found[1] or 0)
        return least, int(found[2]) if found[2] else None if "," in found[0] else least

    def one(self) -> _Part:
        match self.next():
            case "(":
                return self.group()
            case "[":
                return self.choice()
            case ".":
                return _ANYTHING
            case "^" | "$":
                return _EMPTY
            case "\\":
                return self.escaped()
            case sign if sign in "*+?{":
                raise _Unknown
            case sign:
                return self.letters((sign,))

    def group(self) -> _Part:
        if self.source.startswith("?:", self.at):
            self.at += 2
        elif self.peek() and self.peek() in "?*":
            raise _Unknown
        self.depth += 1
        if self.depth > MAX_GROUPS:
            raise _Unknown
        found = self.either()
        if self.next() != ")":
            raise _Unknown
        self.depth -= 1
        return found

    def escaped(self) -> _Part:
        sign = self.next()
        if sign in "dDsSwW":
            return _ANYTHING
        if sign in "bB":
            return _EMPTY
        return self.letters((self.meant(sign),))

    def meant(self, sign: str) -> str:
        """The character that an escaped one stands for."""
        if sign in _CONTROLS:
            return _CONTROLS[sign]
        if sign == "x" and re.fullmatch("[0-9A-Fa-f]{2}", self.source[self.at : self.at + 2]):
            self.at += 2
            return chr(int(self.source[self.at - 2 : self.at], 16))
        if sign.isascii() and not sign.isalnum():
            return sign
        raise _Unknown

    def choice(self) -> _Part:
        """A set of characters; one of a few is as good as alternatives."""
        negated = self.peek() == "^"
        self.at += negated
        chosen: list[str] | None = None if negated else []
        first = True
        while (sign := self.next()) != "]" or first:
            first = False
            if sign == "[" or (sign in "-&|~" and self.peek() == sign):
                raise _Unknown  # sets within sets
            if sign == "\\":
                escaped = self.next()
                if escaped in "dDsSwW":
                    chosen = None
                    continue
                sign = self.meant(escaped)
            if self.peek() == "-" and self.source[self.at + 1 : self.at + 2] != "]":
                chosen = None  # from one to another
            if chosen is not None:
                chosen.append(sign)
        return _ANYTHING if not chosen else self.letters(chosen)

    def letters(self, chosen: Sequence[str]) -> _Part:
        """One of some characters."""
        if self.any_case and not all(map(str.isascii, chosen)):
            return _ANYTHING  # engines do not agree on the case of others
        return _few(frozenset(map(fold, chosen)))


def _joined(parts: Sequence[_Part]) -> _Part:
    """Parts one after the other."""
    found: list[Texts] = []
    run: Texts = frozenset(("",))
    whole = True
    for part in parts:
        if part.exact is not None and len(run) * len(part.exact) <= MAX_TEXTS:
            run = frozenset(one + other for one, other in product(run, part.exact))
            continue
        found.append(run)
        whole = False
        run = part.exact if part.exact is not None else frozenset(("",))
        if part.needed is not None:
            found.append(part.needed)
    if whole:
        return _Part(run)
    return _Part(needed=max((*found, run), key=_worth))


def _worth(texts: Texts) -> tuple[int, int, int]:
    """How much is said by that one of some texts is there."""
    shortest = min(map(len, texts))
    return min(shortest, LONG), -len(texts), shortest


def _few(texts: Texts) -> _Part:
    return _Part(texts) if len(texts) <= MAX_TEXTS else _ANYTHING


def _union(groups: Iterable[Texts | None]) -> Texts | None:
    """All texts of all groups, where each is known and they are few."""
    found: set[str] = set()
    for one in groups:
        if one is None:
            return None
        found |= one
    return frozenset(found) if len(found) <= MAX_TEXTS else None
