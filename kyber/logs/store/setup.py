"""A cluster made ready: what has to be there and a cluster in, what differs out; and then, step by step, mended.

Laying down twice changes nothing. A step that was not reached is found again the next time: what is asked is the
cluster, not what was done before.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal

from kyber.duration import Duration
from kyber.logs.store.cluster import Cluster, Features
from kyber.logs.store.templates import (
    Difference,
    Keeping,
    Kind,
    common_template,
    days,
    differences,
    every_stream,
    mappings,
    own_template,
    pieces,
    policy,
    streams,
)
from kyber.problem import Place, Problem, Severity

_UNITS: Final = {"d": timedelta(days=1), "h": timedelta(hours=1), "m": timedelta(minutes=1), "s": timedelta(seconds=1)}


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to be done to a template, a policy or a data stream, and how it differs from what there is.

    `make` and `change` give a template or policy its `body`; `remove` takes a template away; `keep` tells a data stream
    how long (`body`: `data_retention`, or settings of its indices); `rollover` begins a new backing index, so that what
    is written from now on has the mapping of now.
    """

    action: Literal["make", "change", "remove", "keep", "rollover"]
    kind: Kind | Literal["stream"]
    name: str
    body: Mapping[str, Any] | None = None
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What a cluster can do, and all that is to be done to it, in order.

    S24: it cannot delete old events. S25: it deletes them sooner than it is told to.
    """

    features: Features
    keeping: Keeping
    steps: tuple[Step, ...]
    problems: tuple[Problem, ...]


def laid(cluster: Cluster, namespace: str) -> bool:
    """Whether a namespace was ever made ready in a cluster. Raises ClusterError."""
    return bool(cluster.get("template", common_template(namespace)))


def plan(cluster: Cluster, kept: Mapping[str, Duration | None], namespace: str, at: Place) -> Plan:
    """What differs from what should be there. `kept` says of each source how long; `at` is where problems are told of.

    Raises ClusterError, and UsageError where two sources would share a data stream.
    """
    features = cluster.features()
    keeping = Keeping.LIFECYCLE if features.lifecycle else Keeping.ILM if features.ilm else Keeping.NOTHING
    wanted = pieces(kept, namespace, keeping)
    steps = []
    for piece in wanted:
        there = cluster.get(piece.kind, piece.name).get(piece.name)
        if there is None:
            steps.append(Step("make", piece.kind, piece.name, piece.body))
        elif found := differences(there, piece.body):
            steps.append(Step("change", piece.kind, piece.name, piece.body, found))
    names = {piece.name for piece in wanted}
    for source in kept:
        name = own_template(source, namespace)
        if name not in names and cluster.get("template", name):
            steps.append(Step("remove", "template", name))
    problems: list[Problem] = []
    if keeping is Keeping.NOTHING and any(kept.values()):
        problems.append(Problem(at, "S24", {"cluster": cluster.name}, Severity.WARNING))
    steps += _streams(cluster, kept, namespace, keeping)
    if keeping is Keeping.LIFECYCLE:
        problems += _shortened(cluster, kept, namespace, at)
    return Plan(features, keeping, tuple(steps), tuple(problems))


def carry_out(cluster: Cluster, step: Step) -> None:
    """Do one step of a plan. Raises ClusterError."""
    match step:
        case Step("rollover", _, name):
            cluster.rollover(name)
        case Step("keep", _, name, body):
            assert body is not None
            if "data_retention" in body:
                cluster.put_lifecycle(name, body["data_retention"])
            else:
                cluster.put_settings(name, body)
        case Step("remove", kind, name):
            assert kind != "stream"
            cluster.remove(kind, name)
        case Step(_, kind, name, body):
            assert kind != "stream"
            assert body is not None
            cluster.put(kind, name, body)


def _streams(cluster: Cluster, kept: Mapping[str, Duration | None], namespace: str, keeping: Keeping) -> Iterator[Step]:
    """What is to be done to the data streams that there are. One of a source that is not in the register keeps what it
    was told last."""
    backing = cluster.streams(every_stream(namespace))
    if not backing:
        return
    indices = cluster.indices(every_stream(namespace))
    told = cluster.lifecycle(every_stream(namespace)) if keeping is Keeping.LIFECYCLE else {}
    retentions = {name: kept[source] for source, name in streams(kept, namespace).items()}
    content = mappings()["_meta"]["kyber"]
    for name, behind in sorted(backing.items()):
        if name in retentions and keeping is not Keeping.NOTHING:
            duration = retentions[name]
            length = None if duration is None else days(duration)
            if keeping is Keeping.LIFECYCLE:
                text = None if length is None else f"{length}d"
                there = told.get(name) or {}
                if there.get("data_retention") != text or not there.get("enabled"):
                    found = Difference("lifecycle.data_retention", there.get("data_retention"), text)
                    yield Step("keep", "stream", name, {"data_retention": text}, (found,))
            else:
                before = {_setting(indices.get(one, {}), "index", "lifecycle", "name") for one in behind}
                if before != {policy(length)}:
                    former = ", ".join(sorted(filter(None, before))) or None
                    found = Difference("index.lifecycle.name", former, policy(length))
                    yield Step("keep", "stream", name, {"index.lifecycle.name": policy(length)}, (found,))
        written = indices.get(behind[-1], {}) if behind else {}
        former = ((written.get("mappings") or {}).get("_meta") or {}).get("kyber")
        if former != content:
            yield Step("rollover", "stream", name, None, (Difference("mappings._meta.kyber", former, content),))


def _setting(index: Mapping[str, Any], *path: str) -> str | None:
    found: Any = index.get("settings") or {}
    for part in path:
        found = found.get(part) if isinstance(found, Mapping) else None
    return None if found is None else str(found)


def _shortened(cluster: Cluster, kept: Mapping[str, Duration | None], namespace: str, at: Place) -> Iterator[Problem]:
    """Data streams that have been told how long, and for which a limit of the cluster's is shorter."""
    told = cluster.lifecycle(every_stream(namespace))
    for source, name in streams(kept, namespace).items():
        duration, there = kept[source], told.get(name) or {}
        effective = there.get("effective_retention")
        if duration is None or there.get("data_retention") != f"{days(duration)}d" or not isinstance(effective, str):
            continue
        length = re.fullmatch(r"(\d{1,9})([dhms])", effective)
        if length is not None and int(length[1]) * _UNITS[length[2]] < timedelta(days=days(duration)):
            facts = {"cluster": cluster.name, "stream": name, "effective": effective, "wanted": duration}
            yield Problem(at, "S25", facts, Severity.WARNING)
