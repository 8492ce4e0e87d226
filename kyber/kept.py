"""The findings of a workspace, kept: findings in, the same findings out, with when scans saw them.

They lie in `.kyber/findings.sqlite`, which only its owner may read: a finding shows values from logs. What people
decide about them does not lie here but in git, in `triage/`. Times are UTC; in the file, microseconds since 1970.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from fnmatch import translate
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import orjson

from kyber.database import Database
from kyber.errors import UsageError
from kyber.finding import Evidence, Family, Finding, RuleRef, Sample
from kyber.level import Level

FILE: Final = "findings.sqlite"
SHORTEST_PREFIX: Final = 4
"""Characters of an id that name a finding, where no other begins with them."""
CANDIDATES_SHOWN: Final = 8
LOOKED_BACK: Final = timedelta(days=28)
"""How far back a scan looks for the beginning of a silence."""

_TABLES: Final = """
CREATE TABLE finding (
    id TEXT PRIMARY KEY,
    level INTEGER NOT NULL,
    count INTEGER NOT NULL,
    last INTEGER,
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    grown INTEGER,
    finding BLOB NOT NULL
) WITHOUT ROWID
"""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class KeptError(UsageError):
    """The kept findings cannot be read or written, or no finding or more than one is meant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFinding:
    """A finding as the last scan saw it. `first_seen` and `last_seen`: the first and the last scan that found it;
    `grown`: the last one that counted more events than the one before, None where none did."""

    finding: Finding
    first_seen: datetime
    last_seen: datetime
    grown: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What saving came to, as ids in the order of the findings. `unchanged` were there before and have not grown."""

    new: tuple[str, ...] = ()
    grown: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()


class Kept:
    """The findings of one workspace; `with kept.open(...) as store:` closes the file in the end."""

    __slots__ = ("_database",)

    def __init__(self, database: Database) -> None:
        self._database = database

    def __enter__(self) -> "Kept":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def save(self, findings: Iterable[Finding], now: datetime) -> Saved:
        """Keep the findings of one scan, all or none; `now` (aware) is when it was.

        A scan of a day is whole, so that a finding takes the place of the one with its id. Raises KeptError.
        """
        seen = _micros(now)
        new: list[str] = []
        grown: list[str] = []
        unchanged: list[str] = []
        with self._database.transaction():
            for one in findings:
                before = self._database.run("SELECT count FROM finding WHERE id = ?", (one.id,))
                rose = bool(before) and one.count > before[0][0]
                (grown if rose else unchanged if before else new).append(one.id)
                values = (one.id, int(one.level), one.count, _micros(one.last), seen, seen)
                self._database.run(
                    "INSERT INTO finding VALUES (?, ?, ?, ?, ?, ?, NULL, ?) ON CONFLICT (id) DO UPDATE SET "
                    "level = excluded.level, count = excluded.count, last = excluded.last, "
                    "last_seen = max(last_seen, excluded.last_seen), finding = excluded.finding, "
                    "grown = CASE WHEN excluded.count > count THEN excluded.last_seen ELSE grown END",
                    (*values, to_json(one)),
                )
        return Saved(new=tuple(new), grown=tuple(grown), unchanged=tuple(unchanged))

    def of(self, ids: Iterable[str]) -> tuple[KeptFinding, ...]:
        """The findings of these ids, as far as they are kept, in this order. Raises KeptError."""
        asked = "SELECT finding, first_seen, last_seen, grown FROM finding WHERE id = ?"
        return tuple(_kept(row) for id_ in ids for row in self._database.run(asked, (id_,)))

    def all(
        self,
        *,
        level: Level = Level.INFORMATIONAL,
        families: Sequence[Family] = (),
        rule: str = "",
        host: str = "",
        user: str = "",
        source: str = "",
        since: datetime | None = None,
    ) -> tuple[KeptFinding, ...]:
        """The findings, the most serious first, then by when they began.

        `level` is the lowest; `families` none is all. `rule` (id, name, title or path), `host`, `user` and `source` are
        patterns with `*` and `?`, in any case. `since`: the last event, or for one without times the last scan that
        found it, is not before. Raises KeptError.
        """
        asked = (
            "SELECT finding, first_seen, last_seen, grown FROM finding "
            "WHERE level >= ? AND coalesce(last, last_seen) >= ?"
        )
        earliest = -(2**63) if since is None else _micros(since)
        found = [_kept(row) for row in self._database.run(asked, (int(level), earliest))]
        patterns = {"rule": rule, "host": host, "user": user, "source": source}
        asks = {name: re.compile(translate(text), re.IGNORECASE) for name, text in patterns.items() if text}
        met = [
            one
            for one in found
            if (not families or one.finding.family in families)
            and all(_meets(one.finding, name, ask) for name, ask in asks.items())
        ]
        return tuple(sorted(met, key=_order))

    def outlines(self) -> tuple[KeptFinding, ...]:
        """Every finding, by id, without what was seen of events and what its rule explains: many are read sooner.

        Evidence and texts are empty, and of the sample there is but the host. Raises KeptError.
        """
        asked = "SELECT finding, first_seen, last_seen, grown FROM finding ORDER BY id"
        refs: dict[tuple[str, str], RuleRef] = {}
        return tuple(_outline(row, refs) for row in self._database.run(asked, ()))

    def fired(self) -> Mapping[str, tuple[int, datetime]]:
        """How many findings of each rule, by its id, are kept, and when the last of them happened. Raises KeptError."""
        asked = (
            "SELECT json_extract(CAST(finding AS TEXT), '$.rule.id'), count(*), max(coalesce(last, last_seen)) "
            "FROM finding GROUP BY 1"
        )
        return {rule: (many, _time(last)) for rule, many, last in self._database.run(asked, ())}

    def silences(self) -> tuple[Finding, ...]:
        """The findings that tell of a silence. Raises KeptError."""
        asked = "SELECT finding, first_seen, last_seen, grown FROM finding WHERE count = 0"
        every = (_kept(row).finding for row in self._database.run(asked, ()))
        return tuple(one for one in every if _is_silence(one))

    def get(self, prefix: str) -> KeptFinding:
        """The finding whose id begins so. Raises KeptError where there is none, or more than one."""
        prefix = prefix.strip().lower()
        if len(prefix) < SHORTEST_PREFIX:
            raise KeptError(f"'{prefix}' is too short for the id of a finding: give at least {SHORTEST_PREFIX} of it")
        asked = (
            "SELECT finding, first_seen, last_seen, grown FROM finding "
            "WHERE id >= :prefix AND substr(id, 1, length(:prefix)) = :prefix ORDER BY id LIMIT :most"
        )
        found = [_kept(row) for row in self._database.run(asked, {"prefix": prefix, "most": CANDIDATES_SHOWN + 1})]
        if not found:
            raise KeptError(f"no finding has an id that begins with {prefix}; `kyber findings list` shows them")
        if len(found) > 1:
            lines = [f"{one.finding.id}  {one.finding.rule.title}" for one in found[:CANDIDATES_SHOWN]]
            more = ["…"] if len(found) > CANDIDATES_SHOWN else []
            raise KeptError("\n".join((f"more than one finding has an id that begins with {prefix}:", *lines, *more)))
        return found[0]

    def expired(self, before: datetime) -> tuple[KeptFinding, ...]:
        """The findings whose last event, or without times the last scan that found them, was before (aware)."""
        asked = "SELECT finding, first_seen, last_seen, grown FROM finding WHERE coalesce(last, last_seen) < ?"
        return tuple(sorted((_kept(row) for row in self._database.run(asked, (_micros(before),))), key=_order))

    def delete_before(self, before: datetime, *, dry_run: bool = False) -> tuple[str, ...]:
        """Delete what has expired, so that it cannot be brought back from the file, and name it by id.

        `dry_run` only names it. Raises KeptError.
        """
        ids = tuple(one.finding.id for one in self.expired(before))
        if ids and not dry_run:
            with self._database.transaction():
                self._database.run_many("DELETE FROM finding WHERE id = ?", [(one,) for one in ids])
            self._database.run("PRAGMA wal_checkpoint(TRUNCATE)")
        return ids


def open(state: Path) -> Kept:  # noqa: A001 - `kept.open(folder)` says what it does
    """The findings kept in a workspace's folder `.kyber`; folder and file are made if need be. Raises KeptError."""
    remedy = (
        "move it away: the next scan finds what is in the logs again, and what was decided stands in the folder triage"
    )
    return Kept(Database(state / FILE, (_TABLES,), KeptError, remedy, ("secure_delete = on",)))


def continued(findings: Iterable[Finding], silences: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings of a scan, in which a silence that was kept before, and goes on, has the id that it has there.

    It goes on where it began before it was last found, though events that came late may have moved its beginning; and
    where it is not known when it began, since that is too long ago to be looked for.
    """
    known: dict[tuple[str, frozenset[tuple[str, str]]], Finding] = {}
    for one in sorted(silences, key=lambda one: one.last or _EPOCH):
        known[one.rule.id, frozenset(one.group.items())] = one
    found = []
    for one in findings:
        before = known.get((one.rule.id, frozenset(one.group.items()))) if _is_silence(one) else None
        if before is not None and before.last is not None and one.last is not None:
            begin = one.sample.time
            if begin is None and before.last >= one.last - LOOKED_BACK:
                one = replace(one, id=before.id, first=before.first)
            elif begin is not None and before.last >= begin:
                one = replace(one, id=before.id)
        found.append(one)
    return tuple(found)


def _is_silence(one: Finding) -> bool:
    return one.count == 0 and any(each.part == "silence" for each in one.evidence)


def _meets(finding: Finding, name: str, ask: re.Pattern[str]) -> bool:
    match name:
        case "rule":
            rule = finding.rule
            texts: Iterable[str] = (rule.id, rule.name, rule.title, rule.path, *rule.titles.values())
        case "source":
            texts = finding.sources
        case _:
            texts = (finding.group.get(f"{name}.name", ""),)
    return any(ask.match(text) for text in texts)


def _order(one: KeptFinding) -> tuple[int, datetime, str, str]:
    found = one.finding
    return -found.level, found.first or datetime.max.replace(tzinfo=UTC), found.rule.title, found.id


def _kept(row: tuple[Any, ...]) -> KeptFinding:
    finding, first_seen, last_seen, grown = row
    return KeptFinding(
        finding=from_json(finding),
        first_seen=_time(first_seen),
        last_seen=_time(last_seen),
        grown=None if grown is None else _time(grown),
    )


_HOST: Final = "host.name"
_NO_SAMPLE: Final = Sample(event_id="", file="", record=0, time=None, fields={})


@cache
def _at(host: str) -> Sample:
    """A sample that tells no more than where it was."""
    return replace(_NO_SAMPLE, fields={_HOST: host})


def _outline(row: tuple[Any, ...], refs: dict[tuple[str, str], RuleRef]) -> KeptFinding:
    """`refs`: the rules that were met, so that each is made once."""
    finding, first_seen, last_seen, grown = row
    value = _loaded(finding)
    rule = value["rule"]
    ref = refs.get((rule["id"], rule["hash"]))
    if ref is None:
        ref = refs[rule["id"], rule["hash"]] = RuleRef(**rule)
    return KeptFinding(
        finding=Finding(
            id=value["id"],
            rule=ref,
            family=Family(value["family"]),
            level=Level.of(value["level"]),
            tags=tuple(value["tags"]),
            count=value["count"],
            first=_read(value["first"]),
            last=_read(value["last"]),
            group=value["group"],
            evidence=(),
            sample=_NO_SAMPLE if not (host := value["sample"]["fields"].get(_HOST)) else _at(host),
            sources=tuple(value.get("sources", ())),
            facts=value.get("facts", {}),
        ),
        first_seen=_time(first_seen),
        last_seen=_time(last_seen),
        grown=None if grown is None else _time(grown),
    )


def _micros(time: datetime | None) -> int | None:
    return None if time is None else (time - _EPOCH) // _MICROSECOND


def _time(micros: int) -> datetime:
    return _EPOCH + micros * _MICROSECOND


# --- a finding as JSON -----------------------------------------------------------------------------------------------


def to_json(finding: Finding) -> bytes:
    """The whole finding as JSON, from which `from_json` makes the same one."""
    rule, sample = finding.rule, finding.sample
    value = {
        "id": finding.id,
        "rule": {
            "id": rule.id,
            "name": rule.name,
            "title": rule.title,
            "hash": rule.hash,
            "path": rule.path,
            "titles": dict(rule.titles),
        },
        "family": finding.family.value,
        "level": str(finding.level),
        "tags": finding.tags,
        "count": finding.count,
        "first": _written(finding.first),
        "last": _written(finding.last),
        "group": dict(finding.group),
        "evidence": [[one.part, one.field, one.column, one.value, one.pattern] for one in finding.evidence],
        "sample": {
            "event_id": sample.event_id,
            "file": sample.file,
            "record": sample.record,
            "time": _written(sample.time),
            "fields": dict(sample.fields),
        },
        "description": finding.description,
        "false_positives": finding.false_positives,
        "references": finding.references,
        "next": dict(finding.next),
        "sources": finding.sources,
        "facts": dict(finding.facts),
    }
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:  # a name of a file that is not UTF-8 holds lone surrogates
        return json.dumps(value).encode()


def from_json(text: bytes) -> Finding:
    """The finding that `to_json` wrote; what an earlier version did not write yet is empty."""
    value = _loaded(text)
    sample = value["sample"]
    return Finding(
        id=value["id"],
        rule=RuleRef(**value["rule"]),
        family=Family(value["family"]),
        level=Level.of(value["level"]),
        tags=tuple(value["tags"]),
        count=value["count"],
        first=_read(value["first"]),
        last=_read(value["last"]),
        group=value["group"],
        evidence=tuple(Evidence(*one) for one in value["evidence"]),
        sample=Sample(
            event_id=sample["event_id"],
            file=sample["file"],
            record=sample["record"],
            time=_read(sample["time"]),
            fields=sample["fields"],
        ),
        description=value["description"],
        false_positives=tuple(value["false_positives"]),
        references=tuple(value["references"]),
        next=value["next"],
        sources=tuple(value.get("sources", ())),
        facts=value.get("facts", {}),
    )


def _loaded(text: bytes) -> dict[str, Any]:
    try:
        return orjson.loads(text)  # type: ignore[no-any-return]
    except orjson.JSONDecodeError:
        return json.loads(text)  # type: ignore[no-any-return]


def _written(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()


def _read(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
