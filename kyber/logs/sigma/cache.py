"""Rule sets that were read and planned before: rule files in, the same RuleSet out as `read_rules` makes, sooner.

What was made of the rules is kept in a folder under a name that says what it was made of: every rule file's path and
content, the values of the placeholders, and the code that makes it. So nothing has to be found out of date, and
nothing is trusted but what the account itself wrote: a file of somebody else's, or that somebody else may write to, and
a damaged one, is passed over and made anew.

A kept file is HEADER, the SHA-256 of the rest, and the rest in zstd: a line of JSON with all that matching needs, then
the rules, each a piece of JSON that is read when somebody asks for the rule. Filters are read from their own files
each time, since there are few of them and what they mean depends on the day.
"""

import hashlib
import json
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from datetime import date
from functools import cache
from ipaddress import ip_network
from itertools import accumulate
from operator import eq
from pathlib import Path
from tempfile import mkstemp
from typing import Any, Final, TypeVar, overload

import orjson
import regex
import zstandard

from kyber.finding import Family, RuleRef
from kyber.level import Level
from kyber.logs.batch import LogSource
from kyber.logs.sigma.modifier import Placeholders
from kyber.logs.sigma.plan import Plan, Planned, Question, Ready, Tree, plan
from kyber.logs.sigma.predicate import (
    ANY,
    ONE,
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
    Regex,
    TimePart,
)
from kyber.logs.sigma.rule import Rule, RuleFile, RuleSet, Unable, checked, read_all, read_rules, rule_text, rule_texts
from kyber.problem import Place, Problem, Severity

HEADER: Final = b"kyber rules 2\n"
PREFIX: Final = "rules-"
MAX_FILES: Final = 8
"""Rule sets that are kept; beyond, those are deleted that were not used for longest."""
MAX_BYTES: Final = 200 * 2**20
"""Bytes that they may take together."""
MAX_UNPACKED: Final = 2**30
"""Bytes that one of them may have, unpacked."""
_LEVEL: Final = 1
"""Of zstd: rules are read often and written seldom, but higher levels save little here."""

T = TypeVar("T")


def read(paths: Sequence[str], placeholders: Placeholders, folder: Path | None, today: date | None = None) -> RuleSet:
    """What `read_rules` says, from what the folder keeps of these rules; else read, planned, and kept there.

    Nothing that is wrong with the folder is an error. None for a folder: nothing is kept.
    """
    if folder is None:
        return read_rules(paths, placeholders, today)
    name = _Name(placeholders)
    for _ in name.of(rule_texts(paths)):
        pass
    found = _kept(folder / str(name), placeholders)
    if found is None:
        # Only what was read now counts: a file may have changed since.
        name = _Name(placeholders)
        found = read_all(name.of(rule_texts(paths)), placeholders)
        found = replace(found, rules=Ready(found.rules, plan(found.rules)))
        _keep(folder, name, found)
    return checked(found, today)


class _Name:
    """The name under which a rule set is kept, found while its files go by."""

    def __init__(self, placeholders: Placeholders) -> None:
        self.digest = hashlib.sha256()
        self.under: dict[str, str] = {}
        self.add("made by", _code(), sys.version, regex.__version__)
        for name in sorted(placeholders):
            self.add("list", name, *placeholders[name])

    def of(self, files: Iterable[RuleFile]) -> Iterator[RuleFile]:
        """The files as they are, each taken into the name."""
        for file in files:
            self.under.setdefault(file.file, file.under)
            if file.problem is None:
                self.add("file", file.under, file.file, hashlib.sha256(file.text).hexdigest())
            else:
                self.add("no file", file.under, file.file, file.problem.code, str(file.problem.facts))
            yield file

    def add(self, *parts: str) -> None:
        """Take texts into the name; JSON, since it says where one ends."""
        self.digest.update(json.dumps(parts).encode() + b"\n")

    def __str__(self) -> str:
        return PREFIX + self.digest.hexdigest()


MADE_BY: Final = (
    "kyber.finding",
    "kyber.level",
    "kyber.logs.batch",
    "kyber.logs.sigma.cache",
    "kyber.logs.sigma.condition",
    "kyber.logs.sigma.correlation",
    "kyber.logs.sigma.detection",
    "kyber.logs.sigma.filters",
    "kyber.logs.sigma.modifier",
    "kyber.logs.sigma.plan",
    "kyber.logs.sigma.predicate",
    "kyber.logs.sigma.rule",
    "kyber.logs.values",
    "kyber.problem",
    "kyber.yamltext",
)
"""The code on which it depends what becomes of rules: what an older version made is not what a newer one asks for."""


@cache
def _code() -> str:
    digest = hashlib.sha256()
    for name in MADE_BY:
        spec = sys.modules[name].__spec__
        if spec is not None and spec.origin is not None:
            digest.update(hashlib.sha256(Path(spec.origin).read_bytes()).digest())
    return digest.hexdigest()


def _kept(file: Path, placeholders: Placeholders) -> RuleSet | None:
    """The rule set that a file keeps; None where there is none, or none to be believed."""
    try:
        body = _body(file) if _is_own(file.parent) else None
        if body is None:
            return None
        found, others = _decoded(body)
    except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError, zstandard.ZstdError):
        return None
    if not others:
        return found
    files = dict.fromkeys((under, place.file) for place, under in others.items())
    anew = read_all((rule_text(under, Path(file)) for under, file in files), placeholders)
    filters = tuple(one for one in anew.filters if one.place in others)
    correlations = tuple(one for one in anew.correlations if one.place in others)
    if len(filters) + len(correlations) != len(others):  # a file has changed meanwhile
        return None
    return replace(found, filters=filters, correlations=correlations)


def _body(file: Path) -> bytes | None:
    """What a file of this account's own holds, unpacked; None where it is damaged, or anybody else may write to it."""
    handle = os.open(file, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(handle, "rb") as opened:
        found = os.fstat(handle)
        mine = not hasattr(os, "geteuid") or (found.st_uid == os.geteuid() and not found.st_mode & 0o022)
        if not (mine and stat.S_ISREG(found.st_mode) and found.st_size <= MAX_BYTES):
            return None
        written = opened.read()
    digest, packed = written[len(HEADER) :][:32], written[len(HEADER) + 32 :]
    if not written.startswith(HEADER) or _sealed(file.name, packed) != digest:
        return None
    size = zstandard.frame_content_size(packed)
    if not 0 <= size <= MAX_UNPACKED:
        return None
    with suppress(OSError):
        os.utime(file)  # the last use
    return zstandard.ZstdDecompressor().decompress(packed)


def _sealed(name: str, packed: bytes) -> bytes:
    """What tells that a file is whole, and that it is the one of its name."""
    return hashlib.sha256(name.encode() + b"\0" + packed).digest()


def _is_own(folder: Path) -> bool:
    """Whether only this account may put files into a folder, or take them out."""
    found = folder.lstat()
    mine = not hasattr(os, "geteuid") or (found.st_uid == os.geteuid() and not found.st_mode & 0o022)
    return mine and stat.S_ISDIR(found.st_mode)


def _keep(folder: Path, name: _Name, found: RuleSet) -> None:
    """Write what was made of some rules into the folder; where that cannot be done, nothing is kept."""
    try:
        packed = zstandard.ZstdCompressor(level=_LEVEL).compress(_encoded(found, name.under))
        if len(packed) > MAX_BYTES:
            return
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_own(folder):
            return
        handle, part = mkstemp(dir=folder, prefix=PREFIX, suffix=".part")  # for this account alone
        try:
            with os.fdopen(handle, "wb") as opened:
                opened.write(HEADER + _sealed(str(name), packed) + packed)
            Path(part).replace(folder / str(name))
        except OSError:
            Path(part).unlink(missing_ok=True)
            raise
        _tidy(folder)
    except OSError:
        return


def _tidy(folder: Path) -> None:
    """Delete what was not used for longest, beyond the bounds."""
    found = [(file, file.lstat()) for file in folder.iterdir() if file.name.startswith(PREFIX)]
    found.sort(key=lambda one: one[1].st_mtime_ns, reverse=True)
    size = 0
    for count, (file, status) in enumerate(found):
        size += status.st_size
        if count >= MAX_FILES or size > MAX_BYTES:
            file.unlink(missing_ok=True)


def _encoded(found: RuleSet, under: Mapping[str, str]) -> bytes:
    """A rule set as bytes. `under`: by file, the path by which it was found."""
    planned = plan(found.rules)
    names = {name: number for number, name in enumerate(planned.asked)}
    others = [*(one.place for one in found.filters), *(one.place for one in found.correlations)]
    pieces = [_json(RULE.out(rule)) for rule in found.rules]
    head = {
        "unable": [UNABLE.out(one) for one in found.unable],
        "problems": [PROBLEM.out(one) for one in found.problems],
        "others": [[PLACE.out(place), under[place.file]] for place in others],
        "fields": list(names),
        "questions": [[names[one.field], *PREDICATE.out(one.predicate)] for one in planned.questions],
        "routes": [
            [
                LOGSOURCE.out(logsource),
                sorted(planned.fields[logsource]),
                [[one.place, one.tree, list(map(sorted, one.needs))] for one in rules],
            ]
            for logsource, rules in planned.routes.items()
        ],
        "sizes": list(map(len, pieces)),
    }
    return b"".join((_json(head), b"\n", *pieces))


def _decoded(body: bytes) -> tuple[RuleSet, dict[Place, str]]:
    """The rule set, and where its filters and correlations stand, with the path by which each was found.

    Raises what Python does for what was not made by `_encoded`.
    """
    end = body.index(b"\n")
    head = _loaded(body[:end])
    ends = list(accumulate(head["sizes"], initial=end + 1))
    if ends[-1] != len(body):
        raise ValueError("the rules are not all there")
    rules: Later[Rule] = Later(len(ends) - 1, lambda place: RULE.back(_loaded(body[ends[place] : ends[place + 1]])))
    names, written = head["fields"], head["questions"]
    questions: Later[Question] = Later(
        len(written), lambda number: Question(names[written[number][0]], PREDICATE.back(written[number][1:]))
    )
    asked: dict[str, list[int]] = {name: [] for name in names}
    numbers = [asked[name] for name in names]
    for number, one in enumerate(written):
        numbers[one[0]].append(number)
    routes: dict[LogSource, list[Planned]] = {}
    fields: dict[LogSource, frozenset[str]] = {}
    for logsource, looked_at, listed in head["routes"]:
        key = LOGSOURCE.back(logsource)
        fields[key] = frozenset(looked_at)
        routes[key] = [
            Planned(rules, place, _tree(tree), tuple(map(frozenset, needs))) for place, tree, needs in listed
        ]
    found = RuleSet(
        Ready(rules, Plan(routes, questions, asked, fields)),
        tuple(map(UNABLE.back, head["unable"])),
        tuple(map(PROBLEM.back, head["problems"])),
    )
    return found, {PLACE.back(place): under for place, under in head["others"]}


def _tree(written: Any) -> Tree:
    if isinstance(written, int):
        return written
    operator, inner = written
    return operator, tuple([one if isinstance(one, int) else _tree(one) for one in inner])


def _json(value: Any) -> bytes:
    """JSON on one line: also of what orjson refuses, such as the lone surrogates that stand for bytes in a name."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, separators=(",", ":")).encode()


def _loaded(text: bytes | str) -> Any:
    try:
        return orjson.loads(text)
    except ValueError:
        return json.loads(text)


class Later(Sequence[T]):
    """Things of which each is made when somebody first asks for it, and then kept."""

    def __init__(self, size: int, make: Callable[[int], T]) -> None:
        self.made: list[T | None] = [None] * size
        self.make = make

    def __len__(self) -> int:
        return len(self.made)

    @overload
    def __getitem__(self, at: int) -> T: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[T]: ...
    def __getitem__(self, at: int | slice) -> T | Sequence[T]:
        if isinstance(at, slice):
            return tuple(self[one] for one in range(*at.indices(len(self))))
        found = self.made[at]
        if found is None:
            found = self.made[at] = self.make(at % len(self.made))
        return found

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(eq, self, other))

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))

    def __reduce__(self) -> tuple[type, tuple[tuple[T, ...]]]:
        return tuple, (tuple(self),)


@dataclass(frozen=True, slots=True)
class Pair:
    """How values of a type become JSON, and how they come back."""

    out: Callable[[Any], Any]
    back: Callable[[Any], Any]


def _record(made: type[Any], **members: Pair) -> Pair:
    """A dataclass as the list of its members, in the order in which it has them."""
    names = tuple(one.name for one in fields(made))
    if names != tuple(members):
        raise TypeError(f"{made.__name__} has {names}")
    pairs = tuple(members.values())
    positional = not any(one.kw_only for one in fields(made))
    plain = positional and all(pair is SAME for pair in pairs)

    def out(one: Any) -> list[Any]:
        return [getattr(one, name) if pair is SAME else pair.out(getattr(one, name)) for name, pair in members.items()]

    def back(written: Any) -> Any:
        if len(written) != len(names):
            raise ValueError(f"{made.__name__} has {names}")
        if plain:
            return made(*written)
        values = [one if pair is SAME else pair.back(one) for pair, one in zip(pairs, written, strict=True)]
        return made(*values) if positional else made(**dict(zip(names, values, strict=True)))

    return Pair(out, back)


def _one_of(**kinds: tuple[type[Any], Pair]) -> Pair:
    """A value of one of several types: the name of its type, and then what that makes of it."""
    names = {made: (name, pair.out) for name, (made, pair) in kinds.items()}
    backs = {name: pair.back for name, (_, pair) in kinds.items()}

    def out(one: Any) -> list[Any]:
        name, written = names[type(one)]
        return [name, *written(one)]

    def back(written: Any) -> Any:
        name, *rest = written
        return backs[name](rest)

    return Pair(out, back)


def _number(written: str) -> int | float:
    return float(written) if any(sign in written for sign in ".einf") else int(written)


def _fact(value: object) -> object:
    return value if value is None or isinstance(value, str | int | list | dict) else str(value)


_WILD: Final = (ANY, ONE)
SAME: Final = Pair(lambda value: value, lambda value: value)
LIST: Final = Pair(list, tuple)
# JSON has no infinities, and orjson no large numbers.
NUMBER: Final = Pair(repr, _number)
TOKENS: Final = Pair(
    lambda tokens: [token if isinstance(token, str) else _WILD.index(token) for token in tokens],
    lambda written: tuple([token if isinstance(token, str) else _WILD[token] for token in written]),
)
PLACE: Final = _record(Place, file=SAME, line=SAME)
LOGSOURCE: Final = _record(LogSource, product=SAME, category=SAME, service=SAME)
REF: Final = _record(RuleRef, id=SAME, name=SAME, title=SAME, hash=SAME, path=SAME, titles=SAME)
LEVEL: Final = Pair(int, Level)
FACTS: Final = Pair(lambda facts: {name: _fact(value) for name, value in facts.items()}, dict)
UNABLE: Final = _record(Unable, ref=REF, level=LEVEL, reason=SAME, facts=FACTS)
PROBLEM: Final = _record(Problem, place=PLACE, code=SAME, facts=FACTS, severity=Pair(str, Severity))
PREDICATE: Final = _one_of(
    glob=(Glob, _record(Glob, tokens=TOKENS, cased=SAME)),
    regex=(Regex, _record(Regex, source=SAME, flags=SAME)),
    equals=(Equals, _record(Equals, number=NUMBER)),
    order=(Order, _record(Order, operator=SAME, bound=NUMBER)),
    null=(Null, _record(Null)),
    exists=(Exists, _record(Exists, wanted=SAME)),
    cidr=(Cidr, _record(Cidr, network=Pair(str, ip_network))),
    fieldref=(FieldRef, _record(FieldRef, field=SAME, how=SAME, cased=SAME)),
    time=(TimePart, _record(TimePart, part=SAME, operator=SAME, bound=NUMBER)),
)
NODES: Final[Pair] = Pair(
    lambda nodes: [CONDITION.out(node) for node in nodes],
    lambda written: tuple([CONDITION.back(node) for node in written]),
)
CONDITION: Final[Pair] = _one_of(
    leaf=(Leaf, _record(Leaf, field=SAME, predicate=PREDICATE, part=SAME)),
    all=(And, _record(And, nodes=NODES)),
    any=(Or, _record(Or, nodes=NODES)),
    none=(Not, _record(Not, node=Pair(lambda node: CONDITION.out(node), lambda written: CONDITION.back(written)))),
)


def _condition_out(node: Node) -> list[Any]:
    """A condition whose parts are a text within the text, since few of them are ever asked for."""
    if isinstance(node, And | Or):
        return [type(node) is And, len(node.nodes), _json(NODES.out(node.nodes)).decode()]
    return [None, 1, _json(CONDITION.out(node)).decode()]


def _condition_back(written: Any) -> Node:
    every, size, text = written
    if every is None:
        found: Node = CONDITION.back(_loaded(text))
        return found

    @cache
    def parts() -> Any:
        return _loaded(text)

    nodes: Later[Node] = Later(size, lambda place: CONDITION.back(parts()[place]))
    return And(nodes) if every else Or(nodes)


RULE: Final = _record(
    Rule,
    ref=REF,
    place=PLACE,
    level=LEVEL,
    family=Pair(str, Family),
    tags=LIST,
    logsource=LOGSOURCE,
    condition=Pair(_condition_out, _condition_back),
    description=SAME,
    false_positives=LIST,
    references=LIST,
    next=SAME,
)
