"""The shipper against a cluster in memory that fails in every way: each event gets there once, the ledger adds up."""

import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kyber.logs import ship
from kyber.logs.collect import collect
from kyber.logs.inputs import inputs
from kyber.logs.parse import Job
from kyber.logs.ship import Alongside, Shipper, StoppedError, Timing
from kyber.logs.store.cluster import AwayError, Cluster, ClusterError, Features, TooLargeError, Verdict
from kyber.logs.store.index import Index, StoreError
from kyber.logs.store.ledger import Delivery, Ledger
from kyber.logs.store.parquet import ParquetStore, writing

ROOT = Path(__file__).parents[2]
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
NAMESPACE = "test"
FEATURES = Features(
    version="9.5.0", uuid="one", lifecycle=True, ilm=True, data_streams=True, delete_by_query=True, esql=True
)


class DeadError(BaseException):
    """The shipper's process was killed here."""


@dataclass
class Cloud:
    """A cluster in memory. `moves` says what is done with the next requests, in order: see `bulk`."""

    moves: list[str] = field(default_factory=list)
    poison: Callable[[str], bool] = lambda _: False
    most: int = 1_000_000
    streams: dict[str, list[set[str]]] = field(default_factory=dict)
    requests: int = 0
    shipper: Shipper | None = None
    name: str = "http://cluster:9200"
    known: Features = FEATURES
    lock: threading.RLock = field(default_factory=threading.RLock)

    def features(self) -> Features:
        return self.known

    def uuid(self) -> str:
        return self.known.uuid

    def within(self, seconds: float) -> "Cloud":
        return self

    def _move(self) -> str:
        self.requests += 1
        return self.moves.pop(0) if self.moves else "well"

    def roll(self) -> None:
        for backing in self.streams.values():
            backing.append(set())

    def present(self, index: str, ids: Sequence[str]) -> set[str]:
        with self.lock:
            match self._move():
                case "away" | "lost":
                    raise AwayError("away")
                case "killed":
                    raise DeadError
                case "roll":
                    self.roll()
            there = set[str]().union(*self.streams.get(index, []))
            return there & set(ids)

    def bulk(self, lines: Sequence[bytes], *, into_streams: bool = False) -> list[Verdict]:
        assert into_streams
        with self.lock:
            move = self._move()
            if len(lines) // 2 > self.most:
                raise TooLargeError("too large")
            match move:
                case "away":
                    raise AwayError("away")
                case "killed":
                    raise DeadError
                case "forbidden":
                    return [Verdict(403, "", "no") for _ in lines[::2]]
                case "roll":
                    self.roll()
                case "stop":
                    assert self.shipper is not None
                    self.shipper.stop()
            verdicts = [self._create(orjson.loads(line)["create"], move, n) for n, line in enumerate(lines[::2])]
            match move:
                case "lost":
                    raise AwayError("the answer was lost")
                case "lost, then roll":
                    self.roll()
                    raise AwayError("the answer was lost")
                case "done, then killed":
                    raise DeadError
                case "doubtful":
                    self.roll()
            return verdicts

    def _create(self, about: dict[str, str], move: str, number: int) -> Verdict:
        backing = self.streams.setdefault(about["_index"], [set()])
        if number % 2 and move in ("busy", "broken"):
            return Verdict({"busy": 429, "broken": 503}[move], "", move)
        if self.poison(about["_id"]):
            return Verdict(400, "", "document_parsing_exception: no")
        if about["_id"] in backing[-1]:
            return Verdict(409, "", "there")
        backing[-1].add(about["_id"])
        if number % 3 == 0 and move == "doubtful":
            return Verdict(500, "", "a node went away")
        return Verdict(201, "", "")

    def counted(self) -> Counter[str]:
        """How often each id is there, in all indices."""
        return Counter(one for backing in self.streams.values() for ids in backing for one in ids)


def timing(**how: Any) -> Timing:
    """No time passes, unless it is said."""
    return replace(
        Timing(now=lambda: 0, clock=lambda: 0.0, pause=lambda _: False, chance=lambda: 0.5, patience=None), **how
    )


def shipper_of(folder: Path, cloud: Cloud, **how: Any) -> Shipper:
    made: Any = cloud
    cloud.shipper = Shipper(folder / ".kyber", made, NAMESPACE, timing(**how))
    return cloud.shipper


def write(folder: Path, count: int, source: str = "server") -> None:
    """Collect so many lines of a new file, of two days in turn, into the store."""
    file = len(list(folder.glob("*.log")))
    log = folder / f"{file}.log"
    with log.open("a") as opened:
        for number in range(count):
            at = START + timedelta(days=number % 2, seconds=number)
            opened.write(f"{at:%Y-%m-%dT%H:%M:%SZ} host app[{number}]: line {number} of file {file}\n")
    now = datetime.now(UTC) + timedelta(days=1)
    job = Job(source=source, inputs=inputs([str(log)], now)[0], zone=UTC, format="syslog")
    with writing(folder / ".kyber", "the test") as store:
        collect([job], store, now)


def stored(folder: Path) -> list[str]:
    """The ids of all events in the store."""
    with closing(ParquetStore(folder / ".kyber")) as store:
        return [batch.event_id(row) for batch in store.events() for row in range(batch.rows)]


def totals(folder: Path, uuid: str = "one") -> Delivery:
    """The ledger, added up over all sources."""
    with closing(ParquetStore(folder / ".kyber")) as store:
        found = Ledger(store.index, f"{uuid}/{NAMESPACE}").totals().values()
    counts = ("delivered", "known", "refused", "pending", "gone")
    return Delivery(source="", **{name: sum(getattr(one, name) for one in found) for name in counts})


def adds_up(folder: Path, cloud: Cloud) -> Delivery:
    """The ledger, once it adds up, and what it says was delivered is there: each event once at most."""
    ids, there, said = stored(folder), cloud.counted(), totals(folder)
    assert len(ids) == len(set(ids)) == said.delivered + said.refused + said.pending, said
    assert said.gone == 0
    assert set(there.values()) <= {1}, "an event is there twice"
    assert said.delivered <= len(there) <= said.delivered + said.pending + said.refused
    assert there.keys() <= set(ids)
    return said


@contextmanager
def small(senders: int) -> Iterator[None]:
    """Requests of a few events, so that there are many."""
    with patch.object(ship, "BODY", 3_000), patch.object(ship, "ROWS", 5), patch.object(ship, "SENDERS", senders):
        yield


@contextmanager
def deadly(left: list[int]) -> Iterator[None]:
    """Each change of the ledger may be the shipper's last, just before it or just after: so many of them from now."""

    def seam(effect: Callable[..., Any]) -> Callable[..., Any]:
        def instead(*args: Any, **kwargs: Any) -> Any:
            step()
            made = effect(*args, **kwargs)
            step()
            return made

        return instead

    def step() -> None:
        left[0] -= 1
        if left[0] == 0:
            raise DeadError

    with ExitStack() as stack:
        for name in ("begin", "settle", "resolve", "open"):
            stack.enter_context(patch.object(Ledger, name, seam(getattr(Ledger, name))))
        yield


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of a few dozen events in small segments, some of which are merged when more come."""
    folder = tmp_path_factory.mktemp("store")
    for count in (9, 14, 11):
        write(folder, count)
    write(folder, 6, "other")
    return folder


@contextmanager
def copied(store: Path) -> Iterator[Path]:
    with TemporaryDirectory() as made:
        folder = Path(made) / "store"
        shutil.copytree(store, folder, copy_function=shutil.copy2)
        yield folder


MOVES = (
    *("well", "away", "lost", "lost, then roll", "done, then killed", "killed", "busy", "broken", "doubtful"),
    *("roll", "stop", "forbidden"),
)


@settings(max_examples=30)
@given(
    moves=st.lists(st.sampled_from(MOVES), max_size=40),
    deaths=st.lists(st.integers(1, 12), max_size=4),
    poisoned=st.sampled_from(("", "0", "37", "0123456789abcdef")),
    most=st.sampled_from((1, 2, 1_000_000)),
    senders=st.sampled_from((1, 3)),
    more=st.lists(st.integers(0, 3), max_size=3),
)
def test_whatever_fails_and_dies_each_event_is_there_once_and_the_ledger_adds_up_after_every_step(
    store: Path, moves: list[str], deaths: list[int], poisoned: str, most: int, senders: int, more: list[int]
) -> None:
    cloud = Cloud(moves=list(moves), poison=lambda one: one[-1] in poisoned, most=most)
    with copied(store) as folder, small(senders):

        def until_done(act: Callable[[Shipper], Any]) -> None:
            while True:
                left = [deaths.pop() if deaths else 0]
                try:
                    with deadly(left):
                        act(shipper_of(folder, cloud))
                    return
                except (DeadError, StoppedError, ClusterError):
                    adds_up(folder, cloud)
                if more and act is Shipper.drain:
                    write(folder, more.pop())

        until_done(Shipper.drain)
        said = adds_up(folder, cloud)
        bad = {one for one in stored(folder) if one[-1] in poisoned}
        assert (said.pending, said.refused) == (0, len(bad))
        assert set(cloud.counted()) == set(stored(folder)) - bad
        cloud.poison = lambda one: one[-1] in poisoned[:1]
        cloud.moves = list(moves)
        until_done(Shipper.retry)
        assert adds_up(folder, cloud).refused == sum(one[-1] in poisoned[:1] for one in bad)
        cloud.poison, cloud.moves = (lambda _: False), list(moves)
        until_done(Shipper.retry)
        said = adds_up(folder, cloud)
        assert (said.pending, said.refused, said.delivered) == (0, 0, len(stored(folder)))
        assert cloud.counted() == Counter(stored(folder))
        before = cloud.requests
        shipper_of(folder, cloud).drain()
        assert cloud.requests == before, "what was delivered is sent again"


def test_events_that_come_while_others_are_sent_are_sent_too(store: Path) -> None:
    cloud = Cloud(moves=["away", "lost, then roll", "busy"] * 3)
    with copied(store) as folder, small(3):
        with Alongside(shipper_of(folder, cloud)) as alongside:
            for _ in range(4):
                write(folder, 7)
                alongside.stored()
            alongside.finish()
        assert adds_up(folder, cloud).pending == 0
        assert cloud.counted() == Counter(stored(folder))


def test_patience_is_counted_from_when_the_cluster_went_away(store: Path) -> None:
    now = [0.0]

    def pause(seconds: float) -> bool:
        now[0] += seconds
        return False

    cloud = Cloud()
    with copied(store) as folder:
        shipper = shipper_of(folder, cloud, clock=lambda: now[0], pause=pause, patience=60.0)
        now[0] = 1_000_000.0
        cloud.moves = ["away"] * 5
        shipper.drain()
        assert adds_up(folder, cloud).pending == 0
        write(folder, 3)
        now[0], cloud.moves = 2_000_000.0, ["away"] * 1_000
        with pytest.raises(AwayError):
            shipper.drain()
        assert 60 <= now[0] - 2_000_000 <= 60 + ship.LONGEST_WAIT
        assert adds_up(folder, cloud).pending == 3
        cloud.moves = []
        shipper.drain()
        assert adds_up(folder, cloud).pending == 0


def test_waiting_grows_with_each_attempt_by_chance_and_has_an_end(store: Path) -> None:
    waited: list[float] = []

    def pause(seconds: float) -> bool:
        waited.append(seconds)
        return False

    cloud = Cloud(moves=["away"] * 12)
    with copied(store) as folder, patch.object(ship, "SENDERS", 1):
        shipper_of(folder, cloud, pause=pause, chance=lambda: 0.5).drain()
    assert waited[:3] == [0.25, 0.5, 1.0]
    assert waited[-1] == ship.LONGEST_WAIT / 2
    assert waited == sorted(waited)


def test_who_is_told_to_stop_while_waiting_stops_and_what_is_left_is_pending(store: Path) -> None:
    cloud = Cloud(moves=["away"] * 3)
    with copied(store) as folder:
        with pytest.raises(StoppedError):
            shipper_of(folder, cloud, pause=lambda _: True).drain()
        assert adds_up(folder, cloud).pending == len(stored(folder))


def test_another_cluster_at_the_same_address_is_noticed_after_it_was_away_and_gets_everything_anew(
    store: Path,
) -> None:
    cloud = Cloud(moves=["well", "away"])
    with copied(store) as folder, small(1):
        shipper = shipper_of(folder, cloud, pause=lambda _: moved())

        def moved() -> bool:
            cloud.known, cloud.streams = replace(FEATURES, uuid="two"), {}
            return False

        with pytest.raises(ClusterError, match="another cluster answers at http://cluster:9200: ship again"):
            shipper.drain()
        assert not cloud.counted(), "something was sent to a cluster that has not got the rest"
        shipper_of(folder, cloud).drain()
        assert cloud.counted() == Counter(stored(folder))
        assert totals(folder, "two").delivered == len(stored(folder))
        assert 0 < totals(folder, "one").delivered < len(stored(folder))


def test_another_cluster_at_the_same_address_is_noticed_when_there_is_something_new(store: Path) -> None:
    cloud = Cloud()
    with copied(store) as folder:
        shipper = shipper_of(folder, cloud)
        shipper.drain()
        cloud.known, cloud.streams = replace(FEATURES, uuid="two"), {}
        shipper.drain()
        write(folder, 1)
        with pytest.raises(ClusterError, match="another cluster"):
            shipper.drain()


def test_what_is_not_the_events_fault_stops_shipping_and_refuses_nothing(store: Path) -> None:
    cloud = Cloud(moves=["forbidden"])
    with copied(store) as folder:
        with pytest.raises(ClusterError, match=r"does not let logs-kyber\.\w+-test be written \(403\): no\n"):
            shipper_of(folder, cloud).drain()
        said = adds_up(folder, cloud)
        assert (said.refused, said.pending) == (0, len(stored(folder)))


def test_a_ledger_that_cannot_be_written_ends_shipping_and_loses_nothing(store: Path) -> None:
    cloud = Cloud()

    def full(*_: Any) -> None:
        raise StoreError("the disk is full")

    with copied(store) as folder, small(3):
        shipper = shipper_of(folder, cloud)
        with patch.object(Ledger, "settle", full), pytest.raises(StoreError, match="full"):
            shipper.drain()
        assert not shipper.damaged, "no segment is to blame"
        assert adds_up(folder, cloud).delivered == 0
        cloud.roll()
        shipper.drain()
        assert adds_up(folder, cloud).pending == 0
        assert cloud.counted() == Counter(stored(folder))


def test_a_segment_that_is_damaged_stays_pending_and_the_others_are_sent(store: Path) -> None:
    cloud = Cloud()
    with copied(store) as folder:
        file = min((folder / ".kyber" / "events").glob("server/*/*.parquet"))
        sound = file.read_bytes()
        file.write_bytes(sound[: len(sound) // 2])
        shipper = shipper_of(folder, cloud)
        shipper.drain()
        (why,) = shipper.damaged.values()
        assert file.name in str(why)
        file.write_bytes(sound)
        assert 0 < adds_up(folder, cloud).pending < len(stored(folder))
        shipper_of(folder, cloud).drain()
        assert adds_up(folder, cloud).pending == 0


def test_times_in_the_ledger_may_jump(store: Path) -> None:
    clocks = iter([10**15, -(10**15), 0, 4 * 10**15] * 1_000)
    cloud = Cloud(moves=["busy", "lost", "away"])
    with copied(store) as folder, small(1):
        shipper_of(folder, cloud, now=lambda: next(clocks)).drain()
        assert adds_up(folder, cloud).pending == 0


def test_what_is_written_stays_though_the_database_is_opened_elsewhere_in_the_process_and_in_another(
    tmp_path: Path,
) -> None:
    file = tmp_path / "index.sqlite"
    look = f"from kyber.logs.store.index import Index; from pathlib import Path; i = Index(Path({str(file)!r})); "
    with closing(Index(file)) as index, closing(Index(file)):
        subprocess.run([sys.executable, "-c", f"{look} i.close()"], cwd=ROOT, check=True)
        with index.transaction():
            index.set_state("found", 7)
        subprocess.run([sys.executable, "-c", f"{look} assert i.state('found') == 7; i.close()"], cwd=ROOT, check=True)
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_new_database_may_be_opened_by_many_at_once(tmp_path: Path) -> None:
    for number in range(20):
        with ThreadPoolExecutor(4) as many:
            list(many.map(lambda file: Index(file).close(), [tmp_path / f"{number}.sqlite"] * 4))


def test_a_cluster_in_memory_is_asked_no_more_than_a_real_one_can_answer() -> None:
    for name in ("bulk", "present", "features", "uuid"):
        assert callable(getattr(Cluster, name))
