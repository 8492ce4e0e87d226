"""One step of the store's benchmark in a process of its own; prints its figures as one line of JSON.

`cpu` and `seconds` leave out what every command pays once, however much it reads: reading the rules (`reading`) and
planning them (`planning`). `memory` is the peak of the whole process, in bytes, and includes both.
"""

import gc
import json
import resource
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np

from bench.measure import Figures
from kyber.finding import ScanResult
from kyber.logs.batch import EventBatch
from kyber.logs.collect import collect
from kyber.logs.formats.known import detect
from kyber.logs.inputs import inputs
from kyber.logs.parse import Job, Tally, batches
from kyber.logs.scan import scan, scan_stored
from kyber.logs.schema import table
from kyber.logs.search.meaning import Need, needs, read
from kyber.logs.search.run import Searcher
from kyber.logs.search.when import Clock
from kyber.logs.sigma.rule import RuleSet, read_rules
from kyber.logs.store import Period
from kyber.logs.store.parquet import ParquetStore, writing
from kyber.logs.stream import Stream
from kyber.logs.values import NO_TIME, as_datetime, text

DAY: Final = 86_400_000_000
HOST: Final = "host.name"


def main() -> None:
    """`stored STEP ARGUMENT...`: measure it."""
    step, *arguments = sys.argv[1:]
    gc.disable()
    figures = STEPS[step](*arguments)
    figures["memory"] = peak()
    print(json.dumps(figures))


def peak() -> int:
    """The most memory that was held so far, in bytes: of this process and the largest of its children."""
    return 1024 * sum(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


@contextmanager
def timed(figures: Figures, before: str = "") -> Iterator[None]:
    """Adds CPU and wall seconds to the figures."""
    cpu, wall = time.process_time(), time.perf_counter()
    yield
    for name, took in (("cpu", time.process_time() - cpu), ("seconds", time.perf_counter() - wall)):
        figures[before + name] = figures.get(before + name, 0.0) + took


def files(given: str, rules: str) -> Figures:
    """The rules over the file."""
    figures, ruleset, now = _begun(rules)
    with timed(figures):
        result = scan([_job(given, now)], ruleset, now)
    return _found(figures, result)


def first(given: str, rules: str, folder: str) -> Figures:
    """What `kyber scan` does in a workspace that has stored nothing: collect, and scan what was stored."""
    figures, ruleset, now = _begun(rules)
    with writing(Path(folder), "bench") as store:
        with timed(figures, "collecting "):
            collected = collect([_job(given, now)], store, now)
        figures["collecting memory"] = peak()
        with timed(figures, "scanning "):
            result = scan_stored(store, ruleset, now, UTC, days=store.index.days(0))
    for name in ("cpu", "seconds"):
        figures[name] = figures[f"collecting {name}"] + figures[f"scanning {name}"]
    figures["stored"], figures["duplicate"] = collected.stored, collected.duplicate
    figures["size"] = sum(one.stat().st_size for one in Path(folder).rglob("*") if one.is_file())
    figures["segments"] = sum(1 for _ in Path(folder).rglob("*.parquet"))
    return _found(figures, result)


def second(folder: str, rules: str) -> Figures:
    """What `kyber scan --since` does: the rules over all that is stored."""
    figures, ruleset, now = _begun(rules)
    with closing(ParquetStore(Path(folder))) as store, timed(figures):
        result = scan_stored(store, ruleset, now, UTC)
    return _found(figures, result)


def forgotten(folder: str, rules: str) -> Figures:
    """The same when nothing is known of keywords from the scan before, as where a rule with keywords was changed."""
    with closing(sqlite3.connect(Path(folder) / "index.sqlite")) as index, index:
        index.execute("delete from answers")
    return second(folder, rules)


def busiest(folder: str) -> Figures:
    """The host and UTC day with the most events of all that are stored: the most that can be asked about one."""
    found: Counter[tuple[str, int]] = Counter()
    with closing(ParquetStore(Path(folder))) as store:
        for batch in store.events():
            column = batch.column(HOST)
            if column is None:
                continue
            rows = np.flatnonzero((column.codes >= 0) & (batch.times != NO_TIME))
            pairs = np.stack((column.codes[rows], batch.times[rows] // DAY))
            distinct, counts = np.unique(pairs, axis=1, return_counts=True)
            for (code, day), count in zip(distinct.T.tolist(), counts.tolist(), strict=True):
                found[text(column.values[code]), day] += count
    if not found:
        return {}
    (host, day), count = max(found.items(), key=lambda one: (one[1], one[0]))
    when = as_datetime(day * DAY)
    quoted = host.replace("\\", "\\\\").replace('"', '\\"')
    return {"query": f'{HOST}:"{quoted}"', "day": f"{when:%Y-%m-%d}", "count": count}


def search_store(folder: str, query: str, day: str) -> Figures:
    """`kyber search QUERY --between DAY DAY --count`, without its start-up."""

    def events(need: Need) -> Iterator[EventBatch]:
        with closing(ParquetStore(Path(folder))) as store:
            yield from store.events(need.period)

    return _searched(query, day, events)


def search_files(given: str, query: str, day: str) -> Figures:
    """The same with `--path FILE`."""

    def events(need: Need) -> Iterator[EventBatch]:
        job = _job(given, datetime.now(UTC))
        for one in job.inputs:
            with closing(Stream(one)) as stream:
                form = detect(stream.sample)
                yield from batches(stream, form, job, Tally(), need.columns(table(form.table)))

    return _searched(query, day, events)


def _searched(query: str, day: str, events: Callable[[Need], Iterator[EventBatch]]) -> Figures:
    figures: Figures = {}
    with timed(figures):
        clock = Clock(datetime.now(UTC), UTC)
        during: Period = clock.between(day, day)
        meant = read(query, clock, during)
        searcher = Searcher(meant)
        figures["found"] = sum(len(searcher.rows(batch)) for batch in events(needs(meant)))
    return {**figures, "events": searcher.events}


def _begun(rules: str) -> tuple[Figures, RuleSet, datetime]:
    """The rules, and what it took to read and plan them; planning, as a scan of nothing shows, is taken off again."""
    now, figures = datetime.now(UTC), Figures()
    wall = time.perf_counter()
    ruleset = read_rules([rules], {})
    figures["reading"] = time.perf_counter() - wall
    planning: Figures = {}
    with timed(planning):
        scan([], ruleset, now)
    figures["planning"] = planning["seconds"]
    figures["planning cpu"] = planning["cpu"]
    return figures, ruleset, now


def _found(figures: Figures, result: ScanResult) -> Figures:
    for name, once in (("cpu", figures["planning cpu"]), ("seconds", figures["planning"])):
        figures[name] -= once
        if f"scanning {name}" in figures:
            figures[f"scanning {name}"] -= once
    findings: Mapping[str, int] = {one.id: one.count for one in result.findings}
    return figures | {
        "rules": result.rules,
        "findings": findings,
        "blind": len(result.blind),
        "events": sum(one.events for one in result.inputs),
        "bytes": sum(one.read for one in result.inputs),
    }


def _job(given: str, now: datetime) -> Job:
    found, _ = inputs([given], now)
    return Job(source="bench", inputs=found, zone=UTC)


STEPS: Final[Mapping[str, Callable[..., Figures]]] = {
    "files": files,
    "first": first,
    "second": second,
    "forgotten": forgotten,
    "busiest": busiest,
    "search-store": search_store,
    "search-files": search_files,
}

if __name__ == "__main__":
    main()
