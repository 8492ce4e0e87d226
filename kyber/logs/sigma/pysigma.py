"""What pySigma, where it is installed, makes of rules: its validators' opinions, and queries in other languages.

The only module that knows pySigma. It is given documents that kyber has read, since its own loader takes several times
as long; and nothing here lets it ask the network or read other files.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from importlib.util import find_spec
from json import dumps
from typing import TYPE_CHECKING, Any, Final

from kyber.errors import UsageError
from kyber.logs.sigma.filters import negated
from kyber.logs.sigma.written import Item, Path, Written
from kyber.problem import Place, Problem, Severity

if TYPE_CHECKING:
    from sigma.plugins import InstalledSigmaPlugins

EXTRA: Final = "sigma"
NETWORK: Final = frozenset(("ATTACKTagValidator", "D3FENDTagValidator"))
"""Validators that fetch their lists from the network when they are first asked."""
SAID: Final[Mapping[str, str]] = {
    "DanglingDetectionIssue": "R72",
    "DanglingConditionIssue": "R04",
    "IdentifierExistenceIssue": "R14",
    "IdentifierCollisionIssue": "R09",
    "InvalidTagFormatIssue": "R64",
    "AllWithoutContainsModifierIssue": "R55",
    "Base64OffsetWithoutContainsModifierIssue": "R54",
    "ModifierAppliedMultipleIssue": "R53",
    "CustomAttributesIssue": "R50",
}
"""Issues that kyber tells of itself, and with which code."""
MAX_SHOWN: Final = 160


def is_installed() -> bool:
    """Whether pySigma can be asked at all."""
    return find_spec("sigma") is not None and find_spec("sigma.collection") is not None


def _missing(what: str) -> UsageError:
    return UsageError(f"{what} takes pySigma, which is not installed\nInstall it with: pip install 'kyber[{EXTRA}]'")


# --- validators ------------------------------------------------------------------------------------------------------


def issues(documents: Iterable[Written]) -> Iterator[Problem]:
    """R57: what pySigma's validators say of rules and correlations, and kyber does not. Raises UsageError."""
    if not is_installed():
        raise _missing("--validators pysigma")
    from sigma.validation import SigmaValidator
    from sigma.validators.core import validators

    validator = SigmaValidator(one for one in validators.values() if one.__name__ not in NETWORK)
    asked: dict[int, tuple[Any, Written]] = {}
    found = []
    for one in documents:
        if "filter" in one.document:
            continue
        try:
            rule = _rule(one)
            asked[id(rule)] = rule, one
            if rule.errors:
                raise rule.errors[0]
            found += validator.validate_rule(rule)
        except Exception as error:  # whatever it stumbles over in a rule, the others are asked
            yield _said(one.place("title"), type(error).__name__, str(error), Severity.NOTE)
    found += validator.finalize()
    for issue in found:
        if type(issue).__name__ in SAID:
            continue
        severity = Severity.WARNING if issue.severity.name == "HIGH" else Severity.NOTE
        for rule in issue.rules[1:] or issue.rules:
            one = asked[id(rule)][1]
            yield _said(_place(one, issue), type(issue).__name__, _text(issue), severity)


def _said(place: Place, name: str, text: str, severity: Severity) -> Problem:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", re.sub(r"(Issue|Error)$", "", name)).lower()
    plain = " ".join(text.split()).rstrip(".")
    shown = plain if len(plain) <= MAX_SHOWN else plain[: MAX_SHOWN - 1] + "…"
    return Problem(place, "R57", {"check": words, "text": shown}, severity)


def _rule(one: Written) -> Any:
    from sigma.correlations import SigmaCorrelationRule
    from sigma.rule import SigmaRule

    kind = SigmaCorrelationRule if "correlation" in one.document else SigmaRule
    return kind.from_dict(dict(one.document), collect_errors=True)


def _facts(issue: Any) -> Mapping[str, Any]:
    """What an issue tells beside its description, by name."""
    return {one.name: value for one in fields(issue) if one.name != "rules" and (value := getattr(issue, one.name))}


def _text(issue: Any) -> str:
    """The description, and the value that it is about."""
    told = [str(value) for name, value in _facts(issue).items() if name != "detection_item" and isinstance(value, str)]
    told += [str(value) for name, value in _facts(issue).items() if name in ("tag", "string")]
    return f"{issue.description} ({', '.join(told)})" if told else str(issue.description)


def _place(one: Written, issue: Any) -> Place:
    """The line that an issue is about, as far as it tells; else the title's."""
    facts = _facts(issue)
    if "tag" in facts:
        return one.place(*_listed(one, "tags", str(facts["tag"])))
    if "reference" in facts:
        return one.place(*_listed(one, "references", str(facts["reference"])))
    if "fieldname" in facts:
        name = str(facts["fieldname"])
        return one.place("logsource", name) if name in (one.document.get("logsource") or {}) else one.place(name)
    if (item := facts.get("detection_item")) is not None:
        return one.place(*next((found.path for found in one.items() if _is_about(found, item)), ("detection",)))
    if "string" in facts:
        wanted = str(facts["string"])
        return one.place(*next((path for path, value in _values(one) if value == wanted), ("detection",)))
    if "Condition" in type(issue).__name__:
        return one.place("detection", "condition")
    return one.place("title")


def _listed(one: Written, key: str, value: str) -> Path:
    """The path of the last of a list's values that is the one meant."""
    given = one.document.get(key)
    at = [index for index, found in enumerate(given or ()) if str(found) == value]
    return (key, at[-1]) if at else (key,)


def _is_about(found: Item, item: Any) -> bool:
    given = item.original_value
    values = [str(value) for value in (given if isinstance(given, list) else [given])]
    return found.field == (item.field or "") and [str(value) for value in found.values] == values


def _values(one: Written) -> Iterator[tuple[Path, str]]:
    for item in one.items():
        for index, value in enumerate(item.values):
            yield item.path_of(index), str(value)


# --- conversion ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Converted:
    """A rule and the queries that it became."""

    rule: Written
    queries: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Conversion:
    """The rules that could be converted, the text that they make together, and what could not be converted."""

    converted: tuple[Converted, ...]
    text: str
    problems: tuple[Problem, ...]


@cache
def _plugins() -> "InstalledSigmaPlugins":
    if not is_installed():
        raise _missing("kyber rules convert")
    import warnings

    from sigma.plugins import InstalledSigmaPlugins

    with warnings.catch_warnings():  # two backends of one name: the first is taken
        warnings.simplefilter("ignore")
        return InstalledSigmaPlugins.autodiscover(include_validators=False)


def targets() -> Mapping[str, str]:
    """The languages that installed backends write, and what they are called. Raises UsageError without pySigma."""
    found = {
        name: getattr(backend, "name", name)
        for name, backend in _plugins().backends.items()
        if not backend.__module__.startswith("sigma.backends.test")
    }
    return dict(sorted(found.items()))


def pipelines(target: str) -> tuple[str, ...]:
    """The installed pipelines, by name, that are made for a language or for its whole family, or for all."""
    backend = _backend(target)
    found = []
    for name in sorted(_plugins().pipelines):
        if name.startswith(("test_", "dummy_")):
            continue
        allowed = frozenset(_pipeline(name).allowed_backends)
        if not allowed or allowed & {target, *backend.__module__.split(".")[2:3]}:
            found.append(name)
    return tuple(found)


def forms(target: str) -> Mapping[str, str]:
    """The forms of output that a language has, and what they are."""
    return dict(_backend(target).formats)


def _backend(target: str) -> Any:
    if target not in targets():
        there = ", ".join(targets()) or "none"
        raise UsageError(
            f"no backend for '{target}' is installed; there are: {there}\n"
            f"pip install 'kyber[{EXTRA}]' brings Elasticsearch's; others are packages called pysigma-backend-NAME"
        )
    return _plugins().backends[target]


def _pipeline(name: str) -> Any:
    made = _plugins().pipelines[name]
    return made() if callable(made) else made


def convert(documents: Sequence[Written], target: str, chosen: Sequence[str], form: str) -> Conversion:
    """The documents as queries of another language, filters applied to their rules as kyber reads them.

    `chosen` names pipelines; none is a choice too. Raises UsageError for what is not installed.
    """
    from sigma.processing.resolver import ProcessingPipelineResolver

    kind = _backend(target)
    if unknown := [name for name in chosen if name not in pipelines(target)]:
        raise UsageError(
            f"no pipeline '{unknown[0]}' for {target} is installed; there are: {', '.join(pipelines(target)) or 'none'}"
        )
    if form not in forms(target):
        raise UsageError(f"{target} has no form '{form}'; there are: {', '.join(forms(target))}")
    resolver = ProcessingPipelineResolver({name: _pipeline(name) for name in chosen})
    backend = kind(processing_pipeline=resolver.resolve(list(chosen)))
    problems: list[Problem] = []
    converted = []
    for rule, one in _read(documents, target, problems):
        try:
            convert_one = backend.convert_rule if "detection" in one.document else backend.convert_correlation_rule
            converted.append(Converted(one, tuple(convert_one(rule, form))))
        except Exception as error:
            problems.append(_unconverted(one, target, error))
    queries = [query for one in converted for query in one.queries]
    return Conversion(tuple(converted), _written(backend.finalize(queries, form)) if queries else "", tuple(problems))


def _read(documents: Sequence[Written], target: str, problems: list[Problem]) -> Iterator[tuple[Any, Written]]:
    """Rules and correlations as pySigma has them, each after those that it is about, with filters applied."""
    from sigma.collection import SigmaCollection
    from sigma.filters import SigmaFilter

    read: list[tuple[Any, Written]] = []
    filters: list[Any] = []
    for one in documents:
        try:
            if "filter" in one.document:
                filters.append(SigmaFilter.from_dict(_suppressing(one.document)))
                continue
            rule = _rule(one)
        except Exception as error:
            problems.append(_unconverted(one, target, error))
            continue
        if rule.errors:
            problems.append(_unconverted(one, target, rule.errors[0]))
        else:
            read.append((rule, one))
    read = [(_apply(filters, rule) if "detection" in one.document else rule, one) for rule, one in read]
    together = SigmaCollection([rule for rule, _ in read], resolve_references=False)
    for rule, one in _in_order(read):
        if "correlation" in one.document:
            try:
                rule.resolve_rule_references(together)
            except Exception as error:
                problems.append(_unconverted(one, target, error))
                continue
        yield rule, one


def _apply(filters: Sequence[Any], rule: Any) -> Any:
    for one in filters:
        rule = one.apply_on_rule(rule)
    return rule


def _suppressing(document: Mapping[str, Any]) -> dict[str, Any]:
    """A filter as pySigma reads it, which joins its condition to a rule's by `and`: kyber's is what is taken out."""
    given = document.get("filter")
    if not isinstance(given, dict) or "condition" not in given or negated(given):
        return dict(document)
    written = given["condition"]
    whole = " or ".join(f"({one})" for one in (written if isinstance(written, list) else [written]))
    return {**document, "filter": {**given, "condition": f"not ({whole})"}}


def _in_order(read: Sequence[tuple[Any, Written]]) -> Iterator[tuple[Any, Written]]:
    """Each correlation after the rules and correlations that it is about; those about each other come last."""
    waiting = list(read)
    while waiting:
        open_names = {name for _, one in waiting for key in ("id", "name") if (name := one.document.get(key))}
        ready = [pair for pair in waiting if not open_names & _about(pair[1])] or waiting
        yield from ready
        waiting = [pair for pair in waiting if not any(pair is one for one in ready)]


def _about(one: Written) -> frozenset[str]:
    given = one.document.get("correlation")
    named = given.get("rules") if isinstance(given, dict) else None
    return frozenset(str(name) for name in (named if isinstance(named, list) else [named]) if name is not None)


def _unconverted(one: Written, target: str, error: Exception) -> Problem:
    why = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return Problem(one.place("title"), "R80", {"to": target, "why": why})


def _written(output: Any) -> str:
    """What a backend makes of all queries together, as text that ends with a line end."""
    if isinstance(output, bytes):
        return output.decode()
    parts = output if isinstance(output, list | tuple) else [output]
    texts = [one if isinstance(one, str) else dumps(one, ensure_ascii=False) for one in parts]
    return "".join(f"{text.rstrip()}\n" for text in texts)
