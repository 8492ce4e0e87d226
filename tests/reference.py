"""Sigma, evaluated slowly and obviously: one rule and one flat event in, yes or no out. It pins the columnar engine.

An event maps a field's name to a str, int, float, bool, None or a list of those; a missing key is an absent field.
Written after the Sigma specification 2.1.0. Nothing here is shared with `kyber`, and nothing here is made to be fast.
"""

import base64
import ipaddress
import itertools
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from decimal import Decimal, InvalidOperation
from enum import Enum
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

Event = Mapping[str, Any]
Truth = Callable[[Event], bool]
Resolve = Callable[[str], Sequence[str]]


class RefusedRuleError(ValueError):
    """The rule says something that Sigma does not know; it must not look like a rule that found nothing."""


class UnresolvedPlaceholderError(RefusedRuleError):
    """The rule has a placeholder that nobody filled."""


def matches(
    rule: Mapping[str, Any],
    event: Event,
    *,
    placeholders: Mapping[str, Sequence[str]] | None = None,
    zone: tzinfo = UTC,
    resolve: Resolve | None = None,
) -> bool:
    """Whether the event satisfies the rule's detection. `resolve` names the event's keys for a rule's field: the first
    that is present is read. `zone` is where minutes, hours and days are counted. Raises RefusedRuleError."""
    return read(rule, placeholders=placeholders, zone=zone, resolve=resolve)(event)


def read(
    rule: Mapping[str, Any],
    *,
    placeholders: Mapping[str, Sequence[str]] | None = None,
    zone: tzinfo = UTC,
    resolve: Resolve | None = None,
) -> Truth:
    """The same in two steps, for many events. Every selection is read, also one that the condition never names."""
    reader = _Reader(placeholders or {}, zone, resolve or (lambda field: [field]))
    detection = rule.get("detection")
    if not isinstance(detection, Mapping) or "condition" not in detection:
        raise RefusedRuleError("no detection or no condition")
    selections = {
        name: reader.selection(body) for name, body in detection.items() if name not in ("condition", "timeframe")
    }
    conditions = detection["condition"]
    if isinstance(conditions, str):
        conditions = [conditions]
    if not isinstance(conditions, list) or not conditions or not all(isinstance(text, str) for text in conditions):
        raise RefusedRuleError("a condition is a text or a list of texts")
    return _any([_Condition(text, selections).read() for text in conditions])


def takes_out(
    document: Mapping[str, Any],
    *,
    placeholders: Mapping[str, Sequence[str]] | None = None,
    zone: tzinfo = UTC,
    resolve: Resolve | None = None,
) -> Truth:
    """Which events a filter takes out of its rules: those that its condition selects; or, where the whole condition is
    one negation, those that it negates."""
    given = {name: body for name, body in document["filter"].items() if name != "rules"}
    truth = read({"detection": given}, placeholders=placeholders, zone=zone, resolve=resolve)
    written = given["condition"] if isinstance(given["condition"], list) else [given["condition"]]
    return _not(truth) if len(written) == 1 and _is_negation(_words(written[0])) else truth


def _is_negation(words: list[str]) -> bool:
    if words[0] == "(" and _closing(words) == len(words) - 1:
        return _is_negation(words[1:-1])
    return words[0].lower() == "not" and _is_one(words[1:]) and not _is_negation(words[1:])


def _is_one(words: list[str]) -> bool:
    """Whether nothing in the words is joined by `and` or `or`, outside of parentheses."""
    if words[0].lower() == "not":
        return _is_one(words[1:])
    if words[0] == "(":
        return _closing(words) == len(words) - 1
    return len(words) == 1 or (len(words) == 3 and words[1].lower() == "of")


def _closing(words: list[str]) -> int:
    depth = 0
    for at, word in enumerate(words):
        depth += (word == "(") - (word == ")")
        if depth == 0:
            return at
    raise RefusedRuleError("a parenthesis is not closed")


# ------------------------------------------------------------------------------------------------------- conditions


def _words(condition: str) -> list[str]:
    return re.findall(r"[()]|[^\s()]+", condition)


def _any(parts: Sequence[Truth]) -> Truth:
    return lambda event: any(part(event) for part in parts)


def _all(parts: Sequence[Truth]) -> Truth:
    return lambda event: all(part(event) for part in parts)


def _not(part: Truth) -> Truth:
    return lambda event: not part(event)


class _Condition:
    """or < and < not < `1 of`, `all of` < parentheses, by recursive descent: one method a level."""

    def __init__(self, text: str, selections: Mapping[str, Truth]) -> None:
        self.words = _words(text)
        self.selections = selections

    def read(self) -> Truth:
        truth = self.either()
        if self.words:
            raise RefusedRuleError(f"what is {self.words[0]!r} doing there?")
        return truth

    def next_is(self, word: str, at: int = 0) -> bool:
        return len(self.words) > at and self.words[at].lower() == word

    def take(self) -> str:
        if not self.words:
            raise RefusedRuleError("the condition ends too early")
        return self.words.pop(0)

    def either(self) -> Truth:
        parts = [self.both()]
        while self.next_is("or"):
            self.take()
            parts.append(self.both())
        return _any(parts)

    def both(self) -> Truth:
        parts = [self.negated()]
        while self.next_is("and"):
            self.take()
            parts.append(self.negated())
        return _all(parts)

    def negated(self) -> Truth:
        if self.next_is("not"):
            self.take()
            return _not(self.negated())
        return self.single()

    def single(self) -> Truth:
        word = self.take()
        if word == "(":
            inner = self.either()
            if self.take() != ")":
                raise RefusedRuleError("a parenthesis is not closed")
            return inner
        if self.next_is("of"):
            self.take()
            return self.quantified(word.lower(), self.take())
        if word == ")" or word.lower() in ("and", "or", "not") or word not in self.selections:
            raise RefusedRuleError(f"there is no selection {word!r}")
        return self.selections[word]

    def quantified(self, quantity: str, pattern: str) -> Truth:
        if pattern.lower() == "them":
            pattern = "*"
        elif not re.fullmatch(r"[\w*-]+", pattern):
            raise RefusedRuleError(f"{pattern!r} names no selections")
        parts = [
            truth
            for name, truth in self.selections.items()
            if fnmatchcase(name, pattern) and (pattern.startswith("_") or not name.startswith("_"))
        ]
        if not parts:
            raise RefusedRuleError(f"no selection is named {pattern!r}")
        if quantity in ("1", "any"):
            return _any(parts)
        if quantity == "all":
            return _all(parts)
        raise RefusedRuleError(f"{quantity!r} is neither 1, any nor all")


# ------------------------------------------------------------------------------------------------- texts and numbers


def text_of(value: object) -> str | None:
    """The text that strings are compared with; None for null, which has no text."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    raise TypeError(f"an event cannot hold {type(value).__name__}")


def number_of(value: object) -> Decimal | None:
    """The number that a log value is or, being a string, reads as. A boolean is no number."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return Decimal(value)
    if isinstance(value, float):
        return Decimal(repr(value)) if math.isfinite(value) else None
    if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?", value):
        try:
            return Decimal(value)
        except InvalidOperation:  # an exponent that no machine can hold
            return None
    return None


def fold_character(character: str) -> str:
    """One character to one character, so that `?` stays one. Both small sigmas are one letter, and so is dotted I."""
    if character == "\u0130":
        return "i"
    if character == "\u03c2":
        return "\u03c3"
    lower = character.lower()
    return lower if len(lower) == 1 else character


@lru_cache(maxsize=100_000)
def fold(text: str) -> str:
    return "".join(fold_character(character) for character in text)


@lru_cache(maxsize=100_000)
def _folded(pattern: "Pattern") -> "Pattern":
    return tuple(fold_character(part) if isinstance(part, str) else part for part in pattern)


class Wild(Enum):
    """What a value holds besides characters."""

    ANY = "*"
    ONE = "?"


Pattern = tuple[str | Wild, ...]  # one character or one wildcard each


def pattern_of(text: str) -> Pattern:
    """A rule's string, its escapes undone: a backslash is special only before `*`, `?` and itself."""
    pattern: list[str | Wild] = []
    at = 0
    while at < len(text):
        character, following = text[at], text[at + 1 : at + 2]
        if character == "\\" and following in ("*", "?", "\\"):
            pattern.append(following)
            at += 2
            continue
        pattern.append(Wild(character) if character in "*?" else character)
        at += 1
    return tuple(pattern)


def wild_match(pattern: Pattern, text: str) -> bool:
    """Whether the pattern covers the whole text. `reached[j]`: the pattern so far covers the first j characters."""
    for literal in _literals(pattern):
        if literal not in text:
            return False  # changes no answer, only spares the table below
    reached = [True] + [False] * len(text)
    for part in pattern:
        if part is Wild.ANY:
            reached = list(itertools.accumulate(reached, lambda before, here: before or here))
        elif part is Wild.ONE:
            reached = [False, *reached[:-1]]
        else:
            reached = [False, *(ok and here == part for ok, here in zip(reached, text, strict=False))]
    return reached[-1]


@lru_cache(maxsize=100_000)
def _literals(pattern: Pattern) -> tuple[str, ...]:
    runs = itertools.groupby(pattern, key=lambda part: isinstance(part, str))
    return tuple("".join(str(part) for part in run) for literal, run in runs if literal)


# ------------------------------------------------------------------------------------- what a field is asked to be


@dataclass(frozen=True, slots=True)
class Text:
    """A string with wildcards. `raw` is the rule's own text as long as no modifier has touched it; `octets` says that
    each character stands for a byte, which is what UTF-16 leaves behind."""

    pattern: Pattern
    raw: str | None = None
    octets: bool = False
    cased: bool = False

    def accepts(self, value: object) -> bool:
        text = text_of(value)
        if text is None:
            return False
        if self.cased:
            return wild_match(self.pattern, text)
        return wild_match(_folded(self.pattern), fold(text))


@dataclass(frozen=True, slots=True)
class Number:
    """A number, compared with what a log value is or reads as."""

    number: Decimal
    relation: str = "eq"

    def accepts(self, value: object) -> bool:
        other = number_of(value)
        if other is None:
            return False
        return {
            "eq": other == self.number,
            "lt": other < self.number,
            "lte": other <= self.number,
            "gt": other > self.number,
            "gte": other >= self.number,
        }[self.relation]


@dataclass(frozen=True, slots=True)
class TimePart:
    """A part of the time that the value holds, as a number."""

    part: str
    number: Number
    zone: tzinfo

    def accepts(self, value: object) -> bool:
        moment = moment_of(value, self.zone)
        if moment is None:
            return False
        return self.number.accepts(moment.isocalendar().week if self.part == "week" else getattr(moment, self.part))


@dataclass(frozen=True, slots=True)
class Regex:
    """A regular expression, searched anywhere in the text."""

    source: str
    flags: re.RegexFlag = re.ASCII

    def accepts(self, value: object) -> bool:
        text = text_of(value)
        return text is not None and re.search(self.source, text, self.flags) is not None


@dataclass(frozen=True, slots=True)
class Network:
    """A network that the address must be in. IPv4 written as IPv6 stays IPv6."""

    network: ipaddress.IPv4Network | ipaddress.IPv6Network

    def accepts(self, value: object) -> bool:
        if not isinstance(value, str):
            return False
        try:
            return ipaddress.ip_address(value) in self.network
        except ValueError:
            return False


@dataclass(frozen=True, slots=True)
class Null:
    """Null, or no field at all."""


@dataclass(frozen=True, slots=True)
class Exists:
    """The field is there (or is not), whatever it holds."""

    wanted: bool


@dataclass(frozen=True, slots=True)
class OtherField:
    """The text of another field of the same event, as a whole or at the start, the end, anywhere."""

    field: str
    free_start: bool = False
    free_end: bool = False
    cased: bool = False

    def accepts(self, value: object, other: object) -> bool:
        wanted = text_of(other)
        if wanted is None:
            return False
        start: Pattern = (Wild.ANY,) if self.free_start else ()
        end: Pattern = (Wild.ANY,) if self.free_end else ()
        return Text((*start, *wanted, *end), cased=self.cased).accepts(value)


Asked = Text | Number | TimePart | Regex | Network | Null | Exists | OtherField


def moment_of(value: object, zone: tzinfo) -> datetime | None:
    """ISO 8601, or a number (or a string that reads as one) since 1970: seconds, or milli-, micro- or nanoseconds, told
    apart by size. A time that names no zone is one of `zone`."""
    number = number_of(value)
    try:
        if number is not None:
            for limit, unit in (("1e11", "1"), ("1e14", "1e-3"), ("1e17", "1e-6"), ("1e19", "1e-9")):
                if abs(number) < Decimal(limit):
                    return datetime.fromtimestamp(float(number * Decimal(unit)), zone)
            return None
        if not isinstance(value, str):
            return None
        moment = datetime.fromisoformat(value)
        return moment.replace(tzinfo=zone) if moment.tzinfo is None else moment.astimezone(zone)
    except (ValueError, OverflowError, OSError):
        return None


# --------------------------------------------------------------------------------------------- selections, modifiers

DASHES = "-/–—―"
TIME_PARTS = ("minute", "hour", "day", "week", "month", "year")
FLAGS = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL}


@dataclass(frozen=True)
class _Reader:
    placeholders: Mapping[str, Sequence[str]]
    zone: tzinfo
    resolve: Resolve

    def selection(self, body: object) -> Truth:
        """A map is AND; a list of maps is OR; plain values are keywords."""
        if isinstance(body, Mapping):
            if not body:
                raise RefusedRuleError("an empty selection")
            return _all([self.item(str(key), values) for key, values in body.items()])
        if isinstance(body, list):
            if not body:
                raise RefusedRuleError("an empty selection")
            return _any([self.selection(part) for part in body])
        return self.item("", body)

    def item(self, key: str, values: object) -> Truth:
        """`field|modifier|modifier: values`; without a field these are keywords."""
        field, *modifiers = key.split("|")
        if values == []:
            raise RefusedRuleError(f"{key}: an empty list")
        alternatives = [
            self.modified(field, value, modifiers) for value in (values if isinstance(values, list) else [values])
        ]
        each = [_any([self.question(field, asked) for asked in asked_for]) for asked_for in alternatives]
        truth = _all(each) if "all" in modifiers else _any(each)
        return _not(truth) if "neq" in modifiers else truth

    def question(self, field: str, asked: Asked) -> Truth:
        return lambda event: self.answer(field, asked, event)

    def elements(self, field: str, event: Event) -> list[object] | None:
        """The field's values, several if it is an array; None if it is absent."""
        for key in self.resolve(field):
            if key in event:
                return list(event[key]) if isinstance(event[key], list | tuple) else [event[key]]
        return None

    def answer(self, field: str, asked: Asked, event: Event) -> bool:
        if field == "":
            everything: Iterator[object] = itertools.chain.from_iterable(
                value if isinstance(value, list | tuple) else [value] for value in event.values()
            )
            assert isinstance(asked, Text | Regex)
            return any(asked.accepts(value) for value in everything)
        elements = self.elements(field, event)
        if isinstance(asked, Exists):
            return (elements is not None) == asked.wanted
        if elements is None:
            return isinstance(asked, Null)
        if isinstance(asked, Null):
            return any(value is None for value in elements)
        if isinstance(asked, OtherField):
            others = self.elements(asked.field, event) or []
            return any(asked.accepts(value, other) for value in elements for other in others)
        return any(asked.accepts(value) for value in elements)

    def modified(self, field: str, value: object, modifiers: Sequence[str]) -> list[Asked]:
        """What one value asks for once its modifiers were applied from left to right: any of the list."""
        asked = [self.plain(value)]
        for modifier in modifiers:
            if modifier in ("all", "neq", "cased"):  # about the item, not the value: see item() and the last line
                continue
            asked = [new for old in asked for new in self.apply(modifier, old, value)]
        if field == "":
            asked = [self.keyword(old, modifiers) for old in asked]
        if "cased" in modifiers:
            asked = [replace(old, cased=True) if isinstance(old, Text | OtherField) else old for old in asked]
        return asked

    def plain(self, value: object) -> Asked:
        if value is None:
            return Null()
        if isinstance(value, bool):
            return Text(tuple(json.dumps(value)))
        if isinstance(value, int | float):
            number = number_of(value)
            if number is None:
                raise RefusedRuleError(f"{value} is no number that a log could hold")
            return Number(number)
        if isinstance(value, str):
            return Text(pattern_of(value), raw=value)
        raise RefusedRuleError(f"a value cannot be {type(value).__name__}")

    def keyword(self, asked: Asked, modifiers: Sequence[str]) -> Asked:
        if isinstance(asked, Number) and asked.relation == "eq":
            asked = Text(tuple(json.dumps(_plain_number(asked.number))))
        if isinstance(asked, Regex):
            return asked
        if not isinstance(asked, Text):
            raise RefusedRuleError("this needs a field")
        if {"startswith", "endswith", "contains"} & set(modifiers):
            return asked
        return replace(asked, pattern=(Wild.ANY, *asked.pattern, Wild.ANY))

    def apply(self, modifier: str, old: Asked, value: object) -> list[Asked]:
        if modifier == "exists":
            if not isinstance(value, bool) or old != self.plain(value):
                raise RefusedRuleError("exists takes true or false")
            return [Exists(value)]
        if modifier in ("lt", "lte", "gt", "gte"):
            if isinstance(old, TimePart) and old.number.relation == "eq":
                return [replace(old, number=replace(old.number, relation=modifier))]
            if isinstance(old, Number) and old.relation == "eq":
                return [replace(old, relation=modifier)]
            raise RefusedRuleError(f"{modifier} takes a number")
        if modifier in TIME_PARTS:
            if not isinstance(old, Number) or old.relation != "eq":
                raise RefusedRuleError(f"{modifier} takes a number")
            return [TimePart(modifier, old, self.zone)]
        if modifier in FLAGS:
            if not isinstance(old, Regex):
                raise RefusedRuleError(f"{modifier} follows re")
            return [replace(old, flags=old.flags | FLAGS[modifier])]
        if isinstance(old, OtherField) and modifier in ("startswith", "endswith", "contains"):
            return [
                replace(
                    old,
                    free_start=old.free_start or modifier != "startswith",
                    free_end=old.free_end or modifier != "endswith",
                )
            ]
        if isinstance(old, Number) and old.relation == "eq":  # every modifier from here on wants a text
            text = json.dumps(value)
            old = Text(tuple(text), raw=text)
        if not isinstance(old, Text):
            raise RefusedRuleError(f"{modifier} cannot follow what stands before it")
        return self.apply_to_text(modifier, old)

    def apply_to_text(self, modifier: str, old: Text) -> list[Asked]:
        pattern = old.pattern
        match modifier:
            case "contains":
                return [replace(old, pattern=(Wild.ANY, *pattern, Wild.ANY), raw=None)]
            case "startswith":
                return [replace(old, pattern=(*pattern, Wild.ANY), raw=None)]
            case "endswith":
                return [replace(old, pattern=(Wild.ANY, *pattern), raw=None)]
            case "windash":
                return [replace(old, pattern=new, raw=None) for new in other_dashes(pattern)]
            case "utf16le" | "wide":
                return [Text(utf16(pattern, "utf-16-le"), octets=True)]
            case "utf16be":
                return [Text(utf16(pattern, "utf-16-be"), octets=True)]
            case "utf16":
                return [Text((*"\xff\xfe", *utf16(pattern, "utf-16-le")), octets=True)]
            case "base64":
                return [Text(tuple(base64.b64encode(octets_of(old)).decode()))]
            case "base64offset":
                return [Text(tuple(text)) for text in shifted_base64(octets_of(old))]
            case "expand":
                return [replace(old, pattern=new, raw=None) for new in self.expanded(pattern)]
            case "re":
                if old.raw is None:
                    raise RefusedRuleError("re takes the value as it is written")
                try:
                    re.compile(old.raw, re.ASCII)
                except (re.error, ValueError) as error:
                    raise RefusedRuleError(f"{old.raw}: {error}") from error
                return [Regex(old.raw)]
            case "cidr":
                try:
                    return [Network(ipaddress.ip_network(literal(pattern)))]
                except ValueError as error:
                    raise RefusedRuleError(str(error)) from error
            case "fieldref":
                return [OtherField(literal(pattern))]
            case _:
                raise RefusedRuleError(f"there is no modifier {modifier!r}")

    def expanded(self, pattern: Pattern) -> list[Pattern]:
        """Every way to fill the first `%name%`, times every way to fill what follows it."""
        for start, stop in itertools.combinations([at for at, part in enumerate(pattern) if part == "%"], 2):
            name = pattern[start + 1 : stop]
            if not name or not all(isinstance(part, str) and part not in "%\\" for part in name):
                continue
            filled = self.placeholders.get("".join(str(part) for part in name))
            if filled is None:
                raise UnresolvedPlaceholderError("".join(str(part) for part in name))
            rests = self.expanded(pattern[stop + 1 :])
            return [(*pattern[:start], *pattern_of(text), *rest) for text in filled for rest in rests]
        return [pattern]


def _plain_number(number: Decimal) -> int | float:
    return int(number) if number == number.to_integral_value() else float(number)


def literal(pattern: Pattern) -> str:
    if any(isinstance(part, Wild) for part in pattern):
        raise RefusedRuleError("no wildcards here")
    return "".join(str(part) for part in pattern)


def octets_of(text: Text) -> bytes:
    return literal(text.pattern).encode("latin-1" if text.octets else "utf-8")


def utf16(pattern: Pattern, encoding: str) -> Pattern:
    """Each character as its bytes, each byte as the character of that number; wildcards stay."""
    parts = ((part,) if isinstance(part, Wild) else tuple(part.encode(encoding).decode("latin-1")) for part in pattern)
    return tuple(itertools.chain.from_iterable(parts))


def shifted_base64(octets: bytes) -> Iterator[str]:
    """The value's base64 at each of the three places it can stand in a longer one, without the characters that its
    neighbours take part in."""
    for shift in range(3):
        text = base64.b64encode(b" " * shift + octets).decode()
        start = (0, 2, 3)[shift]
        stop = len(text) - (0, 3, 2)[(shift + len(octets)) % 3]
        yield text[start:stop]


def other_dashes(pattern: Pattern) -> Iterator[Pattern]:
    """Every way to write the option's dashes: those that follow no word character and have one after them."""

    def is_word(at: int) -> bool:
        part = pattern[at] if 0 <= at < len(pattern) else Wild.ANY
        return isinstance(part, str) and (part.isalnum() or part == "_")

    choices: list[Sequence[str | Wild]] = [
        DASHES if part in tuple(DASHES) and not is_word(at - 1) and is_word(at + 1) else (part,)
        for at, part in enumerate(pattern)
    ]
    return itertools.product(*choices)
