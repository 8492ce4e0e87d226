"""What stands above and beside a rule's detection, looked over: title, id, status, level, tags, dates, references.

Sources: the Sigma specification 2.1.0 (rules, taxonomy, tags), and the tactics of MITRE ATT&CK for Enterprise, Mobile
and ICS.
"""

import re
from collections.abc import Iterator
from datetime import date
from difflib import get_close_matches
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from kyber.level import Level
from kyber.logs.sigma.written import Change, Hit, Part, Path, Written, doubt
from kyber.problem import Severity

MAX_TITLE: Final = 256
STATUSES: Final = ("stable", "test", "experimental", "deprecated", "unsupported")
LEVELS: Final = tuple(str(level) for level in Level)
KEYS: Final = (
    *("title", "id", "name", "related", "taxonomy", "status", "description", "license", "author", "references"),
    *("date", "modified", "logsource", "detection", "fields", "falsepositives", "level", "tags", "scope"),
    *("correlation", "filter", "kyber"),
)
"""What may stand at the top of a rule, a correlation or a filter; anything else is the author's own."""

TACTICS: Final = frozenset(
    (
        *("reconnaissance", "resource-development", "initial-access", "execution", "persistence"),
        *("privilege-escalation", "defense-evasion", "stealth", "defense-impairment", "credential-access"),
        *("discovery", "lateral-movement", "collection", "command-and-control", "exfiltration", "impact"),
        *("evasion", "inhibit-response-function", "impair-process-control"),
        *("network-effects", "remote-service-effects"),
    )
)
_NUMBERED = re.compile(r"(?:t\d{4}(?:\.\d{3})?|(?:g|s|c|m|ds|ta|a|dc|an|det)\d{4})")
_TAG = re.compile(r"[a-z0-9_-]+\.[a-z0-9._-]+")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_OTHER_DAY = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})")
_URL = re.compile(r"https?://\S", re.IGNORECASE)
_ALIKE = 0.8
"""How near a key must be to one of Sigma's, to be taken for a slip."""


def check_title(one: Written) -> Iterator[Hit]:
    """R60: a title longer than Sigma has it."""
    title = one.document.get("title")
    if isinstance(title, str) and len(title) > MAX_TITLE:
        yield doubt("R60", one, ("title",), limit=MAX_TITLE)


def check_id(one: Written) -> Iterator[Hit]:
    """R14: no id; the one that kyber goes by can be written. R66: an id that is no UUID."""
    title = one.document.get("title")
    if "id" not in one.document:
        if isinstance(title, str) and title.strip():
            change = Change(("id",), str(uuid5(NAMESPACE_URL, f"kyber:{title}")), Part.NEW)
            yield doubt("R14", one, ("title",), change=change, title=title)
    elif not _UUID.fullmatch(str(one.document["id"])):
        yield doubt("R66", one, ("id",), id=one.document["id"])


def check_words(one: Written) -> Iterator[Hit]:
    """R61: a status that is none. R62: no level. R63: a level or status in capitals."""
    for key, words in (("status", STATUSES), ("level", LEVELS)):
        given = one.document.get(key)
        if not isinstance(given, str):
            continue
        plain = given.strip().lower()
        if plain in words and given not in words:
            yield doubt("R63", one, (key,), Severity.NOTE, Change((key,), plain), value=given, wanted=plain)
        elif key == "status" and plain not in words:
            yield doubt("R61", one, (key,), status=given, known=words)
    if "detection" in one.document and one.document.get("level") is None:
        yield doubt("R62", one, ("title",), Severity.NOTE)


def check_tags(one: Written) -> Iterator[Hit]:
    """R64: a tag that is not `namespace.name`. R65: one of ATT&CK's that names nothing there."""
    tags = one.document.get("tags")
    for index, tag in enumerate(tags if isinstance(tags, list) else ()):
        path: Path = ("tags", index)
        wanted = _tag(str(tag))
        change = None if wanted is None or wanted == tag else Change(path, wanted)
        if not isinstance(tag, str) or not _TAG.fullmatch(tag):
            yield doubt("R64", one, path, change=change, tag=tag)
        elif wanted != tag:
            yield doubt("R65", one, path, change=change, tag=tag)


def _tag(tag: str) -> str | None:
    """The tag as it is rightly written; None where nobody but its author can say."""
    space, _, name = re.sub(r"\s+", "-", tag.strip().lower()).partition(".")
    if space in ("attack", "mitre-attack"):
        dashed = name.replace("_", "-")
        return f"attack.{dashed}" if dashed in TACTICS or _NUMBERED.fullmatch(dashed) else None
    tag = f"{space}.{name}"
    return tag if _TAG.fullmatch(tag) else None


def check_dates(one: Written) -> Iterator[Hit]:
    """R68: a date that is not written as 2026-01-31."""
    for key in ("date", "modified"):
        given = one.document.get(key)
        if given is None or (isinstance(given, str) and _DAY.fullmatch(given) and _is_day(given)):
            continue
        wanted = _day(str(given).strip())
        yield doubt("R68", one, (key,), change=Change((key,), wanted) if wanted else None, field=key, value=given)


def _day(text: str) -> str | None:
    """Year, month and day in this order with other signs between them, as Sigma writes them."""
    if not (found := _OTHER_DAY.fullmatch(text)):
        return None
    written = f"{found[1]}-{found[2]:0>2}-{found[3]:0>2}"
    return written if _is_day(written) else None


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def check_references(one: Written) -> Iterator[Hit]:
    """R69: a reference that looks like an address and is none; sources may also be told in words."""
    given = one.document.get("references")
    for index, reference in enumerate(given if isinstance(given, list) else ()):
        text = str(reference).strip()
        if not _URL.match(text) and ("://" in text or not re.search(r"\s", text)):
            yield doubt("R69", one, ("references", index), Severity.NOTE, reference=_brief(reference))


def _brief(value: Any) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= 80 else text[:79] + "…"


def check_keys(one: Written) -> Iterator[Hit]:
    """R50: a key that is nearly one of Sigma's, which is not there."""
    for key in one.document:
        if key not in KEYS:
            near = get_close_matches(key.lower(), KEYS, 1, _ALIKE)
            if near and near[0] not in one.document:
                yield doubt("R50", one, (key,), key=key, wanted=near[0])


CHECKS = (check_title, check_id, check_words, check_tags, check_dates, check_references, check_keys)
