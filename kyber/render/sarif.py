"""A ScanResult in, a SARIF log out: one run, the rules that found something, and one result a finding.

Source of the properties: SARIF 2.1.0 (OASIS, Static Analysis Results Interchange Format). The texts must be masked
before they come here; `findings` does that.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Final
from urllib.parse import quote

from kyber.finding import Finding, Hidden, Judgement, ScanResult, Status
from kyber.level import Level
from kyber.problem import Problem
from kyber.render.rows import SEVERITY, message
from kyber.render.safe import json_line, link
from kyber.render.summary import filter_told
from kyber.render.times import iso
from kyber.text import Words

VERSION: Final = "2.1.0"
SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
FINGERPRINT: Final = "kyberFindingId/v1"
PROBLEM_FINGERPRINT: Final = "kyberProblem/v1"
LEVELS: Final = {
    Level.INFORMATIONAL: "note",
    Level.LOW: "note",
    Level.MEDIUM: "warning",
    Level.HIGH: "error",
    Level.CRITICAL: "error",
}
"""Sigma's levels in the words of SARIF."""

_SUPPRESSIONS: Final = {
    Status.ACKNOWLEDGED: "underReview",
    Status.CLOSED: "accepted",
    Status.FALSE_POSITIVE: "accepted",
}


def log(result: ScanResult, words: Words) -> str:
    """One SARIF log, on one line. What people decided about a finding, where known, suppresses it."""
    rules = {finding.rule.id: finding for finding in result.findings}
    numbers = {rule: index for index, rule in enumerate(rules)}
    filters = [_filter(one, words) for one in result.hidden]
    run = {
        "tool": {"driver": {"name": "kyber", "rules": [_rule(one, words) for one in rules.values()]}},
        "invocations": [
            {
                "executionSuccessful": True,
                "startTimeUtc": iso(result.started),
                **({"toolExecutionNotifications": filters} if filters else {}),
            }
        ],
        "columnKind": "unicodeCodePoints",
        "results": [
            _result(one, numbers[one.rule.id], result.judged.get(one.id), words) for one in result.findings
        ],
    }  # fmt: skip
    return json_line({"$schema": SCHEMA, "version": VERSION, "runs": [run]}) + "\n"


def _rule(finding: Finding, words: Words) -> Mapping[str, Any]:
    """A rule, as one of its findings tells of it."""
    rule = finding.rule
    title = rule.title_in(words.language)
    advice = " ".join(finding.next.get(words.language, "").split())
    others = [f"{words('findings.page.false-positives')}: {text}" for text in finding.false_positives]
    help_text = "\n".join(part for part in (advice, *others, *finding.references) if part)
    return {
        "id": rule.id,
        **({"name": rule.name} if rule.name else {}),
        "shortDescription": {"text": _text(title)},
        "fullDescription": {"text": _text(" ".join(finding.description.split()) or title)},
        "help": {"text": _text(help_text or title)},
        **({"helpUri": uri} if (uri := next(filter(None, map(link, finding.references)), None)) else {}),
        "defaultConfiguration": {"level": LEVELS[finding.level]},
        "properties": {
            "tags": list(dict.fromkeys((str(finding.family), *finding.tags))),
            "security-severity": f"{SEVERITY[finding.level] / 10:.1f}",
            "kyber/level": str(finding.level),
            "kyber/hash": rule.hash,
            "kyber/path": rule.path,
        },
    }


def _result(finding: Finding, rule: int, judged: Judgement | None, words: Words) -> Mapping[str, Any]:
    host = finding.group.get("host.name")
    sample = finding.sample
    place = {
        "physicalLocation": {
            "artifactLocation": {"uri": _uri(sample.file)},
            "region": {"startLine": max(1, sample.record)},
        },
        **({"logicalLocations": [{"name": host, "kind": "host"}]} if host else {}),
    }
    return {
        "ruleId": finding.rule.id,
        "ruleIndex": rule,
        "level": LEVELS[finding.level],
        "rank": float(SEVERITY[finding.level]),
        "message": {"text": _text(f"{message(finding)} ({words.many('findings.events', finding.count)})")},
        "locations": [place] if sample.file else [],
        "occurrenceCount": finding.count,
        "partialFingerprints": {FINGERPRINT: finding.id},
        **({"suppressions": [_suppression(judged)]} if judged and judged.status in _SUPPRESSIONS else {}),
        "properties": {
            "kyber/family": str(finding.family),
            "kyber/first": iso(finding.first),
            "kyber/last": iso(finding.last),
            "kyber/group": dict(finding.group),
            "kyber/evidence": [f"{one.field}={one.value}" for one in finding.evidence],
            **({"kyber/sources": list(finding.sources)} if finding.sources else {}),
            **({"kyber/status": judged.status.value} if judged else {}),
        },
    }


def _filter(hidden: Hidden, words: Words) -> Mapping[str, Any]:
    """What a filter hid, as a note of the run: what it hid is no result, and a suppression would need one."""
    one = hidden.filter
    return {
        "descriptor": {"id": one.id},
        "level": "note",
        "message": {"text": _text(f"{one.title_in(words.language)}: {filter_told(hidden, words)}")},
        "properties": {
            "kyber/hidden": hidden.count,
            "kyber/owner": hidden.owner,
            "kyber/expires": hidden.expires.isoformat() if hidden.expires else None,
            "kyber/rules": dict(hidden.rules),
            "kyber/path": one.path,
        },
    }


def _suppression(judged: Judgement) -> Mapping[str, Any]:
    return {
        "kind": "external",
        "status": _SUPPRESSIONS[judged.status],
        "justification": judged.why or judged.status.value,
    }


def _text(text: str) -> str:
    """A plain text as a message: brackets would make a link of it, and braces a place for an argument."""
    for sign, written in (("[", "\\["), ("]", "\\]"), ("{", "{{"), ("}", "}}")):
        text = text.replace(sign, written)
    return text


def _uri(file: str) -> str:
    """A path as a reference that no reader takes for anything else; an absolute one as a file URI."""
    path = quote(file, errors="surrogatepass")
    return f"file://{path}" if file.startswith("/") else path


# --- problems --------------------------------------------------------------------------------------------------------


def problem_log(problems: Sequence[Problem], words: Words) -> str:
    """One SARIF log, on one line, of what is to be mended in files: one result a problem, one rule a code."""
    codes = {problem.code: problem for problem in reversed(problems)}
    numbers = {code: index for index, code in enumerate(sorted(codes))}
    run = {
        "tool": {"driver": {"name": "kyber", "rules": [_code(codes[code], words) for code in numbers]}},
        "columnKind": "unicodeCodePoints",
        "results": [_problem(one, numbers[one.code], words) for one in problems],
    }
    return json_line({"$schema": SCHEMA, "version": VERSION, "runs": [run]}) + "\n"


def _code(problem: Problem, words: Words) -> Mapping[str, Any]:
    """A code, as one of its problems tells of it."""
    message, cure = words.problem(problem)
    return {
        "id": problem.code,
        "shortDescription": {"text": _text(message)},
        "help": {"text": _text(cure)},
        "defaultConfiguration": {"level": problem.severity.value},
    }


def _problem(problem: Problem, code: int, words: Words) -> Mapping[str, Any]:
    message, cure = words.problem(problem)
    facts = "\0".join((problem.place.file, problem.code, message))
    return {
        "ruleId": problem.code,
        "ruleIndex": code,
        "level": problem.severity.value,
        "message": {"text": _text(f"{message} {cure}")},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": _uri(problem.place.file)},
                    "region": {"startLine": max(1, problem.place.line)},
                }
            }
        ],
        "partialFingerprints": {PROBLEM_FINGERPRINT: sha256(facts.encode("utf-8", "surrogatepass")).hexdigest()[:32]},
    }
