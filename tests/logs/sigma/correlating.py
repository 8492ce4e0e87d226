"""Rules and events as plain data in, bursts and findings out: what the tests of correlations share."""

import random
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import yaml

from kyber.logs.batch import EventBatch, LogSource, Origin, Parsed
from kyber.logs.schema import Clock, Table
from kyber.logs.sigma.asking import Awaited, sourced
from kyber.logs.sigma.correlate import Correlator
from kyber.logs.sigma.match import Matcher
from kyber.logs.sigma.occurrences import LIMIT, Gatherer, Occurrences, needs
from kyber.logs.sigma.plan import plan
from kyber.logs.sigma.rule import RuleSet, read_rules

TABLE = Table(
    name="bare",
    title="Fields under their own names",
    columns={},
    fields={},
    native=(),
    time=(Clock("time", utc=True),),
    services={},
    categories={},
    shown=("message",),
)


def ruleset_of(*documents: Mapping[str, Any]) -> RuleSet:
    """What these documents say, as one file."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "rules.yml"
        file.write_text("---\n".join(yaml.safe_dump(dict(one), sort_keys=False) for one in documents), encoding="utf-8")
        return read_rules([str(file)], {})


def batch_of(events: Sequence[Mapping[str, Any]], numbers: Sequence[int] | None = None, source: str = "") -> EventBatch:
    """Events as one batch. `numbers`: where each of them stands in its input, from 1."""
    at = list(numbers or range(1, len(events) + 1))
    raw = [orjson.dumps(event) for event in events]
    parsed = Parsed(events=[dict(event) for event in events], raw=raw, numbers=at, offsets=at)
    return sourced(EventBatch(parsed, Origin(source, "test", b"", ZoneInfo("UTC")), LogSource("test"), TABLE))


def gathered(
    ruleset: RuleSet, batches: Iterable[EventBatch], limit: int = LIMIT, as_of: int | None = None
) -> Occurrences:
    """What one gatherer makes of some batches."""
    into = Gatherer(ruleset.correlations, limit, as_of)
    matcher = Matcher(plan(ruleset.rules, ruleset.filters))
    for batch in batches:
        into.see(batch)
        for match in matcher.matches(batch):
            into.add(match, batch)
    return into.done()


def scattered(
    ruleset: RuleSet, events: Sequence[Mapping[str, Any]], seed: int, limit: int = LIMIT, most: int = 4
) -> Occurrences:
    """What several gatherers make of the events, shuffled, in batches of some size, put together in some order."""
    shuffler = random.Random(seed)
    numbered = list(enumerate(events, 1))
    shuffler.shuffle(numbered)
    pieces: list[list[EventBatch]] = [[] for _ in range(shuffler.randint(1, most))]
    while numbered:
        size = shuffler.randint(1, max(1, len(numbered)))
        cut, numbered = numbered[:size], numbered[size:]
        shuffler.choice(pieces).append(batch_of([event for _, event in cut], [at for at, _ in cut]))
    parts = [gathered(ruleset, piece, limit) for piece in pieces]
    shuffler.shuffle(parts)
    whole = Occurrences(needs(ruleset.correlations), limit)
    for part in parts:
        whole.merge(part)
    return whole


def correlator(
    ruleset: RuleSet, found: Occurrences, as_of: int | None = None, awaited: Sequence[Awaited] = ()
) -> Correlator:
    """The correlations of some rules over what was gathered."""
    return Correlator(ruleset.correlations, found, ruleset.rules, as_of, awaited)


def when(seconds: float) -> str:
    """A time so many seconds after the day began."""
    return datetime.fromtimestamp(1_767_225_600 + seconds, UTC).isoformat()
