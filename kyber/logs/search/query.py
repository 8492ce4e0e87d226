r"""A query as people type it -> a frozen syntax tree; and the tree -> text that reads back the same.

    query  = both { OR both }
    both   = negated { [ AND ] negated }
    negated = { NOT | - } one
    one    = ( query ) | field : value | value                    (a value alone: some value of the event contains it)
    value  = word | "phrase" | /pattern/ims | [low TO high] | {low TO high} | >=bound | ( values joined likewise )

Operators are read in either case. In a word `*` and `?` are wildcards. There a backslash makes spaces and any of
`\ * ? ( ) " : / [ ] { } < > -` literal, and before anything else is itself. In quotes all is literal but `\"` and `\\`.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from dataclasses import field as member
from typing import Final

from kyber.errors import UsageError
from kyber.logs.sigma.predicate import Token, Wild

MAX_LENGTH: Final = 16_384
"""Characters of a query."""
MAX_DEPTH: Final = 64
"""Parentheses within one another."""
MAX_TERMS: Final = 1_000
"""Values that one query asks for."""

_EXCERPT: Final = 60
_ESCAPABLE: Final = frozenset('\\*?():"/[]{}<>-')
_OPERATOR: Final = re.compile(r"(and|or|not)(?=[\s()]|$)", re.IGNORECASE)
_SPACE: Final = re.compile(r"\s*")
_FLAGS: Final = re.compile(r"[ims]*(?=[\s)]|$)")
_BOUND: Final = re.compile(r'"((?:[^"\\]|\\.)*)"|([^\s"\]})]+)', re.DOTALL)
_COMPARISON: Final = re.compile(r"[<>]=?")
_SIMPLE_BOUND: Final = re.compile(r"(?!(?i:to)$)[A-Za-z0-9_.:+-]+")


class QueryError(UsageError):
    """A query cannot be read or run. Where it is known, the text shows the place, and `column` (from 1) is it."""

    def __init__(self, why: str, query: str = "", column: int = 0) -> None:
        self.why, self.column = why, column
        if not column:
            super().__init__(why)
            return
        start = max(0, column - 1 - _EXCERPT // 2)
        shown = "".join(one if one.isprintable() else "·" for one in query[start : start + _EXCERPT])
        super().__init__(f"the query cannot be read at column {column}: {why}\n{shown}\n{' ' * (column - 1 - start)}^")


@dataclass(frozen=True, slots=True)
class Text:
    """A word with its wildcards, or a phrase in quotes."""

    tokens: tuple[Token, ...]
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression; `flags`: some of `ims`, sorted."""

    source: str
    flags: str = ""


@dataclass(frozen=True, slots=True)
class Range:
    """From one bound to another, as written; None is open. `with_low`, `with_high`: the bound belongs to the range."""

    low: str | None
    high: str | None
    with_low: bool = True
    with_high: bool = True


Value = Text | Pattern | Range


@dataclass(frozen=True, slots=True)
class Ask:
    """One value asked of one field; of any value of the event where the field is empty. `at`: its column, from 1."""

    field: str
    value: Value
    at: int = member(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class And:
    """Every part holds; an empty one holds for every event."""

    parts: tuple["Syntax", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Some part holds."""

    parts: tuple["Syntax", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: "Syntax"


Syntax = Ask | And | Or | Not
EVERYTHING: Final = And(())


def parse(query: str) -> Syntax:
    """The tree of a query; one without words asks for everything. Raises QueryError."""
    if len(query) > MAX_LENGTH:
        raise QueryError(f"the query is longer than {MAX_LENGTH} characters")
    return _Reader(query).read()


def asks(tree: Syntax) -> Iterator[Ask]:
    """Every value that a tree asks for, in order."""
    if isinstance(tree, Ask):
        yield tree
    elif isinstance(tree, Not):
        yield from asks(tree.part)
    else:
        for part in tree.parts:
            yield from asks(part)


class _Reader:
    """Recursive descent: one method a level. `field` is that of the value list being read, None outside of one."""

    def __init__(self, query: str) -> None:
        self.query, self.at = query, 0
        self.depth = self.terms = 0
        self.field: str | None = None

    def read(self) -> Syntax:
        self.skip()
        if self.at == len(self.query):
            return EVERYTHING
        tree = self.either()
        if self.at < len(self.query):
            raise self.error("this parenthesis was never opened: remove it, or quote it")
        return tree

    def error(self, why: str, at: int | None = None) -> QueryError:
        return QueryError(why, self.query, (self.at if at is None else at) + 1)

    def skip(self) -> None:
        space = _SPACE.match(self.query, self.at)
        self.at = space.end() if space else self.at

    def peek(self) -> str:
        return self.query[self.at : self.at + 1]

    def operator(self, *wanted: str) -> bool:
        """Whether one of these operators comes next; if so, it is passed."""
        found = _OPERATOR.match(self.query, self.at)
        if found is None or found[1].lower() not in wanted:
            return False
        self.at = found.end()
        self.skip()
        return True

    def either(self) -> Syntax:
        parts = [self.both()]
        while self.operator("or"):
            parts.append(self.both())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def both(self) -> Syntax:
        parts = [self.negated()]
        while self.peek() not in ("", ")"):
            found = _OPERATOR.match(self.query, self.at)
            if found and found[1].lower() == "or":
                break
            self.operator("and")
            parts.append(self.negated())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def negated(self) -> Syntax:
        negations = 0
        while True:
            if self.peek() == "-":
                self.at += 1
                if self.peek() == "" or self.peek().isspace():
                    raise self.error(
                        "a minus stands right before what it excludes; quote it to look for it", self.at - 1
                    )
            elif not self.operator("not"):
                break
            negations += 1
        tree = self.one()
        self.skip()
        return Not(tree) if negations % 2 else tree

    def one(self) -> Syntax:
        start = self.at
        if self.peek() == "":
            raise self.error("a word is missing at the end")
        if found := _OPERATOR.match(self.query, self.at):
            raise self.error(f"{found[1].upper()} has nothing before it; quote it to look for it as a word")
        if self.peek() == "(":
            return self.within(self.either)
        if self.peek() == ")":
            raise self.error("a word is missing before the parenthesis")
        if self.field is not None:
            return self.ask(self.field, self.value(), start)
        if self.peek() in "[{":
            raise self.error("a range needs its field: write field:[low TO high], or quote the bracket")
        if self.peek() == "/":
            return self.ask("", self.pattern(), start)
        if self.peek() == '"':
            phrase = self.phrase()
            return self.of_field(phrase, start) if self.peek() == ":" else self.ask("", _phrase(phrase), start)
        tokens = self.word(names_field=True)
        if self.peek() != ":":
            return self.ask("", Text(tokens), start)
        if any(isinstance(token, Wild) for token in tokens):
            raise self.error("a field's name takes no wildcards", start)
        return self.of_field("".join(map(str, tokens)), start)

    def of_field(self, name: str, start: int) -> Syntax:
        if not name:
            raise self.error("a field's name is missing before the colon", start)
        self.at += 1
        self.skip()
        if self.peek() in ("", ")"):
            raise self.error(f"a value is missing after {name}: ; {name}:* asks whether the field is there")
        if self.peek() == "(":
            self.field = name
            tree = self.within(self.either)
            self.field = None
            return tree
        return self.ask(name, self.value(), start)

    def within(self, inner: Callable[[], "Syntax"]) -> Syntax:
        start = self.at
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.error(f"more than {MAX_DEPTH} parentheses within one another")
        self.at += 1
        self.skip()
        tree = inner()
        if self.peek() != ")":
            raise self.error("this parenthesis is not closed", start)
        self.at += 1
        self.depth -= 1
        return tree

    def ask(self, name: str, value: Value, start: int) -> Ask:
        self.terms += 1
        if self.terms > MAX_TERMS:
            raise self.error(f"the query asks for more than {MAX_TERMS} values", start)
        return Ask(name, value, start + 1)

    def value(self) -> Value:
        match self.peek():
            case '"':
                return _phrase(self.phrase())
            case "/":
                return self.pattern()
            case "[" | "{":
                return self.range()
            case "<" | ">":
                return self.comparison()
            case _:
                return Text(self.word())

    def word(self, names_field: bool = False) -> tuple[Token, ...]:
        """A word up to a space or a closing parenthesis; up to a colon, too, where it may name a field."""
        tokens: list[Token] = []
        literal: list[str] = []
        while (sign := self.peek()) and not sign.isspace() and sign != ")" and not (sign == ":" and names_field):
            if sign in '("':
                raise self.error(f"{sign} within a word: put the word in quotes, or write \\{sign}")
            self.at += 1
            if sign in "*?":
                if literal:
                    tokens.append("".join(literal))
                    literal = []
                tokens.append(Wild(sign))
                continue
            if sign == "\\" and (escaped := self.peek()) and (escaped in _ESCAPABLE or escaped.isspace()):
                self.at += 1
                sign = escaped
            literal.append(sign)
        if literal:
            tokens.append("".join(literal))
        return tuple(tokens)

    def phrase(self) -> str:
        start, literal = self.at, []
        self.at += 1
        while (sign := self.peek()) != '"':
            if not sign:
                raise self.error("this quote is not closed", start)
            self.at += 1
            if sign == "\\" and self.peek() and self.peek() in '\\"':
                sign = self.peek()
                self.at += 1
            literal.append(sign)
        self.at += 1
        return "".join(literal)

    def pattern(self) -> Pattern:
        start, source = self.at, []
        self.at += 1
        while (sign := self.peek()) != "/":
            if not sign:
                raise self.error("this begins a pattern /.../ that does not end: quote a path, or write \\/", start)
            self.at += 1
            if sign == "\\" and self.peek():
                sign = "/" if self.peek() == "/" else sign + self.peek()
                self.at += 1
            source.append(sign)
        self.at += 1
        flags = _FLAGS.match(self.query, self.at)
        if not source or flags is None:
            raise self.error(
                "this reads as a pattern /.../ with i, m or s behind it: quote a path, or write \\/", start
            )
        self.at = flags.end()
        return Pattern("".join(source), "".join(sorted(set(flags[0]))))

    def range(self) -> Range:
        start, opening = self.at, self.peek()
        self.at += 1
        low = self.bound(start)
        self.skip()
        if self.query[self.at : self.at + 2].lower() != "to":
            raise self.error("a range is written [low TO high]; * leaves an end open", start)
        self.at += 2
        high = self.bound(start)
        self.skip()
        if self.peek() not in ("]", "}"):
            raise self.error("a range is written [low TO high], and ends with ] or }", start)
        closing = self.peek()
        self.at += 1
        return Range(low, high, low is None or opening == "[", high is None or closing == "]")

    def comparison(self) -> Range:
        start = self.at
        sign = _COMPARISON.match(self.query, self.at)
        assert sign is not None
        self.at = sign.end()
        bound, inclusive = self.bound(start), sign[0].endswith("=")
        if bound is None:
            raise self.error(f"{sign[0]} needs a number, a time, an address or a word after it", start)
        return Range(bound, None, with_low=inclusive) if sign[0][0] == ">" else Range(None, bound, with_high=inclusive)

    def bound(self, start: int) -> str | None:
        self.skip()
        found = _BOUND.match(self.query, self.at)
        if found is None:
            raise self.error("a bound is missing here: field:[1 TO 5], field:>=5", start)
        self.at = found.end()
        if found[1] is not None:
            return re.sub(r'\\([\\"])', r"\1", found[1])
        return None if found[2] == "*" else found[2]


def _phrase(text: str) -> Text:
    return Text((text,) if text else (), quoted=True)


# --- back to text ----------------------------------------------------------------------------------------------------


def written(tree: Syntax, above: int = 0) -> str:
    """A query that reads as this tree. `above`: how tightly what stands around it binds."""
    match tree:
        case Ask(name, value):
            return f"{_escaped(name)}:{_value(value)}" if name else _value(value)
        case Not(part):
            text, binds = f"NOT {written(part, 3)}", 2
        case And(parts):
            text, binds = " AND ".join(written(part, 2) for part in parts), 1
        case Or(parts):
            text, binds = " OR ".join(written(part, 1) for part in parts), 0
    return text if binds >= above else f"({text})"


def _value(value: Value) -> str:
    match value:
        case Text(tokens, quoted):
            if quoted:
                return _quoted("".join(map(str, tokens)))
            return "".join(token.value if isinstance(token, Wild) else _escaped(token) for token in tokens)
        case Pattern(source, flags):
            escaped = re.sub(r"(\\.)|/", lambda one: one[1] or "\\/", source, flags=re.DOTALL)
            return f"/{escaped}/{flags}"
        case Range(low, high, with_low, with_high):
            return f"{'[' if with_low else '{'}{_bound(low)} TO {_bound(high)}{']' if with_high else '}'}"


def _escaped(text: str) -> str:
    return "".join(f"\\{one}" if one in _ESCAPABLE or one.isspace() else one for one in text)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _bound(bound: str | None) -> str:
    if bound is None:
        return "*"
    return bound if _SIMPLE_BOUND.fullmatch(bound) else _quoted(bound)
