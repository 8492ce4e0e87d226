"""Sigma rule files -> frozen rules, with a Problem (file and line) for each that cannot be read.

kyber reads rules itself, with its own YAML places: a broken file must be named by line, and every deviation from the
specification would become a wrong answer that looks like silence.
"""

import base64
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from ipaddress import ip_network
from itertools import islice
from itertools import product as every
from math import prod
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from kyber.finding import Family, RuleRef
from kyber.level import Level
from kyber.logs.batch import LogSource
from kyber.logs.sigma.condition import ConditionError, parse
from kyber.logs.sigma.predicate import (
    ANY,
    MAX_EXPANSION,
    TIME_PARTS,
    And,
    Cidr,
    Equals,
    Exists,
    Feature,
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
    Token,
    Wild,
    base64offset,
    leaves,
    pattern,
    searcher,
    windash,
)
from kyber.problem import Place, Problem, Severity
from kyber.yamltext import YamlError, line_of, load

MAX_FILE = 2**20
MAX_LEAVES = 20_000

Placeholders = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One detection rule, ready to run. `condition` holds its selections; `logsource` says which events it sees."""

    ref: RuleRef
    place: Place
    level: Level
    family: Family
    tags: tuple[str, ...]
    logsource: LogSource
    condition: Node
    description: str = ""
    false_positives: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    next: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unable:
    """A rule that was read but that kyber cannot run: it becomes Blind with this reason."""

    ref: RuleRef
    level: Level
    reason: str
    facts: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class RuleSet:
    """What rule files held: rules to run, rules that cannot run, and what is wrong in the files."""

    rules: tuple[Rule, ...]
    unable: tuple[Unable, ...]
    problems: tuple[Problem, ...]


class RuleError(Exception):
    """A rule cannot be used: an R-code, its facts, and where in the document."""

    def __init__(self, code: str, *path: str | int, **facts: object) -> None:
        super().__init__(code)
        self.code, self.path, self.facts = code, path, facts


def rule_files(paths: Iterable[str]) -> tuple[list[Path], list[Problem]]:
    """The rule files that paths mean: files, and folders with every .yml and .yaml below them, sorted."""
    files: dict[Path, None] = {}
    problems = []
    for given in paths:
        path = Path(given)
        if path.is_dir():
            for where, folders, names in os.walk(path):
                folders[:] = sorted(name for name in folders if not name.startswith("."))
                for name in sorted(names):
                    if name.endswith((".yml", ".yaml")) and not name.startswith(".") and ".tests." not in name:
                        files[Path(where, name)] = None
        elif path.is_file():
            files[path] = None
        else:
            problems.append(Problem(Place(given), "R13", {"why": "no such file or folder"}))
    return list(files), problems


def read_rules(paths: Iterable[str], placeholders: Placeholders) -> RuleSet:
    """Every rule below the paths. What is broken is a Problem and the others are read; an id seen before is one too."""
    rules: list[Rule] = []
    unable: list[Unable] = []
    files, problems = rule_files(paths)
    seen: dict[str, RuleRef] = {}
    for file in files:
        for rule in _in_file(file, placeholders, problems):
            first = seen.setdefault(rule.ref.id, rule.ref)
            if first is not rule.ref:
                if first.hash != rule.ref.hash:
                    facts = {"id": rule.ref.id, "first": first.path}
                    problems.append(Problem(Place(str(file)), "R09", facts, Severity.WARNING))
                continue
            if isinstance(rule, Rule):
                rules.append(rule)
            else:
                unable.append(rule)
    return RuleSet(tuple(rules), tuple(unable), tuple(problems))


def _in_file(file: Path, placeholders: Placeholders, problems: list[Problem]) -> Iterator[Rule | Unable]:
    try:
        if file.stat().st_size > MAX_FILE:
            problems.append(Problem(Place(str(file)), "R10", {"limit": MAX_FILE}))
            return
        documents = load(file.read_bytes(), str(file))
    except OSError as error:
        problems.append(Problem(Place(str(file)), "R13", {"why": error.strerror or str(error)}))
        return
    except YamlError as error:
        problems.append(Problem(error.place, "R01", {"why": error.reason}))
        return
    for document in documents:
        if document is None:
            continue
        try:
            yield read_rule(document, str(file), placeholders, problems)
        except RuleError as error:
            place = Place(str(file), line_of(document, error.path, 1))
            problems.append(Problem(place, error.code, error.facts))


def read_rule(document: Any, file: str, placeholders: Placeholders, problems: list[Problem]) -> Rule | Unable:
    """One document of a rule file as a rule. Raises RuleError; what is only doubtful goes to `problems`."""
    if not isinstance(document, dict):
        raise RuleError("R02")
    if not any(key in document for key in ("detection", "correlation", "filter")):
        raise RuleError("R02")
    title = document.get("title")
    if not isinstance(title, str) or not title.strip():
        raise RuleError("R03", "title", field="title")
    place = Place(file, line_of(document, ("title",), 1))
    ref = _ref(document, title, file)

    def doubt(code: str, *path: str, **facts: object) -> None:
        problems.append(Problem(Place(file, line_of(document, path, 1)), code, facts, Severity.WARNING))

    level = Level.MEDIUM
    if "level" in document:
        try:
            level = Level.of(str(document["level"]))
        except ValueError:
            doubt("R08", "level", level=document["level"])
    if "id" not in document:
        doubt("R14", "title", title=title)
    for feature in ("correlation", "filter"):
        if feature in document:
            return Unable(ref, level, "feature", {"feature": feature})
    try:
        condition = _detection(document, placeholders)
    except Feature as missing:
        return Unable(ref, level, missing.reason, missing.facts)
    own = _mapping(document.get("kyber"))
    family = Family.SECURITY
    if "family" in own:
        try:
            family = Family(str(own["family"]))
        except ValueError:
            doubt("R17", "kyber", "family", family=own["family"])
    return Rule(
        ref=ref,
        place=place,
        level=level,
        family=family,
        tags=_strings(document.get("tags")),
        logsource=_logsource(document),
        condition=condition,
        description=str(document.get("description") or "").strip(),
        false_positives=_strings(document.get("falsepositives")),
        references=_strings(document.get("references")),
        next=_texts(own.get("next")),
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _texts(value: Any) -> Mapping[str, str]:
    """Texts by language; what is not text is left out."""
    return {language: text.strip() for language, text in _mapping(value).items() if isinstance(text, str)}


def _strings(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple(map(str, value)) if isinstance(value, list) else (str(value),)


def _ref(document: Mapping[str, Any], title: str, file: str) -> RuleRef:
    canonical = json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    digest = sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()
    identity = str(document.get("id") or uuid5(NAMESPACE_URL, f"kyber:{title}"))
    return RuleRef(
        id=identity,
        name=str(document.get("name") or ""),
        title=title.strip(),
        hash=digest,
        path=file,
        titles=_texts(_mapping(document.get("kyber")).get("title")),
    )


def _logsource(document: Mapping[str, Any]) -> LogSource:
    given = document.get("logsource")
    if not isinstance(given, dict):
        raise RuleError("R03", "logsource", field="logsource")
    named = {key: str(value).lower() for key in LogSource.__slots__ if (value := given.get(key)) is not None}
    return LogSource(**named)


def _detection(document: Mapping[str, Any], placeholders: Placeholders) -> Node:
    detection = document["detection"]
    if not isinstance(detection, dict):
        raise RuleError("R02", "detection")
    condition = detection.get("condition")
    given = condition if isinstance(condition, list) else [condition]
    conditions = [one for one in given if isinstance(one, str)]
    if not given or len(conditions) != len(given):
        raise RuleError("R03", "detection", "condition", field="condition")
    selections = {
        name: _selection(value, name, placeholders)
        for name, value in detection.items()
        if name not in ("condition", "timeframe")
    }
    try:
        nodes = tuple(parse(one, selections) for one in conditions)
    except ConditionError as error:
        raise RuleError("R04", "detection", "condition", why=str(error)) from None
    node = nodes[0] if len(nodes) == 1 else Or(nodes)
    for count, _ in enumerate(leaves(node), 1):
        if count > MAX_LEAVES:
            raise RuleError("R04", "detection", "condition", why=f"more than {MAX_LEAVES} comparisons")
    return node


def _selection(value: Any, name: str, placeholders: Placeholders) -> Node:
    """A map is AND, a list of maps OR, a list of values keywords."""
    here = ("detection", name)
    if not value and not isinstance(value, str | int | float):
        raise RuleError("R18", *here, name=name)
    if isinstance(value, dict):
        return _both([_item(str(key), one, name, placeholders, (*here, str(key))) for key, one in value.items()])
    if isinstance(value, list):
        nodes = []
        for index, one in enumerate(value):
            if isinstance(one, dict | list):
                nodes.append(_selection_within(one, name, placeholders, (*here, index)))
            else:
                nodes.append(_item("", one, name, placeholders, (*here, index)))
        return _either(nodes)
    return _item("", value, name, placeholders, here)


def _selection_within(value: Any, name: str, placeholders: Placeholders, here: tuple[str | int, ...]) -> Node:
    if isinstance(value, dict) and value:
        return _both([_item(str(key), one, name, placeholders, (*here, str(key))) for key, one in value.items()])
    raise RuleError("R18", *here, name=name)


def _both(nodes: list[Node]) -> Node:
    return nodes[0] if len(nodes) == 1 else And(tuple(nodes))


def _either(nodes: list[Node]) -> Node:
    return nodes[0] if len(nodes) == 1 else Or(tuple(nodes))


def _item(key: str, value: Any, part: str, placeholders: Placeholders, here: tuple[str | int, ...]) -> Node:
    """`field|modifier|…: value or values` -> leaves, joined by OR, or by AND with `all`."""
    field, *modifiers = key.split("|")
    unknown = [one for one in modifiers if one not in _MODIFIERS]
    if unknown:
        raise RuleError("R05", *here, modifier=unknown[0])
    values = value if isinstance(value, list) else [value]
    if any(isinstance(one, dict | list) for one in values):
        raise RuleError("R18", *here, name=part)
    try:
        leaf = _Leaves(field, modifiers, part, placeholders)
        nodes = [leaf.of(one) for one in values]
    except ValueError as error:
        raise RuleError("R06", *here, modifier="|".join(modifiers), value=_brief(value), why=str(error)) from None
    if not nodes:
        raise RuleError("R18", *here, name=part)
    node = _both(nodes) if "all" in modifiers else _either(nodes)
    return Not(node) if "neq" in modifiers else node


def _brief(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:59] + "…"


_FLAGS = {"i": "i", "ignorecase": "i", "m": "m", "multiline": "m", "s": "s", "dotall": "s"}
_ENCODINGS = {"utf16le": "utf-16-le", "wide": "utf-16-le", "utf16be": "utf-16-be", "utf16": "utf-16"}


class _Leaves:
    """Turns the values of one item into nodes, with the item's modifiers read from left to right."""

    def __init__(self, field: str, modifiers: list[str], part: str, placeholders: Placeholders) -> None:
        self.field, self.modifiers, self.part, self.placeholders = field, modifiers, part, placeholders
        self.cased = "cased" in modifiers
        self.flags = "".join(sorted({_FLAGS[one] for one in modifiers if one in _FLAGS}))
        self.time = next((one for one in modifiers if one in TIME_PARTS), None)
        self.order = next((one for one in modifiers if one in ("lt", "lte", "gt", "gte")), None)

    def leaf(self, predicate: Predicate) -> Node:
        return Leaf(self.field, predicate, self.part)

    def of(self, value: Any) -> Node:
        modifiers = self.modifiers
        if "exists" in modifiers:
            if not isinstance(value, bool):
                raise ValueError("`exists` takes true or false")
            return self.leaf(Exists(value))
        if self.time or self.order:
            return self.leaf(self.compared(value))
        if "fieldref" in modifiers:
            how = next((one for one in modifiers if one in _ANCHORS), "equals")
            return self.leaf(FieldRef(self.text(value), how, self.cased))
        if "re" in modifiers:
            source = self.text(value)
            searcher(source, self.flags)
            return self.leaf(Regex(source, self.flags))
        if "cidr" in modifiers:
            return self.leaf(Cidr(ip_network(self.text(value), strict=False)))
        if value is None:
            return self.leaf(Null())
        if isinstance(value, int | float) and not isinstance(value, bool):
            if not set(modifiers) - {"all", "neq", "cased"} and self.field:
                return self.leaf(Equals(value))
            value = str(value)
        if isinstance(value, bool):
            value = "true" if value else "false"
        return _either([self.leaf(Glob(tokens, self.cased)) for tokens in self.texts(str(value))])

    def text(self, value: Any) -> str:
        if not isinstance(value, str | int | float) or isinstance(value, bool):
            raise ValueError("a text is wanted")  # noqa: TRY004 - it is the rule that is wrong, not a call
        return str(value)

    def compared(self, value: Any) -> Predicate:
        if isinstance(value, str):
            try:
                value = int(value) if value.lstrip("+-").isdigit() else float(value)
            except ValueError:
                raise ValueError("a number is wanted") from None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError("a number is wanted")  # noqa: TRY004 - as above
        if self.time:
            return TimePart(self.time, self.order or "eq", value)
        return Order(self.order or "eq", value)

    def texts(self, value: str) -> list[tuple[Token, ...]]:
        """The patterns that a string stands for, after every modifier in turn."""
        states: list[tuple[Token, ...] | bytes] = list(self.expanded(value))
        for modifier in self.modifiers:
            change = _CHANGES.get(modifier)
            if change is not None:
                states = list(islice((after for before in states for after in change(before)), MAX_LEAVES + 1))
                if len(states) > MAX_LEAVES:
                    raise ValueError(f"more than {MAX_LEAVES} variants")
        found = [_tokens(one) for one in states]
        anywhere = not self.field and not any(one in self.modifiers for one in _ANCHORS)
        return [_within(one) for one in found] if anywhere else found

    def expanded(self, value: str) -> Iterator[tuple[Token, ...]]:
        if "expand" not in self.modifiers:
            yield pattern(value)
            return
        pieces = _PLACEHOLDER.split(value)
        choices: list[Sequence[str]] = []
        for index, piece in enumerate(pieces):
            if index % 2 == 0:
                choices.append([piece])
            elif piece in self.placeholders:
                choices.append([_escaped(one) for one in self.placeholders[piece]])
            else:
                raise Feature("placeholder", name=piece)
        if prod(map(len, choices)) > MAX_LEAVES:
            raise ValueError(f"more than {MAX_LEAVES} variants")
        if prod(map(len, choices)) > MAX_EXPANSION:
            raise ValueError(f"its placeholders stand for more than {MAX_EXPANSION} values")
        for one in every(*choices):
            yield pattern("".join(one))


_PLACEHOLDER = re.compile(r"%([A-Za-z_][\w.-]*)%")


def _escaped(value: str) -> str:
    """A watch list's value as a pattern: its own wildcards count, its backslashes are literal."""
    return re.sub(r"\\(?=[\\*?])", r"\\\\", value)


def _tokens(state: tuple[Token, ...] | bytes) -> tuple[Token, ...]:
    """What encoding left as bytes, read as text again."""
    if isinstance(state, bytes):
        text = state.decode("utf-8", "surrogateescape")
        return (text,) if text else ()
    return state


def _bytes(state: tuple[Token, ...] | bytes) -> bytes:
    if isinstance(state, bytes):
        return state
    if any(isinstance(token, Wild) for token in state):
        raise ValueError("wildcards cannot be encoded")
    return "".join(map(str, state)).encode()


def _open_start(tokens: tuple[Token, ...]) -> tuple[Token, ...]:
    return tokens if tokens[:1] == (ANY,) else (ANY, *tokens)


def _open_end(tokens: tuple[Token, ...]) -> tuple[Token, ...]:
    return tokens if tokens[-1:] == (ANY,) else (*tokens, ANY)


def _within(tokens: tuple[Token, ...]) -> tuple[Token, ...]:
    return _open_end(_open_start(tokens))


def _encode(encoding: str) -> "_Change":
    def change(state: tuple[Token, ...] | bytes) -> list[tuple[Token, ...] | bytes]:
        text = _bytes(state).decode()
        return [b"\xff\xfe" + text.encode("utf-16-le") if encoding == "utf-16" else text.encode(encoding)]

    return change


def _base64(state: tuple[Token, ...] | bytes) -> list[tuple[Token, ...] | bytes]:
    return [(base64.b64encode(_bytes(state)).decode(),)]


_Change = Callable[[tuple[Token, ...] | bytes], Sequence[tuple[Token, ...] | bytes]]
_CHANGES: Mapping[str, _Change] = {
    "contains": lambda state: [_within(_tokens(state))],
    "startswith": lambda state: [_open_end(_tokens(state))],
    "endswith": lambda state: [_open_start(_tokens(state))],
    "windash": lambda state: windash(_tokens(state)),
    "base64": _base64,
    "base64offset": lambda state: [(one,) for one in base64offset(_bytes(state))],
    **{name: _encode(encoding) for name, encoding in _ENCODINGS.items()},
}
_ANCHORS = ("contains", "startswith", "endswith")
_MODIFIERS = frozenset((*_CHANGES, *_FLAGS, *TIME_PARTS, "re", "cidr", "expand", "fieldref", "exists"))
_MODIFIERS |= {"all", "cased", "neq", "lt", "lte", "gt", "gte"}
