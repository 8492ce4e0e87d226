"""Values judged against every predicate over a field at once; and records sieved for keywords before they are judged.

A value is judged in one pass of an Aho-Corasick automaton for parts of texts, a look-up for whole ones, and one by one
against what is left; a regular expression only where a text that must stand in what it matches was found. The answers
are those of the predicates themselves, each asked alone.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from hashlib import sha256
from time import monotonic

import ahocorasick_rs
import numpy as np
from numpy.typing import NDArray

from kyber.logs.column import Rows
from kyber.logs.native import native
from kyber.logs.sigma.literals import literals
from kyber.logs.sigma.predicate import (
    ANY,
    Equals,
    FieldRef,
    Glob,
    Predicate,
    Regex,
    RegexTimeout,
    TimePart,
    any_of,
    compiled,
)
from kyber.logs.values import Value, fold, number, parts, texts

SHORT = 3
"""Parts of texts shorter than this are looked for one by one: an automaton would report them everywhere."""
WINDOW = 65_536
"""Characters given to an automaton at once, so that a long hostile value cannot make a list of a million hits."""
REGEX_BUDGET = 20.0
"""Seconds that one pattern may take over a whole scan; the values after that it does not see, and its rule is blind."""
SCAN_BUDGET = 120.0
"""Seconds that slow patterns may take together over a whole scan; after that, none that was slow is asked again."""
NOTICEABLE = 0.001
MEMORY = 64 * 2**20
"""Bytes, about, that may go to remembering the verdicts on distinct values from batch to batch, all fields together."""
DIGESTED = 200
"""Characters of a value from which on it is remembered by its SHA-256."""


class Where(IntEnum):
    """Where in a value a needle must lie for its predicate to hold; LOOK: the predicate has to be asked itself."""

    ANYWHERE = 0
    START = 1
    END = 2
    LOOK = 3


Wanted = dict[str, list[tuple[int, Where]]]
"""Needle -> the predicates that look for it, and where."""


class _Needles:
    """Every part of a text that the predicates of one field look for, found in one pass over a value."""

    def __init__(self, wanted: Wanted) -> None:
        self.short = [(needle, found) for needle, found in wanted.items() if len(needle) < SHORT]
        self.long = [needle for needle in wanted if len(needle) >= SHORT]
        self.found = [wanted[needle] for needle in self.long]
        self.longest = max(map(len, self.long), default=0)
        self.automaton = ahocorasick_rs.AhoCorasick(self.long) if self.long else None

    def search(self, value: str, hits: set[int], look: set[int]) -> None:
        """Add the predicates that hold to `hits`, and those that still have to be asked to `look`."""
        size = len(value)
        if self.automaton is not None:
            for start in range(0, size, WINDOW) if size > WINDOW else (0,):
                window = value if size <= WINDOW else value[start : start + WINDOW + self.longest]
                for index, begin, end in self.automaton.find_matches_as_indexes(window, overlapping=True):
                    for identity, where in self.found[index]:
                        if where is Where.LOOK:
                            look.add(identity)
                        elif (
                            where is Where.ANYWHERE
                            or (where is Where.START and start + begin == 0)
                            or (where is Where.END and start + end == size)
                        ):
                            hits.add(identity)
        for needle, found in self.short:
            if needle in value:
                for identity, where in found:
                    if where is Where.LOOK:
                        look.add(identity)
                    elif (
                        where is Where.ANYWHERE
                        or (where is Where.START and value.startswith(needle))
                        or (where is Where.END and value.endswith(needle))
                    ):
                        hits.add(identity)


@dataclass(slots=True)
class Patience:
    """What judging has taken in a scan so far, all fields together: seconds of slow patterns (`spent`), and bytes of
    what is remembered (`held`), which was `forgotten` so many times."""

    spent: float = 0.0
    held: int = 0
    forgotten: int = 0


class FieldMatcher:
    """Judges values against every predicate over one field. A predicate is named by its question's number.

    Predicates that need more than the value (another field, the source's time zone) are `undecided`.
    """

    def __init__(self, predicates: Mapping[int, Predicate], patience: Patience | None = None) -> None:
        self.patience = patience or Patience()
        self.remembered: dict[Value | bytes | tuple[str, str], tuple[int, ...]] = {}
        self.forgotten = self.patience.forgotten
        self.timeouts: set[int] = set()
        self.undecided: set[int] = set()
        self.spent: dict[int, float] = {}
        self.exact: tuple[dict[str, list[int]], dict[str, list[int]]] = ({}, {})
        self.always: list[int] = []
        self.numbers: dict[int | float, list[int]] = {}
        self.singly: dict[int, Callable[[Value], bool]] = {}
        self.needing: set[int] = set()  # those of `singly` that are asked only where a needle was found
        self.tests: dict[int, tuple[bool, Callable[[str], bool]]] = {}
        wanted: tuple[Wanted, Wanted] = ({}, {})
        for identity, predicate in predicates.items():
            if isinstance(predicate, Glob):
                self._glob(identity, predicate, wanted[predicate.cased])
            elif isinstance(predicate, Equals):
                self.numbers.setdefault(predicate.number, []).append(identity)
            elif isinstance(predicate, FieldRef | TimePart):
                self.undecided.add(identity)
            else:
                self.singly[identity] = predicate.holds
                if isinstance(predicate, Regex) and (needed := literals(predicate.source, predicate.flags)):
                    self.needing.add(identity)
                    for needle in needed:
                        wanted[False].setdefault(needle, []).append((identity, Where.LOOK))
        self.always_singly = tuple(one for one in self.singly if one not in self.needing)
        # Most values hold no other pattern at all, which one look at all of them together tells.
        patterns = {one: predicate for one in self.always_singly if isinstance(predicate := predicates[one], Regex)}
        fit, self.near = any_of(patterns.values()) if len(patterns) > 1 else (frozenset(), bool)
        self.together = frozenset(one for one, found in patterns.items() if found in fit)
        self.looking = 0.0
        self.folded, self.cased = _Needles(wanted[False]), _Needles(wanted[True])
        self.any_cased = bool(wanted[True] or self.exact[True])

    def _glob(self, identity: int, predicate: Glob, wanted: Wanted) -> None:
        tokens = predicate.folded
        if all(token is ANY for token in tokens) and tokens:
            self.always.append(identity)
            return
        where = None
        match tokens:
            case ():
                self.exact[predicate.cased].setdefault("", []).append(identity)
                return
            case (str(needle),):
                self.exact[predicate.cased].setdefault(needle, []).append(identity)
                return
            case (first, str(needle), last) if first is ANY and last is ANY:
                where = Where.ANYWHERE
            case (str(needle), last) if last is ANY:
                where = Where.START
            case (first, str(needle)) if first is ANY:
                where = Where.END
            case _:
                self.tests[identity] = (predicate.cased, compiled(tokens))
                needle = max((token for token in tokens if isinstance(token, str)), key=len, default="")
                where = Where.LOOK
        if needle:
            wanted.setdefault(needle, []).append((identity, where))
        else:
            self.singly[identity] = predicate.holds

    def judge(self, value: Value) -> tuple[int, ...]:
        """The predicates that hold for a value that is there."""
        hits: set[int] = set()
        asked: set[int] = set()
        for string in texts(value):
            look: set[int] = set()
            folded = fold(string)
            hits.update(self.always)
            hits.update(self.exact[False].get(folded, ()))
            self.folded.search(folded, hits, look)
            if self.any_cased:
                hits.update(self.exact[True].get(string, ()))
                self.cased.search(string, hits, look)
            asked |= look & self.needing
            for identity in look - hits - self.needing:
                cased, test = self.tests[identity]
                if test(string if cased else folded):
                    hits.add(identity)
        if self.numbers:
            for part in parts(value):
                if (found := number(part)) is not None:
                    hits.update(self.numbers.get(found, ()))
        passed = self._passed(value) if self.together else frozenset()
        for identity in (*self.always_singly, *asked):
            if identity in passed:
                continue
            holds = self.singly[identity]
            spent = self.spent.get(identity, 0.0)
            if spent > REGEX_BUDGET or (spent and self.patience.spent > SCAN_BUDGET):
                self.timeouts.add(identity)
                continue
            started = monotonic()
            try:
                if holds(value):
                    hits.add(identity)
            except RegexTimeout:
                self.timeouts.add(identity)
            took = monotonic() - started
            if took > NOTICEABLE:
                self.spent[identity] = spent + took
                self.patience.spent += took
        return tuple(sorted(hits))

    def _passed(self, value: Value) -> frozenset[int]:
        """The patterns that one look at all of them together says are not found; that look has its budget, too."""
        started = monotonic()
        near = any(map(self.near, texts(value)))
        took = monotonic() - started
        if took > NOTICEABLE:
            self.looking += took
            self.patience.spent += took
            if self.looking > REGEX_BUDGET:
                self.together = frozenset()
        return frozenset() if near else self.together

    def verdicts(self, values: Sequence[Value]) -> dict[int, list[int]]:
        """Predicate -> the indexes of the values for which it holds; predicates that hit nothing are left out."""
        remembered, patience = self.remembered, self.patience
        if patience.held > MEMORY:
            patience.held, patience.forgotten = 0, patience.forgotten + 1
        if self.forgotten != patience.forgotten:
            remembered.clear()
            self.forgotten = patience.forgotten
        keys = [one if type(one) is str and len(one) <= DIGESTED else _key(one) for one in values]
        found: dict[int, list[int]] = {}
        for index, known in enumerate(map(remembered.get, keys)):
            ids = known
            if ids is None:
                key = keys[index]
                ids = remembered[key] = self.judge(values[index])
                patience.held += 120 + (len(key) if type(key) is str else 100)
            for identity in ids:
                found.setdefault(identity, []).append(index)
        return found


def _key(value: Value) -> bytes | tuple[str, str]:
    """What stands for a value that is long, or not text."""
    if type(value) is str:
        return sha256(value.encode("utf-8", "surrogatepass")).digest()
    return type(value).__name__, repr(value)


_UNSAFE = re.compile(r"[^ !#-.0-\[\]-~]+")
"""What JSON may write in more than one way: quotes, backslashes, slashes, controls, letters beyond ASCII."""
_NUMERIC = re.compile(r"[0-9.eE+-]*|[+-]?(?:inf|nan)", re.IGNORECASE)
_ESCAPE = (b"00", b"01", b"21")
"""What follows JSON's `\\u` where that may hide an ASCII letter, or one that folds to k or i."""
_FOLDING = ("\u212a".encode(), "\u0130".encode())
"""Letters that fold to k and i."""
_CASE = np.uint8(0x20)
"""The bit in which a capital differs from its small letter. Set in every byte, it blurs some signs, too: more is found
then, and nothing missed."""


class Sieve:
    """Finds the JSON records in which a keyword may stand, without reading their values.

    Parts of keywords are looked for with _CASE set in every byte, and as they stand what may hide one.
    """

    def __init__(self, needles: Sequence[bytes]) -> None:
        self.blurred = tuple(bytes(sign | 0x20 for sign in needle) for needle in needles)
        exact = (*(b"\\u" + one for one in _ESCAPE), *_FOLDING)
        self.native = None if native is None else native.Sieve(self.blurred, exact)

    @cached_property
    def needles(self) -> ahocorasick_rs.BytesAhoCorasick:
        """What looks without the extension."""
        return _searcher(self.blurred)

    @classmethod
    def of(cls, keywords: Iterable[Predicate]) -> "Sieve | None":
        """The sieve of some keywords; None where one of them could hide in a record as JSON writes it."""
        needles = set()
        for keyword in keywords:
            if not isinstance(keyword, Glob):
                return None
            tokens = [token for token in keyword.tokens if isinstance(token, str)]
            needle = max((piece for token in tokens for piece in _UNSAFE.split(token)), key=len, default="")
            if len(needle) < SHORT or all(map(_NUMERIC.fullmatch, tokens)):
                return None
            needles.add(needle.lower().encode())
        return cls(sorted(needles)) if needles else None

    def rows(self, pieces: Iterable[tuple[bytes, NDArray[np.int64]]]) -> Rows:
        """Which records hold a needle, or something that may hide one; see `batch.Records.joined`."""
        found = [self._near(joined, ends) for joined, ends in pieces]
        return np.concatenate(found) if found else np.zeros(0, dtype=bool)

    def _near(self, joined: bytes, ends: NDArray[np.int64]) -> Rows:
        if self.native is not None:
            return np.frombuffer(self.native.rows(joined, ends.tobytes()), dtype=bool)
        near = np.zeros(len(ends), dtype=bool)
        data = np.frombuffer(joined, dtype=np.uint8)
        self._mark(near, ends, self.needles.find_matches_as_indexes((data | _CASE).data))
        escapes = ((0, begin, end) for _, begin, end in _ESCAPED.find_matches_as_indexes(joined))
        self._mark(near, ends, [one for one in escapes if joined[one[2] : one[2] + 2] in _ESCAPE])
        if not joined.isascii():
            self._mark(near, ends, _FOLDED.find_matches_as_indexes(joined))
        return near

    @staticmethod
    def _mark(near: Rows, ends: NDArray[np.int64], found: Sequence[tuple[int, int, int]]) -> None:
        """Mark the records that something found lies in. What begins in one and ends in the next is in neither, but may
        have hidden what is."""
        if found:
            first = np.searchsorted(ends, np.array([begin for _, begin, _ in found]), side="right")
            last = np.searchsorted(ends, np.array([end - 1 for _, _, end in found]), side="right")
            near[first] = near[last] = True
            for begin, end in zip(first[last > first + 1].tolist(), last[last > first + 1].tolist(), strict=True):
                near[begin:end] = True


def _searcher(needles: Sequence[bytes]) -> ahocorasick_rs.BytesAhoCorasick:
    # Leftmost, since only that kind is searched for many bytes at a time.
    return ahocorasick_rs.BytesAhoCorasick(needles, matchkind=ahocorasick_rs.MatchKind.LeftmostFirst)


_ESCAPED = _searcher([b"\\u"])
_FOLDED = _searcher(_FOLDING)
