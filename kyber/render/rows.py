"""A ScanResult in, one record a finding out, for other programs: JSON lines, CSV, ECS documents, events of a timeline.

The texts must be masked before they come here; `findings` does that.
"""

import csv
import io
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any, Final

from kyber.finding import Evidence, Family, Finding, Hidden, Judgement, ScanResult, Touched
from kyber.level import Level
from kyber.render.near import as_record, window_record
from kyber.render.safe import cell, json_line
from kyber.render.times import iso
from kyber.text import Words

ECS_VERSION: Final = "8.17.0"
SEVERITY: Final = {
    Level.INFORMATIONAL: 1,
    Level.LOW: 21,
    Level.MEDIUM: 47,
    Level.HIGH: 73,
    Level.CRITICAL: 99,
}
"""A level as a number from 1 to 99, on the scale that Elastic's detection rules use for risk scores."""

TACTICS: Final = {
    "reconnaissance": ("TA0043", "Reconnaissance"),
    "resource-development": ("TA0042", "Resource Development"),
    "initial-access": ("TA0001", "Initial Access"),
    "execution": ("TA0002", "Execution"),
    "persistence": ("TA0003", "Persistence"),
    "privilege-escalation": ("TA0004", "Privilege Escalation"),
    "stealth": ("TA0005", "Stealth"),
    "defense-evasion": ("TA0005", "Defense Evasion"),
    "defense-impairment": ("TA0112", "Defense Impairment"),
    "credential-access": ("TA0006", "Credential Access"),
    "discovery": ("TA0007", "Discovery"),
    "lateral-movement": ("TA0008", "Lateral Movement"),
    "collection": ("TA0009", "Collection"),
    "command-and-control": ("TA0011", "Command and Control"),
    "exfiltration": ("TA0010", "Exfiltration"),
    "impact": ("TA0040", "Impact"),
}
"""The tactics of MITRE ATT&CK Enterprise by their Sigma tag. Version 19 renamed Defense Evasion to Stealth and split
Defense Impairment from it; rules tagged before that keep the old name."""

COLUMNS: Final = (
    "@timestamp",
    "event.start",
    "event.end",
    "kyber.level",
    "event.severity",
    "kyber.family",
    "rule.name",
    "host.name",
    "user.name",
    "source.ip",
    "kyber.group",
    "kyber.count",
    "threat.tactic.name",
    "threat.technique.id",
    "kyber.evidence",
    "log.file.path",
    "kyber.sample.record",
    "rule.id",
    "kyber.rule.path",
    "kyber.rule.hash",
    "kyber.tags",
    "event.id",
    "kyber.sources",
    "kyber.facts",
    "kyber.status",
)
"""The header of the CSV form."""

_TECHNIQUE: Final = re.compile(r"attack\.(t[0-9]{4})(\.[0-9]{3})?", re.IGNORECASE)
_PLACES: Final = ("host.name", "user.name", "source.ip")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_CATEGORIES: Final = {Family.SECURITY: ["intrusion_detection"]}


def jsonl(result: ScanResult, words: Words) -> str:
    """One JSON object a line and a finding, with everything that is known of it; then one a filter and what it hid,
    and one a near miss, where they were asked for."""
    found = (
        record(finding, result.judged.get(finding.id), result.touched.get(finding.id)) for finding in result.findings
    )
    missed = ({"near_miss": as_record(one)} for one in result.near or ())
    windows = ({"near_window": window_record(one)} for one in result.near_windows)
    return _lines((*found, *map(_hidden, result.hidden), *windows, *missed))


def csv_rows(result: ScanResult, words: Words) -> str:
    """A header and one row a finding, with commas; what a spreadsheet could take for a formula begins with `'`."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(COLUMNS)
    for finding in result.findings:
        row = _row(finding, result)
        writer.writerow([cell(row[column]) for column in COLUMNS])
    return out.getvalue()


def ecs(result: ScanResult, words: Words) -> str:
    """One Elastic Common Schema document (event.kind: alert) a line and a finding.

    A finding without a time is stamped with the scan's. What ECS has no field for is under `kyber`; fields with names
    of their own (group, sample) are lists of field and value there, so that an index does not grow with the logs.
    Source of the fields: the ECS reference, version ECS_VERSION.
    """
    return _lines(_document(finding, result) for finding in result.findings)


def timesketch(result: ScanResult, words: Words) -> str:
    """One event of a Timesketch timeline a line and a finding, at the finding's first event.

    A finding without a time is stamped with the scan's, and says so. `timestamp` is in microseconds since 1970.
    Source of the fields: Timesketch's guide to importing JSON lines (message, datetime and timestamp_desc are needed).
    """
    return _lines(_event(finding, result) for finding in result.findings)


def tactics(tags: Iterable[str]) -> list[tuple[str, str]]:
    """Number and name of each ATT&CK tactic among a rule's tags; unknown ones are left out."""
    named = (tag.lower().removeprefix("attack.").replace("_", "-") for tag in tags if tag.lower().startswith("attack."))
    return [TACTICS[name] for name in dict.fromkeys(named) if name in TACTICS]


def techniques(tags: Iterable[str]) -> list[str]:
    """Each ATT&CK technique and sub-technique among a rule's tags, e.g. T1059 or T1059.001."""
    found = (_TECHNIQUE.fullmatch(tag) for tag in tags)
    return list(dict.fromkeys(match[0][7:].upper() for match in found if match))


def _lines(records: Iterable[Mapping[str, Any]]) -> str:
    return "".join(json_line(record) + "\n" for record in records)


def record(finding: Finding, judged: Judgement | None = None, touched: Touched | None = None) -> dict[str, Any]:
    """Everything that is known of a finding; `sources`, `judged` and `touched` only where there are any."""
    return {
        "id": finding.id,
        "rule": {
            "id": finding.rule.id,
            "name": finding.rule.name,
            "title": finding.rule.title,
            "hash": finding.rule.hash,
            "path": finding.rule.path,
        },
        "family": str(finding.family),
        "level": str(finding.level),
        "tags": list(finding.tags),
        "count": finding.count,
        "first": iso(finding.first),
        "last": iso(finding.last),
        "group": dict(finding.group),
        "evidence": [_evidence(evidence) for evidence in finding.evidence],
        "sample": {
            "event_id": finding.sample.event_id,
            "file": finding.sample.file,
            "record": finding.sample.record,
            "time": iso(finding.sample.time),
            "fields": dict(finding.sample.fields),
        },
        "description": finding.description,
        "false_positives": list(finding.false_positives),
        "references": list(finding.references),
        "next": dict(finding.next),
        **({"sources": list(finding.sources)} if finding.sources else {}),
        **({"facts": dict(finding.facts)} if finding.facts else {}),
        **({"judged": _judgement(judged)} if judged else {}),
        **({"touched": _touched(touched)} if touched and (touched.services or touched.risks) else {}),
    }


def _touched(touched: Touched) -> dict[str, Any]:
    return {
        "services": list(touched.services),
        "resting": list(touched.resting),
        "criticality": touched.criticality,
        "patient_safety": touched.patient_safety,
        "risks": list(touched.risks),
        "plans": list(touched.plans),
    }


def _hidden(hidden: Hidden) -> dict[str, Any]:
    """What a filter took out of rules; told from a finding by its one key."""
    one = hidden.filter
    return {
        "hidden": {
            "filter": {"id": one.id, "name": one.name, "title": one.title, "hash": one.hash, "path": one.path},
            "owner": hidden.owner,
            "expires": hidden.expires.isoformat() if hidden.expires else None,
            "count": hidden.count,
            "rules": dict(hidden.rules),
        }
    }


def _judgement(judged: Judgement) -> dict[str, Any]:
    return {"status": judged.status.value, "why": judged.why, "by": judged.by, "on": iso(judged.on), **_until(judged)}


def _until(judged: Judgement) -> dict[str, str]:
    return {"until": judged.until.isoformat()} if judged.until else {}


def _evidence(evidence: Evidence) -> dict[str, str]:
    return {
        "part": evidence.part,
        "field": evidence.field,
        "column": evidence.column,
        "value": evidence.value,
        "pattern": evidence.pattern,
    }


def _row(finding: Finding, result: ScanResult) -> dict[str, str]:
    judged = result.judged.get(finding.id)
    return {
        "@timestamp": iso(finding.last) or "",
        "event.start": iso(finding.first) or "",
        "event.end": iso(finding.last) or "",
        "kyber.level": str(finding.level),
        "event.severity": str(SEVERITY[finding.level]),
        "kyber.family": str(finding.family),
        "rule.name": finding.rule.title,
        **{place: finding.group.get(place, "") for place in _PLACES},
        "kyber.group": " | ".join(f"{name}={value}" for name, value in finding.group.items() if name not in _PLACES),
        "kyber.count": str(finding.count),
        "threat.tactic.name": ", ".join(name for _, name in tactics(finding.tags)),
        "threat.technique.id": ", ".join(techniques(finding.tags)),
        "kyber.evidence": " | ".join(f"{evidence.field}={evidence.value}" for evidence in finding.evidence),
        "log.file.path": finding.sample.file,
        "kyber.sample.record": str(finding.sample.record),
        "rule.id": finding.rule.id,
        "kyber.rule.path": finding.rule.path,
        "kyber.rule.hash": finding.rule.hash,
        "kyber.tags": ", ".join(finding.tags),
        "event.id": finding.id,
        "kyber.sources": ", ".join(finding.sources),
        "kyber.facts": " | ".join(f"{name}={value}" for name, value in finding.facts.items()),
        "kyber.status": judged.status.value if judged else "",
    }


def _document(finding: Finding, result: ScanResult) -> dict[str, Any]:
    stamp = finding.last or finding.sample.time or result.started
    host, user, source = (finding.group.get(place) for place in _PLACES)
    judged = result.judged.get(finding.id)
    return _present(
        {
            "@timestamp": iso(stamp),
            "ecs": {"version": ECS_VERSION},
            "message": message(finding),
            "event": {
                "kind": "alert",
                "category": _CATEGORIES.get(finding.family),
                "type": ["info"] if finding.family in _CATEGORIES else None,
                "module": "kyber",
                "dataset": "kyber.findings",
                "id": finding.id,
                "start": iso(finding.first),
                "end": iso(finding.last),
                "created": iso(result.started),
                "severity": SEVERITY[finding.level],
            },
            "rule": {
                "id": finding.rule.id,
                "name": finding.rule.title,
                "description": finding.description or None,
                "reference": next(iter(finding.references), None),
                "version": finding.rule.hash,
            },
            "threat": _threat(finding.tags),
            "host": {"name": host},
            "user": {"name": user},
            "source": {"address": source, "ip": source if source and _is_address(source) else None},
            "related": {
                "hosts": [host] if host else None,
                "user": [user] if user else None,
                "ip": [source] if source and _is_address(source) else None,
            },
            "log": {"file": {"path": finding.sample.file or None}},
            "tags": list(finding.tags),
            "kyber": {
                "level": str(finding.level),
                "family": str(finding.family),
                "count": finding.count,
                "rule": {"name": finding.rule.name, "path": finding.rule.path},
                "group": _pairs(finding.group),
                "evidence": [_evidence(evidence) for evidence in finding.evidence],
                "sample": {
                    "event_id": finding.sample.event_id,
                    "record": finding.sample.record,
                    "time": iso(finding.sample.time),
                    "fields": _pairs(finding.sample.fields),
                },
                "false_positives": list(finding.false_positives),
                "references": list(finding.references),
                "sources": list(finding.sources),
                "facts": _pairs(finding.facts),
                "judged": _judgement(judged) if judged else {},
            },
        }
    )


def _event(finding: Finding, result: ScanResult) -> dict[str, Any]:
    stamp = finding.first or finding.sample.time
    host, user, source = (finding.group.get(place) for place in _PLACES)
    judged = result.judged.get(finding.id)
    return _present(
        {
            "message": message(finding),
            "datetime": iso(stamp or result.started),
            "timestamp": ((stamp or result.started) - _EPOCH) // timedelta(microseconds=1),
            "timestamp_desc": "First event of a finding" if stamp else "Scan that found events without a time",
            "tag": ["kyber", f"level.{finding.level}", f"family.{finding.family}", *finding.tags],
            "data_type": "kyber:finding",
            "hostname": host,
            "username": user,
            "source_ip": source,
            "level": str(finding.level),
            "severity": SEVERITY[finding.level],
            "family": str(finding.family),
            "rule_id": finding.rule.id,
            "rule_title": finding.rule.title,
            "count": finding.count,
            "last": iso(finding.last),
            "evidence": " | ".join(f"{evidence.field}={evidence.value}" for evidence in finding.evidence),
            "filename": finding.sample.file,
            "record": finding.sample.record,
            "finding_id": finding.id,
            "log_sources": list(finding.sources),
            "facts": " | ".join(f"{name}={value}" for name, value in finding.facts.items()),
            "status": judged.status.value if judged else "",
        }
    )


def message(finding: Finding) -> str:
    """A finding in one line: what was found, and where."""
    where = ", ".join(f"{name}={value}" for name, value in finding.group.items())
    return f"{finding.rule.title}: {where}" if where else finding.rule.title


def _threat(tags: Iterable[str]) -> dict[str, Any]:
    tags = list(tags)
    aims, ways = tactics(tags), techniques(tags)
    if not aims and not ways:
        return {}
    return {
        "framework": "MITRE ATT&CK",
        "tactic": {"id": [number for number, _ in aims], "name": [name for _, name in aims]},
        "technique": {
            "id": list(dict.fromkeys(way[:5] for way in ways)),
            "subtechnique": {"id": [way for way in ways if "." in way]},
        },
    }


def _pairs(fields: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"field": name, "value": value} for name, value in fields.items()]


def _present(value: dict[str, Any]) -> dict[str, Any]:
    """The document without what is empty: an index needs no nulls."""
    kept = {name: _present(item) if isinstance(item, dict) else item for name, item in value.items()}
    return {name: item for name, item in kept.items() if item not in (None, "", [], {})}


def _is_address(text: str) -> bool:
    # A scope ("fe80::1%eth0") is no part of the address that an index of IP addresses takes.
    try:
        return "%" not in text and ip_address(text) is not None
    except ValueError:
        return False
