"""Rules from elsewhere: rule files and a choice in, what of them is copied, with what text, and what stays, out.

A file is copied as it is, but for the key `kyber:` below each document that has none; author, licence, id and dates
stay as they are. What was written is remembered as SHA-256 in a record beside the files, in the form of sha256sum. So a
later import knows what was altered by hand since, and leaves it alone. Nothing is read or written here.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final

from kyber.finding import Family
from kyber.logs.sigma.heading import Choice, Heading, Kind
from kyber.yamltext import YamlError, load

RECORD: Final = "IMPORTED.txt"
"""The file beside imported rules that says where they came from."""
RULE_FILES: Final = (".yml", ".yaml")
"""How the names of rule files end; what else is imported is a licence."""
_MARKER: Final = re.compile(rb"(---|\.\.\.)(\s|$)")
_NAMED: Final = re.compile(r"([0-9a-f]{64})  (.+)")
_KEPT: Final = (
    "# Rules that `kyber rules import` brought here, and the SHA-256 of each file as it was written:",
    "# `sha256sum -c IMPORTED.txt` in this folder says which were altered since.",
)


@dataclass(frozen=True, slots=True)
class RuleText:
    """A file of rules elsewhere: its path below the folder, with `/`, its bytes, and the headings of its documents."""

    path: str
    text: bytes
    headings: tuple[Heading, ...]


# --- choosing --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Chosen:
    """The files that are wanted. Others that fit are left out: `present` (file and heading) has an id that is there
    already, at the place told; `filters` would take events out of rules; `lacking` names rules that are not there."""

    files: tuple[RuleText, ...]
    present: tuple[tuple[RuleText, Heading, str], ...] = ()
    filters: tuple[RuleText, ...] = ()
    lacking: tuple[RuleText, ...] = ()

    @property
    def fit(self) -> bool:
        """Whether anything fits the choice, be it left out or not."""
        return bool(self.files or self.present or self.filters or self.lacking)


def choose(files: Sequence[RuleText], choice: Choice, there: Mapping[str, str]) -> Chosen:
    """The files that hold a rule which is wanted. A correlation brings the rules that it names along.

    `there`: the ids and names of rules that are here already, and in which files.
    """
    tree = _Tree(files, there)
    wanted: dict[str, RuleText] = {}
    lacking, filters = [], []
    for file in files:
        fitting = [one for one in file.headings if _takes(one, choice, tree)]
        if not fitting:
            continue
        if any(one.kind is Kind.FILTER for one in file.headings):
            filters.append(file)
            continue
        below = tree.below(file)
        if below is None:
            lacking.append(file)
            continue
        wanted |= {one.path: one for one in (file, *below)}
    present, taken = [], []
    known = dict(there)
    for file in files:
        if file.path not in wanted:
            continue
        same = next((one for one in file.headings if one.id in known), None)
        if same is not None:
            present.append((file, same, known[same.id]))
            continue
        known |= {one.id: file.path for one in file.headings}
        taken.append(file)
    return Chosen(tuple(taken), tuple(present), tuple(filters), tuple(lacking))


def _takes(one: Heading, choice: Choice, tree: "_Tree") -> bool:
    """Whether a document is wanted; of a correlation, whether all that it builds on may be."""
    if one.kind is not Kind.CORRELATION:
        return choice.takes(one)
    return choice.takes(one) and all(choice.fits(rule.logsource) for rule in tree.rules(one) if rule.logsource)


class _Tree:
    """Files of rules, whose documents name each other."""

    def __init__(self, files: Iterable[RuleText], there: Collection[str]) -> None:
        self.there = there
        self.named: dict[str, tuple[RuleText, Heading]] = {}
        for file in files:
            for one in file.headings:
                for name in filter(None, (one.id, one.name)):
                    self.named.setdefault(name, (file, one))

    def rules(self, one: Heading) -> Iterator[Heading]:
        """The rules that a correlation builds on, as far as they are found."""
        waiting, met = [one], {one.id}
        while waiting:
            above = waiting.pop()
            for name in above.rules if above.kind is Kind.CORRELATION else ():
                _, found = self.named.get(name, (None, None))
                if found is not None and found.id not in met:
                    met.add(found.id)
                    waiting.append(found)
                    yield found

    def below(self, file: RuleText) -> tuple[RuleText, ...] | None:
        """The files of all that the correlations of a file name; None where one is neither among them nor here."""
        found: dict[str, RuleText] = {}
        waiting = [file]
        while waiting:
            for one in waiting.pop().headings:
                for name in one.rules if one.kind is Kind.CORRELATION else ():
                    if name in self.named:
                        other, _ = self.named[name]
                        if other.path not in found and other.path != file.path:
                            found[other.path] = other
                            waiting.append(other)
                    elif name not in self.there:
                        return None
        return tuple(found.values())


# --- what is written -------------------------------------------------------------------------------------------------


class Fate(StrEnum):
    """What becomes of a file: it is written; written anew; it is there already as it is; or it is left alone, since
    somebody altered it, or removed it."""

    NEW = "new"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    ALTERED = "altered"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Changes:
    """What an import does: the fate of each file, by path; the bytes of those that are written; and the rule files of
    earlier imports that are not among these, and stay. `hashes`: what the record says afterwards."""

    fates: Mapping[str, Fate]
    write: Mapping[str, bytes]
    hashes: Mapping[str, str]
    others: tuple[str, ...] = ()

    def of(self, fate: Fate) -> tuple[str, ...]:
        """The files of one fate."""
        return tuple(path for path, one in self.fates.items() if one is fate)


def changes(wanted: Mapping[str, bytes], there: Mapping[str, bytes], written: Mapping[str, str]) -> Changes:
    """What has to be done for the wanted files to be there.

    `there`: what is there now, by path; `written`: the SHA-256, in hex, of what earlier imports wrote.
    """
    fates: dict[str, Fate] = {}
    hashes = dict(written)
    for path, text in wanted.items():
        now, before = there.get(path), written.get(path)
        if now is None:
            fates[path] = Fate.NEW if before is None else Fate.REMOVED
        elif now == text:
            fates[path] = Fate.UNCHANGED
        else:
            fates[path] = Fate.UPDATED if digest(now) == before else Fate.ALTERED
        if fates[path] in (Fate.NEW, Fate.UPDATED, Fate.UNCHANGED):
            hashes[path] = digest(text)
    write = {path: wanted[path] for path, fate in fates.items() if fate in (Fate.NEW, Fate.UPDATED)}
    others = tuple(path for path in written if path.endswith(RULE_FILES) and path not in wanted and path in there)
    return Changes(fates, write, hashes, others)


def digest(text: bytes) -> str:
    """The SHA-256 of a file, in hex."""
    return sha256(text).hexdigest()


def with_family(text: bytes, family: Family) -> bytes:
    """The text of a rule file with `kyber:` and the family below each document that has no such key; nothing else is
    different. Raises ValueError where that cannot be done."""
    try:
        documents = load(text, "")
    except YamlError as error:
        raise ValueError(error.reason) from None
    end = b"\r\n" if b"\r\n" in text else b"\n"
    own = b"kyber:" + end + b"  family: " + family.encode() + end
    sections = list(_sections(text))
    held = [one for one in documents if one is not None]
    if len(held) != sum(is_held for is_held, _ in sections):
        raise ValueError("its documents cannot be told apart")
    lacks = iter([isinstance(one, dict) and "kyber" not in one for one in held])
    parts = []
    for is_held, part in sections:
        parts.append(part)
        if is_held and next(lacks):
            parts += [b"" if part.endswith(b"\n") else end, own]
    made = b"".join(parts)
    wanted = [_owned(one, family) for one in documents]
    try:
        if load(made, "") == wanted:
            return made
    except YamlError:
        pass
    raise ValueError("the key kyber: cannot be written below it")


def _owned(document: Any, family: Family) -> Any:
    if not isinstance(document, dict) or "kyber" in document:
        return document
    return {**document, "kyber": {"family": str(family)}}


def _sections(text: bytes) -> Iterator[tuple[bool, bytes]]:
    """The text in parts: the lines of a document (and whether it holds anything), and the markers between them."""
    lines: list[bytes] = []
    for line in text.splitlines(keepends=True):
        if _MARKER.match(line):
            yield _holds(lines), b"".join(lines)
            yield _holds((line[3:],)), line
            lines = []
        else:
            lines.append(line)
    yield _holds(lines), b"".join(lines)


def _holds(lines: Iterable[bytes]) -> bool:
    """Whether there is anything but comments and directives in some lines."""
    return any((held := line.removeprefix(b"\xef\xbb\xbf").strip()) and held[:1] not in b"#%" for line in lines)


# --- the record ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where rules came from: the folder as it was given, the commit of its checkout, the day, and what was chosen."""

    folder: str
    commit: str = ""
    day: str = ""
    choice: str = ""
    licences: tuple[str, ...] = ()


def record(origin: Origin, hashes: Mapping[str, str]) -> bytes:
    """The record of an import, as text."""
    told = {
        "from": origin.folder,
        "commit": origin.commit or "not known: it is no checkout of git",
        "date": origin.day,
        "chosen by": origin.choice or "everything",
        "licence": ", ".join(origin.licences) or "no file of a licence was found there",
    }
    lines = [*_KEPT, *(f"# {name}: {' '.join(value.split())}" for name, value in told.items())]
    lines += [f"{digest}  {path}" for path, digest in sorted(hashes.items())]
    return ("\n".join(lines) + "\n").encode(errors="replace")


def recorded(text: bytes) -> dict[str, str]:
    """The SHA-256 of each file, by path, as a record has it; what does not read so is passed over.

    A line ends where sha256sum ends it; other signs that end lines elsewhere may stand in a name, and forge none.
    """
    lines = (line.removesuffix("\r") for line in text.decode(errors="replace").split("\n"))
    return {one[2]: one[1] for line in lines if (one := _NAMED.fullmatch(line)) and _is_below(one[2])}


def is_plain(name: str) -> bool:
    """Whether a path can stand in a record, and before the eyes of a person, as it is."""
    return "\\" not in name and name.isprintable()


def _is_below(path: str) -> bool:
    return is_plain(path) and not path.startswith("/") and ".." not in path.split("/")
