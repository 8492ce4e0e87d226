"""Sigma rule files -> frozen rules, with a Problem (file and line) for each that cannot be read.

kyber reads rules itself, with its own YAML places: a broken file must be named by line, and every deviation from the
specification would become a wrong answer that looks like silence.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from kyber.finding import Family, RuleRef
from kyber.level import Level
from kyber.logs.batch import LogSource
from kyber.logs.sigma.detection import DetectionError, detection
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
    """Every rule below the paths. What is broken is a Problem and the others are read.

    Of two rules with one id the first is taken, and the other is a Problem: a note where it came by a later path.
    """
    rules: list[Rule] = []
    unable: list[Unable] = []
    problems: list[Problem] = []
    seen: dict[str, tuple[str, RuleRef]] = {}
    for path in paths:
        files, missing = rule_files([path])
        problems += missing
        for file in files:
            for rule in _in_file(file, placeholders, problems):
                where, first = seen.setdefault(rule.ref.id, (path, rule.ref))
                if first is rule.ref:
                    (rules if isinstance(rule, Rule) else unable).append(rule)  # type: ignore[arg-type]
                elif first.hash != rule.ref.hash:
                    facts = {"id": rule.ref.id, "first": first.path}
                    # One's own rule in place of a shipped one is meant; two in the same folder are not.
                    severity = Severity.WARNING if where == path else Severity.NOTE
                    problems.append(Problem(Place(str(file)), "R09", facts, severity))
    return RuleSet(tuple(rules), tuple(unable), tuple(problems))


def _in_file(file: Path, placeholders: Placeholders, problems: list[Problem]) -> Iterator[Rule | Unable]:
    try:
        if not file.is_file():
            problems.append(Problem(Place(str(file)), "R13", {"why": "not a regular file"}))
            return
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
        condition = detection(document, placeholders)
    except Feature as missing:
        return Unable(ref, level, missing.reason, missing.facts)
    except DetectionError as error:
        raise RuleError(error.code, *error.path, **error.facts) from None
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
    named = {key: value for key in LogSource.__slots__ if (value := given.get(key)) is not None}
    for key, value in named.items():
        if not isinstance(value, str):
            raise RuleError("R03", "logsource", key, field=f"logsource.{key}")
    return LogSource(**{key: value.lower() for key, value in named.items()})
