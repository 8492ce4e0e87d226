"""A shipper in a process of its own, that can be killed and stopped; what it should have sent, and what is there.

`County(folder, url, namespace)` is a workspace with one source, `server`. `Killed(county, server, seed).run(…)` ships
its log while the shipper and the server are killed, and compares in the end what is in the cluster with what was
written. `python -m tests.elastic.shipping BODY ARGUMENT…` is `kyber ARGUMENT…` with requests of about BODY bytes.
"""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

from kyber.logs import ship
from kyber.logs.store.access import Access
from kyber.logs.store.cluster import AwayError, Cluster, Hit
from kyber.logs.store.ledger import Delivery, Ledger
from kyber.logs.store.parquet import ParquetStore
from kyber.logs.store.templates import every_stream, stream
from tests.elastic.server import Server, until

ROOT: Final = Path(__file__).parents[2]
START: Final = datetime(2026, 3, 1, tzinfo=UTC)
SOURCE: Final = "server"
SETTINGS: Final = "organisation: County\nlanguage: en\ntimezone: UTC\nstore: parquet\n"
REGISTERED: Final = "id: {name}\nname: {name}\nread:\n  paths: [logs/{name}*]\n  format: {form}\n"
DAYS: Final = 3
"""The days that the lines of a log are of."""
PEAK: Final = "KYBER_TEST_PEAK"
"""Names the file into which a shipper writes how much memory it took."""
_SURROUNDINGS: Final = {"PYTHONPATH": str(ROOT), "NO_COLOR": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}
AWAY: Final = 600
"""Seconds for which a shipper waits for a server: longer than one takes to start."""
SECONDS: Final = 900.0
"""After so many seconds without an event more, a test is over."""


@dataclass(frozen=True, slots=True)
class County:
    """A workspace whose source `server` is the log that `write` writes."""

    folder: Path
    url: str
    namespace: str

    @property
    def state(self) -> Path:
        return self.folder / ".kyber"

    def lay_out(self, form: str = "syslog", *more: str) -> "County":
        """Make the workspace, with further sources `more`."""
        (self.folder / "sources").mkdir(parents=True)
        (self.folder / "logs").mkdir()
        (self.folder / "kyber.yaml").write_text(SETTINGS)
        for name in (SOURCE, *more):
            (self.folder / "sources" / f"{name}.yaml").write_text(REGISTERED.format(name=name, form=form))
        return self

    def write(self, count: int, first: int = 0, *, ago: float = 3_600) -> list[str]:
        """Write so many lines at the end of the log, numbered from `first` on; the file looks so many seconds old."""
        log = self.folder / "logs" / f"{SOURCE}.log"
        step = timedelta(days=DAYS) / max(count, 1)
        lines = [
            f"{START + number * step:%Y-%m-%dT%H:%M:%S.%fZ} host{number % 7} app[{number % 999}]: line {first + number}"
            for number in range(count)
        ]
        with log.open("a", encoding="utf-8") as file:
            file.writelines(line + "\n" for line in lines)
        modified = time.time() - ago + first / 1e6
        os.utime(log, (modified, modified))
        return lines

    def add(self, *lines: str) -> None:
        """Write lines into a log of their own, which nobody has written to for an hour."""
        log = self.folder / "logs" / f"{SOURCE}{len(list((self.folder / 'logs').iterdir()))}.log"
        log.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        modified = time.time() - 3_600
        os.utime(log, (modified, modified))

    def options(self) -> list[str]:
        return ["--workspace", str(self.folder), "--url", self.url, "--namespace", self.namespace]

    def start(self, *arguments: str, body: int = ship.BODY, errors: int = subprocess.PIPE) -> "subprocess.Popen[str]":
        """`kyber logs …` as a process; `errors`: where its standard error goes."""
        return subprocess.Popen(
            [sys.executable, "-m", "tests.elastic.shipping", str(body), "logs", *arguments, *self.options()],
            cwd=ROOT,
            env={**os.environ, **_SURROUNDINGS, PEAK: str(self.folder / "peak")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )

    def run(self, *arguments: str) -> str:
        """What `kyber logs …` said, once it ended well."""
        child = self.start(*arguments)
        said, errors = child.communicate()
        assert child.returncode == 0, f"kyber logs {' '.join(arguments)} ended with {child.returncode}: {said}{errors}"
        return said

    def settled(self) -> int:
        """How many events are settled so far, as the ledger says; for whoever does not disturb it."""
        with (
            suppress(sqlite3.Error),
            closing(sqlite3.connect(f"file:{self.state / 'index.sqlite'}?mode=ro", uri=True)) as index,
        ):
            return int(index.execute("select coalesce(sum(settled), 0) from sent").fetchone()[0])
        return 0

    def stored(self) -> list[str]:
        """The ids of all events in the workspace's store."""
        with closing(ParquetStore(self.state)) as store:
            return [batch.event_id(row) for batch in store.events() for row in range(batch.rows)]

    def totals(self) -> dict[str, Delivery]:
        """The ledger of the last destination, by source."""
        with closing(ParquetStore(self.state)) as store:
            name, _ = Ledger.destinations(store.index)[-1]
            return Ledger(store.index, name).totals()


def ids_in(cluster: Cluster, namespace: str) -> Iterator[str]:
    """The id of every document in the data streams of a namespace, read over one point in time."""
    for hits in all_pages(cluster, every_stream(namespace), source=False, size=10_000):
        for hit in hits:
            yield hit["_id"]


def all_pages(
    cluster: Cluster,
    index: str,
    query: Mapping[str, Any] | None = None,
    *,
    source: Any,
    sort: Sequence[Any] = (),
    size: int,
) -> Iterator[list[Hit]]:
    """All hits of one point in time, some at a time."""
    body = {"_source": source} if query is None else {"_source": source, "query": query}
    with cluster.view(index) as view:
        yield from view.pages(body, (*sort, {"_shard_doc": "asc"}), size)


def lines_in(cluster: Cluster, namespace: str) -> Counter[str]:
    """The raw records in the data streams of a namespace, and how often each is there."""
    pages = all_pages(cluster, every_stream(namespace), source=["event.original"], size=10_000)
    return Counter(hit["_source"]["event.original"] for hits in pages for hit in hits)


def peak(process: int | str) -> int:
    """The most memory that a process has taken, in bytes (VmHWM); 0 where it is gone."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0
    return next((1_024 * int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")), 0)


@dataclass(slots=True)
class Killed:
    """One series of kills. What `run` finds wrong it adds to `wrong`; `counts` says what there was."""

    county: County
    server: Server
    seed: int
    body: int = ship.BODY
    counts: Counter[str] = field(default_factory=Counter)
    peaks: list[int] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    chance: Random = field(init=False)
    child: "subprocess.Popen[str] | None" = None

    def __post_init__(self) -> None:
        self.chance = Random(self.seed)

    def run(self, lines: int, *, shippers: int, servers: int) -> None:
        """Ship so many lines, kill so many shippers and so often the server meanwhile, and compare."""
        self.county.run("setup")
        self._write(lines)
        acts = ["shipper"] * shippers + ["server"] * servers
        self.chance.shuffle(acts)
        try:
            for number, act in enumerate(acts):
                self._await(self.chance.uniform(0.2, 0.8) / (len(acts) - number))
                if act == "shipper":
                    self._kill()
                else:
                    self._kill_server()
            self._await(1.0)
        finally:
            if self.child is not None:
                self.child.kill()
                self.child.communicate()
        self._compare()

    def _write(self, lines: int) -> None:
        self.county.write(lines, self.counts["lines written"])
        self.counts["lines written"] += lines

    def _await(self, share: float) -> None:
        """Let a shipper go on until so much of what is left is settled; 1: until it ends. Where it was too fast, there
        is more to do."""
        begun = self.county.settled()
        wanted = begun + share * (self.counts["lines written"] - begun)
        deadline = time.monotonic() + SECONDS
        while True:
            if self.child is None:
                self.child = self.county.start("ship", "--patience", str(AWAY), "--json", body=self.body)
                self.counts["shippers"] += 1
            code = self.child.poll()
            if code is not None:
                said, errors = self.child.communicate()
                assert code == 0, f"seed {self.seed}: the shipper ended with {code}: {said}{errors}"
                self.peaks.append(int((self.county.folder / "peak").read_text()))
                self.child = None
                if share == 1.0:
                    return
                self._write(max(1_000, self.counts["lines written"] // 10))
                wanted = self.county.settled() + 1
            now = self.county.settled()
            if share < 1.0 and now >= wanted and self.child is not None:
                return
            if now > begun:
                begun, deadline = now, time.monotonic() + SECONDS
            assert time.monotonic() < deadline, f"seed {self.seed}: nothing was settled for {SECONDS:.0f} s"
            time.sleep(0.01)

    def _kill(self) -> None:
        """Kill the shipper, and begin a new index, so that ids alone do not tell what is there."""
        assert self.child is not None
        self.peaks.append(peak(self.child.pid))
        self.child.send_signal(signal.SIGKILL)
        self.child.communicate()
        self.child = None
        self.counts["shippers killed"] += 1
        with Cluster(Access(urls=(self.server.url,))) as cluster, suppress(AwayError):
            if cluster.rollover(stream(SOURCE, self.county.namespace)):
                self.counts["rollovers"] += 1

    def _kill_server(self) -> None:
        self.server.kill()
        self.counts["servers killed"] += 1
        self.server.start()

    def _compare(self) -> None:
        written, namespace = self.counts["lines written"], self.county.namespace
        stored = self.county.stored()
        with Cluster(Access(urls=(self.server.url,))) as cluster:
            cluster.refresh(every_stream(namespace))
            count = cluster.count(every_stream(namespace))
            there = list(ids_in(cluster, namespace))
        distinct = set(there)
        said = self.county.totals()[SOURCE]
        self.counts |= {"documents, counted by a query": count, "distinct ids among them": len(distinct)}
        self.counts |= {"events stored": len(stored), "delivered": said.delivered, "of them, there already": said.known}
        self.counts |= {"refused": said.refused, "pending": said.pending}
        for sentence, holds in {
            "every line is stored once": len(stored) == len(set(stored)) == written,
            "a query counts every event": count == written,
            "each id is read over a point in time, once": len(there) == len(distinct) == written,
            "the ids are those that are stored": distinct == set(stored),
            "stored = delivered + refused + pending": len(stored) == said.delivered + said.refused + said.pending,
            "nothing is pending, or was refused": said.pending == said.refused == 0,
        }.items():
            if not holds:
                self.wrong.append(f"seed {self.seed}: it does not hold that {sentence}: {dict(self.counts)}")


def wait_for(what: str, holds: Callable[[], object], seconds: float = 60.0) -> None:
    """Poll until something holds. Raises TimeoutError."""
    until(what, seconds, holds)


def main(body: int, arguments: list[str]) -> None:
    """`kyber`, and then how much memory it took, into the file that KYBER_TEST_PEAK names."""
    from kyber.cli import main as kyber

    ship.BODY = body  # type: ignore[misc]
    sys.argv[1:] = arguments
    try:
        kyber()
    finally:
        Path(os.environ[PEAK]).write_text(str(peak("self")))


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # tests that run in the background have it ignored
    main(int(sys.argv[1]), sys.argv[2:])
