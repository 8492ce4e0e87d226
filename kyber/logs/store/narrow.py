"""What a question may hold for, as plain data, in; the query of Elasticsearch that finds at least that, out.

A `Narrow` is a superset: every event that a rule or a search matches is held by it, others may be. It asks only of what
`document` writes beside each event for this: `kyber.terms` (`column=value`, both folded), `kyber.partial` (columns
with a value that was no term), and what the event is for rules. None in the place of a narrow holds for every event.
Whatever cannot be asked soundly and cheaply is left out, so that more is found and never less. Columns and the texts of
patterns are folded (`values.fold`).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import lru_cache
from typing import Final, Literal

from kyber.logs.store import ALL, Period, document
from kyber.logs.store.document import LONGEST_TERM

MAX_CLAUSES: Final = 1_000
"""Clauses of a query: Elasticsearch's own limit is 1,024 where it has least memory."""
MAX_COSTLY: Final = 64
"""Patterns in a query that begin with a wildcard: each of them looks at every term there is."""
MAX_CHARACTERS: Final = 2**20
"""Characters of all patterns in a query."""
MAX_EFFORT: Final = 10_000
"""Characters of patterns that follow a `*`, and PREPARED for each pattern: what takes time before a search begins. On a
small machine it is about a second, each time that a page is asked for."""
PREPARED: Final = 5
"""The part of MAX_EFFORT that a pattern takes by itself."""
MAX_DEPTH: Final = 12
"""Parts within one another: Elasticsearch takes 30."""
MAX_TOGETHER: Final = 10_000
"""Whole terms in one clause: Elasticsearch takes 65,536."""
MAX_REGULAR: Final = 1_000
"""Characters of a regular expression: Elasticsearch takes no more."""
MAX_LOOSE: Final = 96
"""Characters of a pattern that follow its first `*`: the work of preparing it grows with their square."""
MAX_PIECES: Final = 6
"""Texts of a pattern that follow its first `*`."""
MAX_DOTS: Final = 8
"""Parts of a column's name that are told apart."""

_SPELLINGS: Final = r"([+0\-][0-9.e+\-]+|[1-9][0-9]*[.e][0-9.e+\-]*)"
"""A number that is not written in digits alone, or with a nought before them; as a regular expression of Lucene."""
_REGULAR: Final = str.maketrans({sign: f"\\{sign}" for sign in '.?+*|{}[]()"\\#@&<>~^$-'})
_WILDCARD: Final = str.maketrans({sign: f"\\{sign}" for sign in "\\*?"})


class Wild(Enum):
    """The wildcards of a pattern: any characters, and exactly one."""

    __hash__ = object.__hash__
    ANY = "*"
    ONE = "?"


Piece = str | Wild
ANY, ONE = Wild.ANY, Wild.ONE


@dataclass(frozen=True, slots=True)
class Nature:
    """The event's field table, or its declared product, category or service, is one of these."""

    key: Literal["table", "product", "category", "service"]
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Term:
    """Some value of one of these native columns, folded, matches the pattern as a whole. Without columns: of any."""

    fields: tuple[str, ...]
    pattern: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Numeral:
    """Some value of one of these native columns reads as a number, and has a sign, a fraction, an exponent or a nought
    before it: what equals a number without being spelled as that."""

    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Has:
    """One of these native columns has a value that is not null (of an array: an element)."""

    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds."""

    parts: tuple["Narrow", ...]


@dataclass(frozen=True, slots=True)
class Either:
    """Some part holds; without parts it holds for no event."""

    parts: tuple["Narrow", ...]


Narrow = Nature | Term | Numeral | Has | All | Either
Query = dict[str, object]
"""A query of Elasticsearch, as JSON has it."""


def both(parts: Iterable[Narrow | None]) -> Narrow | None:
    """What holds where all parts do; one that holds everywhere says nothing."""
    flat: list[Narrow] = []
    for part in parts:
        if part is not None:
            flat += part.parts if isinstance(part, All) else (part,)
    return None if not flat else flat[0] if len(flat) == 1 else All(tuple(flat))


def either(parts: Iterable[Narrow | None]) -> Narrow | None:
    """What holds where some part does; everywhere as soon as one part does."""
    flat: list[Narrow] = []
    for part in parts:
        if part is None:
            return None
        flat += part.parts if isinstance(part, Either) else (part,)
    return flat[0] if len(flat) == 1 else Either(tuple(flat))


# --- how much is asked -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cost:
    """What a narrow makes of a query: see MAX_CLAUSES, MAX_COSTLY, MAX_CHARACTERS, MAX_EFFORT and MAX_DEPTH."""

    clauses: int = 0
    costly: int = 0
    characters: int = 0
    effort: int = 0
    depth: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.clauses + other.clauses,
            self.costly + other.costly,
            self.characters + other.characters,
            self.effort + other.effort,
            max(self.depth, other.depth),
        )

    @property
    def shares(self) -> tuple[float, ...]:
        """The parts of each bound that it takes."""
        return (
            self.clauses / MAX_CLAUSES,
            self.costly / MAX_COSTLY,
            self.characters / MAX_CHARACTERS,
            self.effort / MAX_EFFORT,
        )

    @property
    def fits(self) -> bool:
        """Whether a query may be so much."""
        return max(self.shares) <= 1 and self.depth <= MAX_DEPTH


def cost(narrow: Narrow | None) -> Cost:
    """What a narrow makes of a query."""
    if narrow is None:
        return Cost()
    if isinstance(narrow, All):
        inner = sum(map(cost, narrow.parts), Cost())
        return replace(inner, depth=inner.depth + 1)
    clauses, others = _clauses(narrow.parts if isinstance(narrow, Either) else (narrow,))
    inner = sum(map(cost, others), sum((one.cost for one in clauses), Cost()))
    return replace(inner, depth=inner.depth + 1)


def fitting(choices: Sequence[Sequence[Narrow | None]]) -> Narrow | None:
    """What holds where some part does, within the bounds of a query.

    Each part is given in several ways, from the narrowest to the widest. Where they are too much together, the one that
    this saves most of is taken in its next way; where there is none left, everything is held.
    """
    taken = [0] * len(choices)
    costs, following = [cost(ways[0]) for ways in choices], [_next(ways, 0) for ways in choices]
    while not sum(costs, Cost()).fits:
        left = [place for place, ways in enumerate(choices) if taken[place] + 1 < len(ways)]
        # As long as there is another way, no part is taken in one that holds everything.
        told = [place for place in left if choices[place][taken[place] + 1] is not None]
        if not told:
            return None
        place = max(told, key=lambda one: sum(costs[one].shares) - sum(following[one].shares))
        taken[place] += 1
        costs[place], following[place] = following[place], _next(choices[place], taken[place])
    return either(ways[at] for ways, at in zip(choices, taken, strict=True))


def _next(ways: Sequence[Narrow | None], taken: int) -> Cost:
    return cost(ways[taken + 1]) if taken + 1 < len(ways) else Cost()


# --- as a query ------------------------------------------------------------------------------------------------------


def query(
    narrow: Narrow | None,
    period: Period = ALL,
    sources: Sequence[str] | None = None,
    days: Sequence[str] | None = None,
) -> Query:
    """The query of Elasticsearch, in filter context, for at least the events of a narrow, a period, sources and days.

    Events without a time are in no period that has a bound. A narrow that is too much for a query is left out.
    """
    filters: list[Query] = []
    if sources is not None:
        filters.append({"terms": {"kyber.source": list(sources)}})
    if days is not None:
        filters.append({"terms": {"kyber.day": list(days)}})
    if period.bounded:
        bounds = {"gte": period.start, "lt": period.end}
        filters.append({"range": {"kyber.time": {key: at for key, at in bounds.items() if at is not None}}})
    if narrow is not None and cost(narrow).fits:
        made = _query(narrow)
        filters += made["bool"]["filter"] if isinstance(narrow, All) else [made]  # type: ignore[index]
    return {"bool": {"filter": filters}} if filters else {"match_all": {}}


def _query(narrow: Narrow) -> Query:
    if isinstance(narrow, All):
        return {"bool": {"filter": [_query(part) for part in narrow.parts]}}
    asked, others = _clauses(narrow.parts if isinstance(narrow, Either) else (narrow,))
    clauses = [*(one.query for one in asked), *map(_query, others)]
    if not clauses:
        return {"match_none": {}}
    return clauses[0] if len(clauses) == 1 else {"bool": {"should": clauses, "minimum_should_match": 1}}


@dataclass(frozen=True, slots=True)
class _Clause:
    """One clause: its kind, the field that it looks at, and what for. `loose`: characters after a `*`."""

    kind: Literal["terms", "prefix", "wildcard", "regexp", "exists"]
    field: str
    texts: tuple[str, ...] = ()
    loose: int = 0

    @property
    def cost(self) -> Cost:
        begins = {"wildcard": "*", "regexp": "(.*"}.get(self.kind)
        costly = begins is not None and self.texts[0].startswith(begins)
        effort = self.loose + PREPARED * (begins is not None)
        return Cost(1, int(costly), sum(map(len, self.texts)), effort)

    @property
    def query(self) -> Query:
        match self.kind:
            case "terms":
                return {"terms": {self.field: list(self.texts)}}
            case "exists":
                return {"exists": {"field": self.field}}
            case "regexp":
                return {"regexp": {self.field: {"value": self.texts[0], "flags": "NONE"}}}
        return {self.kind: {self.field: {"value": self.texts[0]}}}


def _clauses(parts: Iterable[Narrow]) -> tuple[list[_Clause], list[Narrow]]:
    """What some parts, of which one has to hold, ask of an event, as few clauses; and the parts made of parts."""
    others: list[Narrow] = []
    whole: dict[str, None] = {}
    natures: dict[Nature, None] = {}
    partial: dict[str, None] = {}
    patterns: dict[_Pattern, dict[str, None]] = {}
    for part in parts:
        match part:
            case All() | Either():
                others.append(part)
                continue
            case Nature():
                natures[part] = None
                continue
            case Term(_, tokens):
                pattern = _Pattern(_joined(tokens))
            case Has():
                pattern = _Pattern((ANY,))
            case Numeral():
                pattern = _Pattern(None)
        for field in part.fields or ("",):
            partial[document.partial(field)] = None
            if pattern.fits(field):
                if field and (text := pattern.text) is not None:
                    whole[f"{field}={text}"] = None
                else:
                    patterns.setdefault(pattern, {})[field] = None
    listed = tuple(whole)
    found = [_Clause("terms", f"kyber.{one.key}", one.values) for one in natures]
    found += [
        _Clause("terms", "kyber.terms", listed[start : start + MAX_TOGETHER])
        for start in range(0, len(listed), MAX_TOGETHER)
    ]
    alike: dict[tuple[tuple[str, ...], bool, bool], list[_Pattern]] = {}
    for pattern, columns in patterns.items():
        if pattern.middle is None:
            found += pattern.clauses(tuple(columns))
        else:
            alike.setdefault((tuple(columns), *pattern.open), []).append(pattern)
    for (columns_, *_), several in alike.items():
        found += _several(columns_, several)
    if "" in partial:
        found.append(_Clause("exists", "kyber.partial"))
    elif partial:
        found.append(_Clause("terms", "kyber.partial", tuple(partial)))
    return found, others


@dataclass(frozen=True, slots=True)
class _Pattern:
    """What a value has to look like, without two texts side by side; None: as a Numeral."""

    pieces: tuple[Piece, ...] | None

    def fits(self, column: str) -> bool:
        """Whether there can be a term of a column that looks so: none is longer than LONGEST_TERM."""
        pieces = ("?",) if self.pieces is None else self.pieces
        name, rest = (
            _bytes(column),
            _bytes("".join("?" if one is ONE else str(one) for one in pieces if one is not ANY)),
        )
        return name is not None and rest is not None and name + rest < LONGEST_TERM

    @property
    def text(self) -> str | None:
        """The one text that it stands for; None where there are others."""
        match self.pieces:
            case ():
                return ""
            case (str(text),):
                return text
            case _:
                return None

    @property
    def open(self) -> tuple[bool, bool]:
        """Whether any characters may stand at its beginning, and at its end."""
        return (self.pieces[0] is ANY, self.pieces[-1] is ANY) if self.pieces else (False, False)

    @property
    def middle(self) -> str | None:
        """The text of a pattern that is one text, after or before any characters; None where it is something else."""
        match self.pieces:
            case (_, str(text), _) | (str(text), _) | (_, str(text)) if (
                ONE not in self.pieces and len(text) <= MAX_LOOSE
            ):
                return text if len(self.pieces) == 1 + sum(self.open) else None
        return None

    def clauses(self, columns: tuple[str, ...]) -> Iterator[_Clause]:
        """Terms of these columns that look so."""
        if self.pieces is None:
            yield from _numerals(columns)
            return
        if "" in columns:
            anywhere = _loose((ANY, "=", *self.pieces))
            yield _Clause("wildcard", "kyber.terms", (_wildcard(anywhere),), _after(anywhere))
            columns = tuple(filter(None, columns))
        loose = _loose(self.pieces)
        tail = "".join(map(_regular, loose))
        for together in _within(columns, MAX_REGULAR - _units(f"()={tail}")):
            if len(together) > 1:
                yield _Clause("regexp", "kyber.terms", (f"({_named(together)})={tail}",), _after(loose))
            elif loose[-1] is ANY and loose.index(ANY) == len(loose) - 1 and ONE not in loose:
                yield _Clause("prefix", "kyber.terms", ("".join((*together, "=", *map(str, loose[:-1]))),))
            else:
                yield _Clause("wildcard", "kyber.terms", (_wildcard((*together, "=", *loose)),), _after(loose))


def _numerals(columns: tuple[str, ...]) -> Iterator[_Clause]:
    """Terms of these columns that are numbers in an unusual spelling."""
    room = MAX_REGULAR - _units(f"()={_SPELLINGS}")
    for together in _within(columns, room):
        if _units(named := _named(together)) <= room:
            yield _Clause("regexp", "kyber.terms", (f"({named})={_SPELLINGS}",))
        else:
            yield _Clause("prefix", "kyber.terms", (f"{together[0]}=",))


def _several(columns: tuple[str, ...], patterns: Sequence[_Pattern]) -> Iterator[_Clause]:
    """Terms of these columns that look like one of some patterns: each has a `middle`, and all are open alike."""
    begins, ends = patterns[0].open
    left = 0
    groups: list[list[_Pattern]] = []
    for pattern in patterns:
        size = len(pattern.middle or "")
        if size > left:
            groups.append([])
            left = MAX_LOOSE
        groups[-1].append(pattern)
        left -= size
    for group in groups:
        texts = [one.middle or "" for one in group]
        tail = f"{'.*' * begins}({'|'.join(map(_regular, texts))}){'.*' * ends}"
        room = MAX_REGULAR - _units(f"()={tail}")
        named = list(_within(columns, room))
        if len(group) == 1 or any(_units(_named(together)) > room for together in named):
            for pattern in group:
                yield from pattern.clauses(columns)
        else:
            loose = sum(map(len, texts)) * begins
            for together in named:
                yield _Clause("regexp", "kyber.terms", (f"({_named(together)})={tail}",), loose)


def _within(columns: tuple[str, ...], room: int) -> Iterator[tuple[str, ...]]:
    """Columns that stand together in a regular expression, with so much room; each alone where there is none."""
    if len(columns) > 1 and _units(_named(columns)) > room:
        half = len(columns) // 2
        yield from _within(columns[:half], room)
        yield from _within(columns[half:], room)
    elif columns:
        yield columns


@lru_cache(20_000)
def _bytes(text: str) -> int | None:
    """Bytes in UTF-8; None for half a character, which there is no such text of."""
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        return None


@lru_cache(10_000)
def _named(columns: tuple[str, ...]) -> str:
    """The names of columns as a regular expression: what stands after a dot in several of them stands once."""
    return ".*" if columns == ("",) else "|".join(_endings(tuple(one.rsplit(".", MAX_DOTS)) for one in columns))


def _endings(names: Iterable[tuple[str, ...]]) -> Iterator[str]:
    last: dict[str, list[tuple[str, ...]]] = {}
    for name in names:
        last.setdefault(name[-1], []).append(name[:-1])
    for ending, listed in last.items():
        before = list(_endings(one for one in listed if one))
        begun = f"({'|'.join(before)})" if len(before) > 1 else "".join(before)
        if before:
            begun += "\\."
        yield (f"({begun})?" if before and () in listed else begun) + (_regular(ending) or "()")


def _after(pieces: tuple[Piece, ...]) -> int:
    """How many characters follow the first `*`."""
    return sum(len(one) for one in pieces[pieces.index(ANY) :] if isinstance(one, str)) if ANY in pieces else 0


def _units(text: str) -> int:
    """Characters as Elasticsearch counts them: some take two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _loose(pieces: tuple[Piece, ...]) -> tuple[Piece, ...]:
    """A pattern that is cheap enough to be looked for, and that all texts match that match this one."""
    if ANY not in pieces:
        return pieces
    first = pieces.index(ANY)
    texts = [one for one in pieces[first:] if isinstance(one, str)]
    kept, room = list[str](), MAX_LOOSE
    for text in texts[:MAX_PIECES]:
        kept += [text[:room]] if room else []
        room -= len(text[:room])
    loose: list[Piece] = [ANY, *(piece for text in kept for piece in (text, ANY))]
    if kept == texts and isinstance(pieces[-1], str):
        loose.pop()
    return (*pieces[:first], *loose)


def _joined(pieces: Iterable[Piece]) -> tuple[Piece, ...]:
    """The same pattern without two texts side by side."""
    found: list[Piece] = []
    for one in pieces:
        if isinstance(one, str) and found and isinstance(found[-1], str):
            found[-1] += one
        elif one != "":
            found.append(one)
    return tuple(found)


def _wildcard(pieces: Iterable[Piece]) -> str:
    """A pattern as Elasticsearch's `wildcard` has it."""
    return "".join(one.value if isinstance(one, Wild) else one.translate(_WILDCARD) for one in pieces)


def _regular(piece: Piece) -> str:
    """A piece of a pattern as a regular expression of Lucene."""
    if isinstance(piece, Wild):
        return ".*" if piece is ANY else "."
    return piece.translate(_REGULAR)
