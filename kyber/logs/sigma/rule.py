"""Sigma rule files -> frozen rules, with a Problem (file and line) for each that cannot be read.

kyber reads rules itself, with its own YAML places: a broken file must be named by line, and every deviation from the
specification would become a wrong answer that looks like silence.
"""

import json
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from kyber.finding import Family, RuleRef
from kyber.level import Level
from kyber.logs.batch import LogSource
from kyber.logs.sigma.correlation import Correlation, read_correlation, resolved
from kyber.logs.sigma.detection import DetectionError, detection
from kyber.logs.sigma.filters import Filter, check_filters, read_filter
from kyber.logs.sigma.modifier import Placeholders
from kyber.logs.sigma.predicate import Feature, Node
from kyber.problem import Place, Problem, Severity
from kyber.yamltext import YamlError, line_of, load

MAX_FILE = 2**20


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
    """What rule files held: rules to run, rules that cannot run, what is wrong in the files, and filters in force.

    `correlations`: each comes after those that it builds on.
    """

    rules: Sequence[Rule]
    unable: tuple[Unable, ...]
    problems: tuple[Problem, ...]
    filters: tuple[Filter, ...] = ()
    correlations: tuple[Correlation, ...] = ()

    @property
    def refs(self) -> tuple[RuleRef, ...]:
        """What every rule and correlation is called, those that cannot run among them."""
        return tuple(one.ref for group in (self.rules, self.unable, self.correlations) for one in group)


Document = Rule | Unable | Filter | Correlation
"""What one document of a rule file may be."""


class RuleError(Exception):
    """A rule cannot be used: an R-code, its facts, and where in the document."""

    def __init__(self, code: str, *path: str | int, **facts: object) -> None:
        super().__init__(code)
        self.code, self.path, self.facts = code, path, facts


@dataclass(frozen=True, slots=True)
class RuleFile:
    """A file that was found under one of the given paths: what it holds, or why it cannot be read."""

    under: str
    file: str
    text: bytes = b""
    problem: Problem | None = None


def rule_files(paths: Iterable[str]) -> tuple[list[Path], list[Problem]]:
    """The rule files that paths mean: files, and folders with every .yml and .yaml below them, sorted."""
    files: dict[Path, None] = {}
    problems = []
    for given in paths:
        found, missing = _below(given)
        files |= dict.fromkeys(found)
        problems += missing
    return list(files), problems


def rule_texts(paths: Iterable[str]) -> Iterator[RuleFile]:
    """Every rule file below each of the paths, as it is now; and each path that does not exist."""
    for given in paths:
        files, missing = _below(given)
        for problem in missing:
            yield RuleFile(given, given, problem=problem)
        for file in files:
            yield rule_text(given, file)


def _below(given: str) -> tuple[list[Path], list[Problem]]:
    path = Path(given)
    if path.is_dir():
        found = []
        for where, folders, names in os.walk(path):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(names):
                if name.endswith((".yml", ".yaml")) and not name.startswith(".") and ".tests." not in name:
                    found.append(Path(where, name))
        return found, []
    if path.is_file():
        return [path], []
    return [], [Problem(Place(given), "R13", {"why": "no such file or folder"})]


def rule_text(under: str, path: Path) -> RuleFile:
    """One rule file, as it is now."""
    file = str(path)
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            return RuleFile(under, file, problem=Problem(Place(file), "R13", {"why": "not a regular file"}))
        if found.st_size > MAX_FILE:
            return RuleFile(under, file, problem=Problem(Place(file), "R10", {"limit": MAX_FILE}))
        return RuleFile(under, file, path.read_bytes())
    except OSError as error:
        return RuleFile(under, file, problem=Problem(Place(file), "R13", {"why": error.strerror or str(error)}))


def read_rules(paths: Iterable[str], placeholders: Placeholders, today: date | None = None) -> RuleSet:
    """Every rule below the paths, and the filters in force `today`. What is broken is a Problem, the others are read.

    Of two rules with one id the first is taken, and the other is a Problem: a note where it came by a later path.
    Without `today`, no filter has expired.
    """
    return checked(read_all(rule_texts(paths), placeholders), today)


def read_all(files: Iterable[RuleFile], placeholders: Placeholders) -> RuleSet:
    """What the files hold, every filter too; nothing is looked at yet that several documents say together."""
    rules: list[Rule] = []
    unable: list[Unable] = []
    filters: list[Filter] = []
    correlations: list[Correlation] = []
    problems: list[Problem] = []
    seen: dict[str, tuple[str, RuleRef]] = {}
    for file in files:
        for rule in _in_file(file, placeholders, problems):
            where, first = seen.setdefault(rule.ref.id, (file.under, rule.ref))
            if first is rule.ref:
                if isinstance(rule, Filter):
                    filters.append(rule)
                elif isinstance(rule, Correlation):
                    correlations.append(rule)
                else:
                    (rules if isinstance(rule, Rule) else unable).append(rule)  # type: ignore[arg-type]
            elif first.hash != rule.ref.hash:
                facts = {"id": rule.ref.id, "first": first.path}
                # One's own rule in place of a shipped one is meant; two in the same folder are not.
                severity = Severity.WARNING if where == file.under else Severity.NOTE
                problems.append(Problem(Place(file.file), "R09", facts, severity))
    return RuleSet(tuple(rules), tuple(unable), tuple(problems), tuple(filters), tuple(correlations))


def checked(found: RuleSet, today: date | None = None) -> RuleSet:
    """The filters in force `today` and the correlations whose rules are found, with what is wrong between the
    documents of the set as Problems."""
    if not found.filters and not found.correlations:
        return found
    known = [*((one.ref, one.logsource) for one in found.rules), *((one.ref, None) for one in found.unable)]
    above = [one.ref for one in found.correlations]
    correlations, blinded, broken = resolved(found.correlations, found.rules, found.unable)
    unable = (Unable(one.correlation.ref, one.correlation.level, one.reason, one.facts) for one in blinded)
    return replace(
        found,
        unable=(*found.unable, *unable),
        problems=(*found.problems, *check_filters(found.filters, known, above, today), *broken),
        filters=tuple(one for one in found.filters if one.in_force(today)),
        correlations=correlations,
    )


def _in_file(file: RuleFile, placeholders: Placeholders, problems: list[Problem]) -> Iterator[Document]:
    if file.problem is not None:
        problems.append(file.problem)
        return
    try:
        documents = load(file.text, file.file)
    except YamlError as error:
        problems.append(Problem(error.place, "R01", {"why": error.reason}))
        return
    for document in documents:
        if document is None:
            continue
        try:
            yield read_rule(document, file.file, placeholders, problems)
        except RuleError as error:
            place = Place(file.file, line_of(document, error.path, 1))
            problems.append(Problem(place, error.code, error.facts))


def read_rule(document: Any, file: str, placeholders: Placeholders, problems: list[Problem]) -> Document:
    """One document of a rule file. Raises RuleError; what is only doubtful goes to `problems`."""
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
    if "filter" in document:
        try:
            return read_filter(document, ref, place, _logsource(document), placeholders)
        except Feature as missing:
            raise RuleError("R35", "filter", name=missing.facts["name"]) from None
        except DetectionError as error:
            raise RuleError(error.code, *error.path, **error.facts) from None
    own = _mapping(document.get("kyber"))
    family = Family.SECURITY
    if "family" in own:
        try:
            family = Family(str(own["family"]))
        except ValueError:
            doubt("R17", "kyber", "family", family=own["family"])
    about: dict[str, Any] = {
        "ref": ref,
        "place": place,
        "level": level,
        "family": family,
        "tags": _strings(document.get("tags")),
        "description": str(document.get("description") or "").strip(),
        "false_positives": _strings(document.get("falsepositives")),
        "references": _strings(document.get("references")),
        "next": _texts(own.get("next")),
    }
    try:
        if "correlation" in document:
            return read_correlation(document, **about)
        return Rule(logsource=_logsource(document), condition=detection(document, placeholders), **about)
    except Feature as missing:
        return Unable(ref, level, missing.reason, missing.facts)
    except DetectionError as error:
        raise RuleError(error.code, *error.path, **error.facts) from None


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
    named = {key: value for key in LogSource.__slots__ if (value := given.get(key)) is not None}
    for key, value in named.items():
        if not isinstance(value, str):
            raise RuleError("R03", "logsource", key, field=f"logsource.{key}")
    return LogSource(**{key: value.lower() for key, value in named.items()})
