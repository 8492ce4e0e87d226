"""What Elasticsearch has to know of kyber's documents: log sources in; names, templates and lifecycles out.

Pure data: what should be there, and how that differs from what is. `setup` asks a cluster and carries it out.

Mappings are closed (`dynamic: false`): no log makes an index grow a field, and no value has the wrong type. Native
columns stand in `kyber.fields`, one field of the type `flattened` whatever there are.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cache
from hashlib import blake2b
from types import MappingProxyType
from typing import Any, Final, Literal

from kyber.duration import Duration
from kyber.errors import UsageError
from kyber.logs.schema import tables

Kind = Literal["component", "template", "policy"]
"""Component templates, index templates, policies of index lifecycle management."""

PRIORITY: Final = 200
"""Of the index templates: above 100, which Elasticsearch's own for `logs-*-*` has."""
OWN_PRIORITY: Final = 300
"""Of the index template of one source."""
KEYWORD: Final = 8_191
"""Characters of a keyword that is indexed: what fits Lucene's 32,766 bytes, whatever the letters."""
FLATTENED: Final = 1_024
"""Characters of a value in `kyber.fields` that is indexed there."""
REFRESH: Final = "5s"
"""How long it takes at most until what was written is found."""
ROLLOVER: Final[Mapping[str, str]] = {"max_age": "30d", "max_primary_shard_size": "50gb"}
"""When index lifecycle management begins a new backing index."""

_LONGS: Final = frozenset(("bytes", "packets", "pid", "port", "status_code"))
"""The last part of the names of ECS fields that are whole numbers."""
_COMPONENT: Final = "kyber-logs"
_OWN: Final = {"managed_by": "kyber"}
_Tree = dict[str, Any]


# --- names -----------------------------------------------------------------------------------------------------------


def slug(source: str) -> str:
    """The id of a source as a part of a data stream's name: lower case; what is not a to z, 0 to 9 or _ becomes _."""
    return re.sub(r"[^a-z0-9_]", "_", source.lower())


def stream(source: str, namespace: str) -> str:
    """The data stream of a source: `logs-kyber.<slug>-<namespace>`."""
    return f"logs-kyber.{slug(source)}-{namespace}"


def every_stream(namespace: str) -> str:
    """The pattern that all data streams of a namespace match, and none of another."""
    return f"logs-kyber.*-{namespace}"


def alerts(namespace: str) -> str:
    """The index of the findings."""
    return f"alerts-kyber-{namespace}"


def streams(sources: Iterable[str], namespace: str) -> dict[str, str]:
    """Each source's data stream. Raises UsageError where two sources would share one."""
    found: dict[str, str] = {}
    for source in sources:
        name = stream(source, namespace)
        if found.setdefault(name, source) != source:
            raise UsageError(
                f"the log sources '{found[name]}' and '{source}' would share the data stream {name}: "
                "their ids may not differ in letter case and signs only"
            )
    return {source: name for name, source in found.items()}


# --- mappings --------------------------------------------------------------------------------------------------------


def _type_of(column: str) -> str:
    last = column.rpartition(".")[2]
    if last == "ip":
        return "ip"
    if column == "message":
        return "text"
    return "long" if last in _LONGS else "keyword"


@cache
def _types() -> Mapping[str, str]:
    columns = sorted({name for one in tables() for name in one.columns})
    return MappingProxyType({name: _type_of(name) for name in columns})


TYPES: Final[Mapping[str, str]] = _types()
"""Every canonical column of the field tables and the type that it is mapped to: keyword, ip, long or text."""

_FIELDS: Final[Mapping[str, _Tree]] = {
    "keyword": {"type": "keyword", "ignore_above": KEYWORD},
    "ip": {"type": "ip"},
    "long": {"type": "long"},
    "text": {"type": "text", "norms": False},
}
_STORED: Final = {"type": "keyword", "index": False, "doc_values": False}
"""Only in `_source`: of any length, neither searched nor sorted by."""


def mappings() -> _Tree:
    """The mapping of an event. `_meta.kyber` names its content."""
    keyword, whole = _FIELDS["keyword"], {"type": "long"}
    flat: dict[str, _Tree] = {
        "@timestamp": {"type": "date"},
        "ecs.version": keyword,
        "event.ingested": {"type": "date"},
        "event.original": _STORED,
        **{f"data_stream.{name}": keyword for name in ("type", "dataset", "namespace")},
        **{column: _FIELDS[kind] for column, kind in TYPES.items()},
        **{
            f"kyber.{name}": keyword
            for name in ("id", "source", "table", "product", "category", "service", "zone", "day", "file", "shape")
        },
        **{f"kyber.{name}": whole for name in ("time", "record", "offset", "held")},
        "kyber.fingerprint": keyword,
        "kyber.verbatim": {"type": "boolean"},
        "kyber.fields": {"type": "flattened", "ignore_above": FLATTENED},
        "kyber.terms": {"type": "keyword", "doc_values": False},
        "kyber.partial": {"type": "keyword"},
        "kyber.raw": _STORED,
        "kyber.odd": {"type": "object", "enabled": False},
    }
    return _closed(flat)


def alert_mappings() -> _Tree:
    """The mapping of a finding, in the form that `kyber scan --format ecs` has."""
    keyword, moment = _FIELDS["keyword"], {"type": "date"}
    words = (
        "ecs.version event.kind event.category event.type event.module event.dataset event.id rule.id rule.name "
        "rule.reference rule.version threat.framework threat.tactic.id threat.tactic.name threat.technique.id "
        "threat.technique.subtechnique.id host.name user.name source.address related.hosts related.user log.file.path "
        "tags kyber.level kyber.family kyber.rule.name kyber.rule.path kyber.group.field kyber.group.value "
        "kyber.evidence.part kyber.evidence.field kyber.evidence.column kyber.evidence.value kyber.evidence.pattern "
        "kyber.sample.event_id kyber.sample.fields.field kyber.sample.fields.value kyber.references kyber.sources "
        "kyber.facts.field kyber.facts.value kyber.judged.status kyber.judged.by"
    )
    moments = "@timestamp event.start event.end event.created kyber.sample.time kyber.judged.on"
    texts = "message rule.description kyber.false_positives kyber.judged.why"
    kinds = (
        (words, keyword),
        (moments, moment),
        (texts, _FIELDS["text"]),
        ("event.severity kyber.count kyber.sample.record", _FIELDS["long"]),
        ("source.ip related.ip", _FIELDS["ip"]),
    )
    return _closed({name: kind for names, kind in kinds for name in names.split()})


def _closed(flat: Mapping[str, _Tree]) -> _Tree:
    """A mapping of fields that are named in full; it takes no others, and says what it holds."""
    found: _Tree = {}
    for name, field in sorted(flat.items()):
        *above, last = name.split(".")
        at = found
        for part in above:
            at = at.setdefault(part, {}).setdefault("properties", {})
        at[last] = dict(field)
    return {"dynamic": False, "_meta": {"kyber": _digest(found)}, "properties": found}


def _digest(tree: _Tree) -> str:
    return blake2b(json.dumps(tree, sort_keys=True).encode(), digest_size=8).hexdigest()


# --- how long --------------------------------------------------------------------------------------------------------


class Keeping(StrEnum):
    """What deletes old events in a cluster: the lifecycle of data streams, index lifecycle management, or nothing."""

    LIFECYCLE = "lifecycle"
    ILM = "ilm"
    NOTHING = "nothing"


def days(duration: Duration) -> int:
    """A duration in days, for clusters, which know no months: as many as it can have at the most, never fewer."""
    starts = (date(1904 + month // 12, month % 12 + 1, 1) for month in range(48))
    return max((duration.after(start) - start).days for start in starts)


# --- templates -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Piece:
    """A template or policy as it should be."""

    kind: Kind
    name: str
    body: Mapping[str, Any]


def pieces(kept: Mapping[str, Duration | None], namespace: str, keeping: Keeping) -> tuple[Piece, ...]:
    """All that has to be there, in the order in which it can be laid down.

    `kept` says of each source how long; None: without an end. Raises UsageError where two sources would share a data
    stream.
    """
    named = streams(kept, namespace)
    made = [
        Piece("component", _COMPONENT, {"template": {"settings": _settings(), "mappings": mappings()}, "_meta": _OWN})
    ]
    for retention in _lengths(kept) if keeping is Keeping.ILM else ():
        made.append(Piece("policy", policy(retention), _policy(retention)))
    made.append(
        Piece("template", common_template(namespace), _template(every_stream(namespace), PRIORITY, None, keeping))
    )
    for source, duration in kept.items() if keeping is not Keeping.NOTHING else ():
        if duration is not None:
            body = _template(named[source], OWN_PRIORITY, days(duration), keeping)
            made.append(Piece("template", own_template(source, namespace), body))
    alert = {"settings": _settings(), "mappings": alert_mappings()}
    body = {"index_patterns": [alerts(namespace)], "priority": PRIORITY, "template": alert, "_meta": _OWN}
    made.append(Piece("template", f"kyber-alerts-{namespace}", body))
    return tuple(made)


def common_template(namespace: str) -> str:
    """The name of the index template of all sources: where it is there, a namespace was made ready."""
    return f"kyber-logs-{namespace}"


def own_template(source: str, namespace: str) -> str:
    """The name of the index template of one source."""
    return f"kyber-logs-{slug(source)}-{namespace}"


def policy(retention: int | None) -> str:
    """The name of the policy that keeps events for so many days; None: without an end."""
    return "kyber-logs-unlimited" if retention is None else f"kyber-logs-{retention}d"


def _lengths(kept: Mapping[str, Duration | None]) -> list[int | None]:
    return [None, *sorted({days(one) for one in kept.values() if one is not None})]


def _settings() -> _Tree:
    """The settings of an index. `mode` has to be said: for `logs-*-*`, Elasticsearch would take `logsdb`, which may
    make documents anew from their fields, and arrays would come back sorted."""
    return {
        "index": {
            "mode": "standard",
            "codec": "best_compression",
            "number_of_shards": "1",
            "auto_expand_replicas": "0-1",
            "refresh_interval": REFRESH,
        }
    }


def _template(pattern: str, priority: int, retention: int | None, keeping: Keeping) -> _Tree:
    custom = f"{_COMPONENT}@custom"
    body: _Tree = {
        "index_patterns": [pattern],
        "data_stream": {},
        "composed_of": [_COMPONENT, custom],
        "ignore_missing_component_templates": [custom],
        "priority": priority,
        "_meta": _OWN,
    }
    if keeping is Keeping.LIFECYCLE:
        kept = {} if retention is None else {"data_retention": f"{retention}d"}
        body["template"] = {"lifecycle": {"enabled": True, **kept}}
    elif keeping is Keeping.ILM:
        body["template"] = {"settings": {"index": {"lifecycle": {"name": policy(retention)}}}}
    return body


def _policy(retention: int | None) -> _Tree:
    """Deleting counts from the rollover: the youngest event of an index is then as old."""
    phases: _Tree = {"hot": {"min_age": "0ms", "actions": {"rollover": dict(ROLLOVER)}}}
    if retention is not None:
        phases["delete"] = {"min_age": f"{retention}d", "actions": {"delete": {}}}
    return {"phases": phases, "_meta": _OWN}


# --- what differs ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Difference:
    """A value that is not as it should be: its path, as it is, as it should be. None: it is not there."""

    path: str
    there: str | None
    wanted: str | None


def differences(there: Mapping[str, Any], wanted: Mapping[str, Any]) -> tuple[Difference, ...]:
    """Where a template or policy of a cluster is not as it should be.

    What a cluster adds of itself, beside what it was told, is no difference: dates, versions, defaults.
    """
    is_there, is_wanted = dict(_leaves(there)), dict(_leaves(wanted))
    found = [
        Difference(path, is_there.get(path), value) for path, value in is_wanted.items() if is_there.get(path) != value
    ]
    found += [
        Difference(path, value, None)
        for path, value in is_there.items()
        if path not in is_wanted and path.startswith(_OURS) and not path.startswith(_THEIRS)
    ]
    return tuple(sorted(found, key=lambda one: one.path))


_OURS: Final = ("template.", "phases.", "composed_of", "index_patterns")
"""Where nothing may stand that kyber did not put there."""
_THEIRS: Final = ("template.lifecycle.rollover", "phases.delete.actions.delete.")


def _leaves(tree: object, before: str = "") -> Iterator[tuple[str, str]]:
    """Every value of a tree with its path, as text: a cluster gives numbers of settings back as text."""
    if isinstance(tree, Mapping) and tree:
        for key, value in tree.items():
            yield from _leaves(value, f"{before}.{key}" if before else str(key))
    elif isinstance(tree, list | tuple):
        if tree:  # an empty one is as good as none
            yield before, ", ".join(str(one) for one in tree)
    elif not isinstance(tree, Mapping):
        yield before, str(tree).lower() if isinstance(tree, bool) else str(tree)
