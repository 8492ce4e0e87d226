"""A log line and what to find in it in, the text of a new rule and of its tests out: the line as a hit, and misses.

A miss is the line with what the rule asks for changed in it, so that it looks like a hit; each is tried before it is
given. Personal identity codes are masked in all of it, also those that stand in a line or an answer with escapes, as in
JSON, XML and addresses of pages. Nothing is read or written here.
"""

import html
import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cached_property
from ipaddress import ip_address
from itertools import islice, zip_longest
from typing import Any, Final

import regex

from kyber.errors import UsageError
from kyber.finding import Family
from kyber.level import Level
from kyber.logs.batch import EventBatch, LogSource
from kyber.logs.formats.known import FORMATS
from kyber.logs.parse import logsource_of
from kyber.logs.rule_tests import Given, Provenance, RuleTest
from kyber.logs.schema import Condition, Table
from kyber.logs.sigma.correlation import Correlation
from kyber.logs.sigma.evidence import Event
from kyber.logs.sigma.rule import Rule, RuleFile, RuleSet, checked, read_all
from kyber.logs.trial import only, run_test
from kyber.logs.values import Value, shown
from kyber.privacy import MASK, find, mask
from kyber.problem import Place
from kyber.register import private_data, text_of
from kyber.tune import escaped
from kyber.yamltext import is_otherwise_in_yaml_1_1

MISSES: Final = 2
"""Misses that are made of a line."""
FOLDER: Final = "rules"
OWNERS: Final[Mapping[Family, str]] = {
    Family.SECURITY: "security-officer",
    Family.ACCESS: "data-protection-officer",
    Family.TECHNICAL: "it-operations",
}
"""The role that answers for a family of rules, where nobody says otherwise."""
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_]{0,79}")
_RESERVED: Final = re.compile(r"con|prn|aux|nul|com[0-9]|lpt[0-9]")
"""Names that no file can have on Windows, whatever its ending.
Source: https://learn.microsoft.com/windows/win32/fileio/naming-a-file"""
_ESCAPE: Final = re.compile(r"\\+u([0-9A-Fa-f]{4})|\\+x([0-9A-Fa-f]{2})|%(?:25)*([0-9A-Fa-f]{2})")
_MOST_ESCAPED: Final = 4
"""How often a text may be escaped within another, and an identity code in it still be seen."""
_ANY_CODE: Final = r"\S*-\S*"
"""What stands in the place of a code in a regular expression, in which its mask would be none."""
_UNSEEN: Final = regex.compile(r"[\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]")
"""What nobody sees, and what turns around what stands after it."""
_INSIDE: Final = frozenset(("contains", "startswith", "endswith", "all", "cased"))
"""Modifiers with which a value stands in the log as it is written."""
_ADDRESSES: Final = ("192.0.2.200", "198.51.100.200", "2001:db8::200", "2001:db8::201")
"""Addresses for documentation. Sources: RFC 5737, RFC 3849."""
_UNQUOTED: Final = re.compile(r"^date: '([0-9-]+)'$", re.MULTILINE)
_OTHERS: Final = ("other", "another")


@dataclass(frozen=True, slots=True)
class Term:
    """`key` (a field and its modifiers) and the value that a rule asks of it, as Sigma writes it."""

    key: str
    value: str | int

    @property
    def field(self) -> str:
        """The field without its modifiers."""
        return self.key.partition("|")[0]

    @property
    def modifiers(self) -> frozenset[str]:
        """The modifiers."""
        return frozenset(self.key.split("|")[1:])


@dataclass(frozen=True)
class Line:
    """One event of a log: its raw records, and what kyber makes of them. `given`: as what they were read.

    `whole`: the raw records are lines that can be read by themselves.
    """

    batch: EventBatch
    row: int
    given: Given
    whole: bool = True

    @cached_property
    def records(self) -> tuple[str, ...]:
        """The raw records, without personal identity codes; none where they cannot be read by themselves, or where a
        code cannot be taken out of them, because it is written with escapes."""
        masked = mask(self._raw)
        if not self.whole or find(_unescaped(masked)) or self._told - _codes(self._raw):
            return ()
        return tuple(masked.split("\n"))

    @property
    def has_codes(self) -> bool:
        """Whether personal identity codes stand in it, with escapes or without."""
        return bool(self._told or _codes(self._raw))

    @cached_property
    def _raw(self) -> str:
        return self.batch.raw[self.row].decode("utf-8", "replace")

    @cached_property
    def _told(self) -> frozenset[str]:
        """The personal identity codes in the fields."""
        return _codes("\n".join(text for name, value in self.fields.items() for text in (name, shown(value))))

    @cached_property
    def fields(self) -> Mapping[str, Value]:
        """Field -> value, by the names that rules should use: those that the product's table shows come first."""
        table = self.batch.table
        event = Event(self.batch, self.row)
        found: dict[str, Value] = {}
        for column, value in event.values:
            name = _named(column, table)
            if value is not None and event.where(name) == (column, value):
                found[name] = value
            elif value is not None:
                found[column] = value
        order = {name: place for place, name in enumerate(table.shown)}
        names = sorted(found, key=lambda name: (order.get(name, len(order)), name))
        clocks = {clock.column for clock in table.time}
        return {name: found[name] for name in names if name not in clocks | {"event.original"}}

    @cached_property
    def logsource(self) -> LogSource:
        """The narrowest logsource that the event is of: a category before a service, few values before many."""
        declared, table = self.batch.logsource, self.batch.table
        category = declared.category or self._met(table.categories)
        service = declared.service or (None if category else self._met(table.services))
        return LogSource(declared.product, category, service)

    def declared(self, asked: LogSource) -> LogSource | None:
        """What has to be said of the raw records for a rule about `asked` to see them; None: their format says it all.

        What the records or their source tell stands, also where something else is asked.
        """
        told, table = self.batch.logsource, self.batch.table
        needed = LogSource(
            told.product or asked.product,
            told.category or (None if asked.category in table.categories else asked.category),
            told.service or (None if asked.service in table.services else asked.service),
        )
        return None if self.given.format and needed == logsource_of(None, FORMATS[self.given.format]) else needed

    def _met(self, known: Mapping[str, Sequence[Condition]]) -> str | None:
        met = [
            (sum(len(wanted) for _, wanted in condition), name)
            for name, conditions in known.items()
            for condition in conditions
            if condition and self.batch.where(condition)[self.row]
        ]
        return min(met)[1] if met else None


def _named(column: str, table: Table) -> str:
    """The name that rules give a native column: Sigma's, where it is not an ECS column anyway."""
    own = {pattern.partition(".")[0] for pattern in table.native}
    if column.partition(".")[0] not in own:
        return column
    for name, columns in table.fields.items():
        if columns[:1] == (column,):
            return name
    for pattern in table.native:
        before, _, after = pattern.partition("{}")
        if column.startswith(before) and column.endswith(after) and len(column) > len(before + after):
            return column[len(before) : len(column) - len(after)]
    return column


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What is asked of who makes a rule. `next`: what to do about a finding, by language. `sample`: where a test's
    line is from. `comments`: lines of explanation, by the key above which they stand. `every`: what a rule says of the
    logs that it is about, where that is all of them."""

    name: str
    title: str
    description: str
    family: Family
    level: Level
    logsource: LogSource
    terms: tuple[Term, ...]
    owner: str
    next: Mapping[str, str]
    id: str
    author: str
    today: date
    provenance: Provenance
    sample: str
    false_positive: str
    comments: Mapping[str, str]
    every: str
    hit: str
    """The name of the test that is a hit."""
    miss: str
    """The name of one that is a miss, with places for `{field}` and `{value}`."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A rule and its tests, ready to be written. `misses`: how many could be made. `masked`: whether personal identity
    codes were."""

    rule: str
    tests: str
    misses: int
    masked: bool


def slug(text: str) -> str:
    """A name for a rule: small letters, digits and `_`; empty where nothing is left of the text."""
    letters = unicodedata.normalize("NFKD", mask(text)).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "_", letters)[:60].strip("_")


def is_name(text: str) -> bool:
    """Whether a rule can be called so."""
    return _NAME.fullmatch(text) is not None and not find(text)


def is_reserved(name: str) -> bool:
    """Whether no file can be called so on Windows."""
    return _RESERVED.fullmatch(name) is not None


def term_of(text: str, line: Line | None) -> Term:
    """The term of `field=value`, or of a field whose value is that of the line. Raises UsageError."""
    key, equals, value = (part.strip() for part in text.partition("="))
    if not key or (equals and not value):
        raise UsageError(f"'{text}': write field=value, or field|contains=value")
    if equals:
        return Term(key, int(value) if re.fullmatch(r"0|[1-9][0-9]{0,17}", value) and "|" not in key else value)
    if line is None:
        raise UsageError(f"'{text}': write field=value; without --line there is no value to take")
    name = key.partition("|")[0]
    if name not in line.fields:
        raise UsageError(f"the line has no field '{name}'; it has {', '.join(map(mask, line.fields))}")
    found = line.fields[name]
    return Term(key, found if type(found) is int else escaped(shown(found)))


def drafted(answers: Answers, line: Line | None, now: datetime) -> Draft:
    """The rule and its tests. Raises UsageError where no sample can be made, or a secret would be written."""
    given, answers = answers, _clean(answers)
    written = _rule(answers)
    rules = checked(read_all([RuleFile("draft", f"{answers.name}.yml", written.encode())], {}))
    if not rules.rules:
        why = ", ".join(problem.code for problem in rules.problems) or "it does not run"
        raise UsageError(f"no rule can be made of {', '.join(term.key for term in answers.terms)} ({why})")
    hit = _hit(answers, line)
    if line is not None and hit.lines and run_test(hit, rules.rules[0], only(rules, rules.rules[0]), now).rejected:
        line = replace(line, whole=False)  # it needs what stands around it, such as a header
        hit = _hit(answers, line)
    misses = tuple(islice(_misses(answers, line, hit, rules, now), MISSES))
    tests = _tests(answers, (hit, *misses))
    for text in (written, tests):
        if any(private_data(text.encode(), "")) or find(_unescaped(text)):
            raise UsageError("what would be written holds a secret, such as a key: take it out of what you gave")
    return Draft(written, tests, len(misses), answers != given or (line is not None and line.has_codes))


def _rule(answers: Answers) -> str:
    named = {key: value for key in LogSource.__slots__ if (value := getattr(answers.logsource, key)) is not None}
    asked: dict[str, Any] = {}
    for term in answers.terms:
        value = term.value
        if term.key in asked:  # the same field again: any of the values
            before = asked[term.key]
            asked[term.key] = [*(before if isinstance(before, list) else [before]), value]
        else:
            asked[term.key] = value
    document = {
        "title": answers.title,
        "id": answers.id,
        "name": answers.name,
        "status": "experimental",
        "description": answers.description,
        "author": answers.author,
        "date": answers.today.isoformat(),
        "logsource": named or {"definition": answers.every},
        "detection": {"selection": asked, "condition": "selection"},
        "falsepositives": [answers.false_positive],
        "level": str(answers.level),
        "kyber": {
            "family": str(answers.family),
            "owner": answers.owner,
            **({"next": dict(answers.next)} if answers.next else {}),
        },
    }
    return _commented(_UNQUOTED.sub(r"date: \1", _text(document)), answers.comments)


def _commented(text: str, comments: Mapping[str, str]) -> str:
    lines = []
    for line in text.removesuffix("\n").split("\n"):
        lines += [f"# {part}" for part in comments.get(line.partition(":")[0], "").splitlines()]
        lines.append(line)
    return "\n".join(lines) + "\n"


def _text(document: Mapping[str, object]) -> str:
    """A mapping as YAML in which every text is one for readers of YAML 1.1, too, and nothing stands that is unseen."""
    text: str = _UNSEEN.sub(_in_digits, text_of(_quoted(document)))
    return text


def _quoted(value: Any) -> Any:
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString, SingleQuotedScalarString

    if isinstance(value, Mapping):
        return {_quoted(key): _quoted(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_quoted(one) for one in value]
    if isinstance(value, str) and _UNSEEN.search(value):
        return DoubleQuotedScalarString(value)
    return SingleQuotedScalarString(value) if isinstance(value, str) and is_otherwise_in_yaml_1_1(value) else value


def _in_digits(found: "regex.Match[str]") -> str:
    number = ord(found[0])
    return f"\\u{number:04X}" if number < 0x10000 else f"\\U{number:08X}"


# --- personal identity codes ------------------------------------------------------------------------------------------


def _clean(answers: Answers) -> Answers:
    """The answers without personal identity codes."""
    source = answers.logsource
    told = {key: _masked(value) for key in LogSource.__slots__ if (value := getattr(source, key)) is not None}
    return replace(
        answers,
        title=_masked(answers.title),
        description=_masked(answers.description),
        logsource=LogSource(**told),
        terms=tuple(map(_clean_term, answers.terms)),
        owner=_masked(answers.owner),
        next={language: _masked(text) for language, text in answers.next.items()},
        author=_masked(answers.author),
        sample=_masked(answers.sample),
        false_positive=_masked(answers.false_positive),
    )


def _clean_term(term: Term) -> Term:
    """The term without codes; where one stood, it asks for any text with a hyphen, as a code and its mask are."""
    value = _masked(term.value) if isinstance(term.value, str) else term.value
    if isinstance(value, str) and "re" in term.modifiers and value != term.value:
        value = value.replace(MASK, _ANY_CODE)
    return Term(_masked(term.key), value)


def _masked(text: str) -> str:
    """The text without personal identity codes; without its escapes, too, where one is written with them."""
    masked = mask(text)
    opened = _unescaped(masked)
    return mask(opened) if find(opened) else masked


def _codes(text: str) -> frozenset[str]:
    opened = _unescaped(text)
    return frozenset(opened[start:end] for start, end in find(opened))


def _unescaped(text: str) -> str:
    """The text with the characters themselves in the place of escapes of JSON, XML and addresses of pages."""
    for _ in range(_MOST_ESCAPED):
        before, text = text, html.unescape(_ESCAPE.sub(_character, text))
        if text == before:
            break
    return text


def _character(found: re.Match[str]) -> str:
    number = int(found[1] or found[2] or found[3], 16)
    return chr(number) if number < 0x80 or 0x2010 <= number <= 0x2212 else found[0]


# --- samples ----------------------------------------------------------------------------------------------------------


def _hit(answers: Answers, line: Line | None) -> RuleTest:
    if line is not None:
        return _test(answers, answers.hit, answers.provenance, line, line.records or _event_of(line))
    if strange := [term.key for term in answers.terms if not term.modifiers <= _INSIDE]:
        raise UsageError(f"no sample can be made of {', '.join(strange)}: give a line with --line")
    event = {term.field: _bare(term) for term in answers.terms}
    return _test(answers, answers.hit, Provenance.CONSTRUCTED, None, event)


def _test(
    answers: Answers,
    name: str,
    provenance: Provenance,
    line: Line | None,
    records: Sequence[str] | Mapping[str, Any],
    expect: Any = "match",
) -> RuleTest:
    is_event = isinstance(records, Mapping)
    asked = answers.logsource
    said = (asked if asked != LogSource() else None) if is_event or line is None else line.declared(asked)
    given = replace(line.given if line else Given(), logsource=said)
    return RuleTest(
        place=Place("draft"),
        name=name,
        rule="",
        provenance=provenance,
        source=answers.sample,
        given=given,
        expect=expect,
        lines=() if isinstance(records, Mapping) else tuple(records),
        events=(records,) if isinstance(records, Mapping) else (),
    )


def _bare(term: Term) -> str | int:
    """What a field holds that the term asks for."""
    if not isinstance(term.value, str):
        return term.value
    parts = (re.sub(r"\\(?=[*?\\])", "", re.sub(r"(?<!\\)\*", "", part)) for part in term.value.split(MASK))
    return MASK.join(parts)


def _misses(answers: Answers, line: Line | None, hit: RuleTest, rules: RuleSet, now: datetime) -> Iterator[RuleTest]:
    """Misses that look like the hit: what one term asks for is changed. Only those that are misses indeed."""
    (rule,) = rules.rules
    alone, seen = only(rules, rule), {hit.lines or json.dumps(hit.events)}
    changes = [list(_changes(term, line)) for term in answers.terms]
    for change in (one for round_ in zip_longest(*changes) for one in round_ if one is not None):
        for records in _changed(change, hit, line):
            miss = _test(
                answers,
                mask(answers.miss.replace("{field}", change.field).replace("{value}", str(change.after))),
                Provenance.CONSTRUCTED,
                line,
                records,
                "miss",
            )
            key = miss.lines or json.dumps(miss.events, default=str)
            if key not in seen and _holds(miss, rule, alone, now):
                seen.add(key)
                yield miss
                break


def _holds(miss: RuleTest, rule: Rule | Correlation, rules: RuleSet, now: datetime) -> bool:
    """Whether it is a miss, and of an event that the rule looks at."""
    found = run_test(miss, rule, rules, now)
    return found.passed and not found.blind


@dataclass(frozen=True, slots=True)
class _Change:
    field: str
    before: str | int
    after: str | int


def _changes(term: Term, line: Line | None) -> Iterator[_Change]:
    """Other values for what a term asks for."""
    if term.modifiers & _INSIDE:
        before: str | int = _bare(term)
    else:
        fields = line.fields if line is not None else {}
        held = next((value for name, value in fields.items() if _masked(name) == term.field), None)
        before = held if type(held) is int else _masked(shown(held)) if held is not None else _bare(term)
    for after in _other_values(before):
        yield _Change(term.field, before, after)


def _other_values(value: str | int) -> Iterator[str | int]:
    if isinstance(value, int) or re.fullmatch(r"[1-9][0-9]{0,17}", value):
        yield from (type(value)(int(value) + step) for step in (1, 2))
        return
    try:
        version = ip_address(value).version
        yield from (one for one in _ADDRESSES if ip_address(one).version == version and one != value)
    except ValueError:
        before, space, _ = value.rpartition(" ")  # a phrase that begins alike
        yield from (before + space + one for one in _OTHERS)


def _changed(change: _Change, hit: RuleTest, line: Line | None) -> Iterator[Sequence[str] | Mapping[str, Any]]:
    """The hit with a value changed: in the raw records where it stands there, else in the fields."""
    if line is not None:
        for before, after in (
            (str(change.before), str(change.after)),
            (json.dumps(str(change.before))[1:-1], json.dumps(str(change.after))[1:-1]),
        ):
            for edge in (r"(?<![\w.])", "") if before else ():  # a whole word if it is one, not a part of a number
                found = re.compile(edge + re.escape(before) + edge.replace("?<!", "?!"))
                if any(map(found.search, hit.lines)):
                    yield tuple(found.sub(after.replace("\\", r"\\"), record) for record in hit.lines)
                    break
    yield {**(_event_of(line) if line is not None else hit.events[0]), change.field: change.after}


def _event_of(line: Line) -> Mapping[str, Any]:
    """What kyber made of a line, without personal identity codes, as a test holds it."""
    return {_masked(name): _plain(value) for name, value in line.fields.items()}


def _plain(value: Value) -> Any:
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return _masked(value) if isinstance(value, str) else value


def _tests(answers: Answers, tests: Sequence[RuleTest]) -> str:
    listed = []
    for test in tests:
        told: dict[str, Any] = {"name": test.name, "origin": str(test.provenance), "source": test.source}
        named: dict[str, Any] = {} if test.given.format is None else {"format": test.given.format}
        if test.given.logsource is not None:
            said = test.given.logsource
            named |= {key: value for key in LogSource.__slots__ if (value := getattr(said, key)) is not None}
        if test.lines and test.given.columns:
            named["columns"] = dict(test.given.columns)
        if test.lines and test.given.starts is not None:
            named["starts"] = test.given.starts
        if named:
            told["input"] = named
        told |= {"lines": list(test.lines)} if test.lines else {"events": [dict(one) for one in test.events]}
        listed.append({**told, "expect": test.expect})
    return _commented(_text({"tests": listed}), {"tests": answers.comments.get("tests", "")})
