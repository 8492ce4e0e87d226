"""Files in; out come the hits of kyber's engine, and those of the row-by-row evaluator asked of the same columns.

The engine goes the way of a scan: `kyber.logs.stream`, the detected format, `scan.batches`, one Matcher over all rules.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from kyber.logs.batch import EventBatch, LogSource, Reject
from kyber.logs.formats.known import detect
from kyber.logs.inputs import Input
from kyber.logs.parse import Job, Tally, batches
from kyber.logs.schema import table as fields_of
from kyber.logs.sigma.match import Matcher
from kyber.logs.sigma.plan import plan
from kyber.logs.sigma.route import routed
from kyber.logs.sigma.rule import Rule, RuleSet, read_rules
from kyber.logs.stream import Stream
from tests import reference
from tests.data import unpacked
from tests.logs.sigma.rowwise import events_of

Hit = tuple[str, str, int]
"""Rule id, name of the file, number of the record in it (from 1)."""


@dataclass(frozen=True, slots=True)
class File:
    """A file to read, and the name that a page gives it."""

    name: str
    path: Path


@cache
def sigmahq() -> RuleSet:
    """SigmaHQ's rules, all folders, with no placeholder filled."""
    return read_rules([str(unpacked("sigma-rules.tar.gz"))], {})


def windows(rules: RuleSet) -> list[Rule]:
    """The rules for Windows that kyber can run."""
    return [rule for rule in rules.rules if rule.logsource.product == "windows"]


@cache
def document(rule: Path) -> Mapping[str, Any]:
    """A rule's file, read anew by PyYAML: the row-by-row evaluator shares nothing with kyber's reading."""
    read: Mapping[str, Any] = yaml.load(rule.read_text(encoding="utf-8"), yaml.CSafeLoader)
    return read


@cache
def truth(rule: Path, fields: str) -> reference.Truth:
    """A rule's file as the reference evaluator reads it, for the fields of a table. Raises RefusedRuleError."""
    return reference.read(document(rule), zone=UTC, resolve=fields_of(fields).where_is)


def batches_of(file: File, tally: Tally, rejected: Callable[[Reject], object] = lambda _: None) -> Iterator[EventBatch]:
    """The batches of one file, as a scan makes them; what became of its records is in the tally."""
    state = file.path.stat()
    given = Input(file.name, file.path, state.st_size, datetime.fromtimestamp(state.st_mtime, UTC))
    stream = Stream(given)
    try:
        job = Job(source="", inputs=[given], zone=UTC)
        yield from batches(stream, detect(stream.sample), job, tally, rejected=rejected)
    finally:
        stream.close()


class RowByRow:
    """Rules, as the reference evaluator reads them, asked of every row of a batch that is routed to them."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.routes: dict[LogSource, list[Rule]] = {}
        for rule in rules:
            self.routes.setdefault(rule.logsource, []).append(rule)
        self.asked = 0

    def hits(self, batch: EventBatch) -> Iterator[Hit]:
        """What holds in one batch; `asked` counts the questions: a rule, a row."""
        events: list[dict[str, Any]] | None = None
        for logsource, rules in self.routes.items():
            held = routed(logsource, batch)
            if held is None or not held.any():
                continue
            events = events_of(batch) if events is None else events
            rows = [int(row) for row in np.flatnonzero(held)]
            self.asked += len(rows) * len(rules)
            for rule in rules:
                holds = truth(Path(rule.ref.path), batch.table.name)
                for row in rows:
                    if holds(events[row]):
                        yield rule.ref.id, batch.origin(row).file, batch.records[row]


@dataclass(frozen=True, slots=True)
class Both:
    """What the two found in the same columns. `events` and `asked` count events, and pairs of rule and event."""

    engine: frozenset[Hit]
    rowwise: frozenset[Hit]
    events: int
    asked: int


def both(rules: Sequence[Rule], files: Iterable[File]) -> Both:
    """The hits of the engine and of the row-by-row evaluator in some files."""
    matcher, slow, events = Matcher(plan(rules)), RowByRow(rules), 0
    engine: set[Hit] = set()
    rowwise: set[Hit] = set()
    for file in files:
        for batch in batches_of(file, Tally()):
            events += batch.rows
            rowwise.update(slow.hits(batch))
            for match in matcher.matches(batch):
                engine.update((match.rule.ref.id, file.name, batch.records[row]) for row in match.rows)
    return Both(frozenset(engine), frozenset(rowwise), events, slow.asked)
