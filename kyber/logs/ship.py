"""Shipping: what is stored and a destination has not got -> documents there; nothing lost, nothing twice.

Segments are sent in the order in which they were stored, a few requests at a time, and the ledger moves on in the order
of the rows. Delivery is at least once. Ids make its effect once: `create` is refused by a data stream that has the id
already. Only the newest index of a stream knows its ids, though, so where it is not certain what became of a request (a
lost answer, a process that died) the stream is first asked which of the ids it has.

A document that the cluster fails at (5xx) is sent again, in the end by itself. Where the cluster fails then, too, while
it takes others, the document is at fault: it counts as refused, so that it holds up nothing.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Final

import numpy as np

from kyber.logs.batch import EventBatch
from kyber.logs.store.cluster import AwayError, Cluster, ClusterError, TooLargeError, Verdict
from kyber.logs.store.document import Document, Sending, documents
from kyber.logs.store.index import SegmentInfo, StoreError
from kyber.logs.store.ledger import MAX_REASON, Ledger, Refused, Shipment
from kyber.logs.store.parquet import ParquetStore
from kyber.logs.store.templates import stream

BODY: Final = 5 * 2**20
"""Bytes of one bulk request, about."""
SENDERS: Final = 3
"""Requests that are under way at the same time."""
ROWS: Final = 512
"""Events that are made into documents at once."""
FIRST_WAIT: Final = 0.5
"""Seconds, at most, before something is sent again for the first time; each further time twice as many."""
LONGEST_WAIT: Final = 30.0
"""Seconds, at most, between two attempts."""
NOTICED: Final = 0.5
"""Seconds, at most, until an interruption is noticed by who waits for a shipper in another thread."""
LEAST: Final = 10.0
"""Seconds for which any answer is waited for, however little patience is left: a cluster at work takes some."""
TOGETHER: Final = 2
"""How often documents are sent together where the cluster fails at some (5xx), before those are sent one by one."""
ALONE: Final = 5
"""How often a document is sent by itself and the cluster fails at it, before it counts as refused."""
FEW: Final = 32
"""Documents, at most, that are sent one by one between two waits."""

_STOPS: Final = frozenset((401, 403, 404))
"""What an item is answered with where not the event is at fault but rights, or a setup that was never made."""


def destination(cluster: Cluster, namespace: str) -> str:
    """What names a place to which events are sent, whatever its address. Raises ClusterError."""
    return f"{cluster.features().uuid}/{namespace}"


class StoppedError(Exception):
    """Shipping was told to stop; what is not settled is sent the next time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipped:
    """What shipping did so far: events by what became of them, and bytes of requests that were answered.

    `again` counts what had to be sent more than once; `waiting` says why nothing goes on just now, if so.
    """

    created: int = 0
    known: int = 0
    refused: int = 0
    again: int = 0
    size: int = 0
    waiting: str = ""

    @property
    def events(self) -> int:
        return self.created + self.known + self.refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How shipping knows time and chance, so that tests can say what they are.

    `now`: microseconds since the epoch; `clock`: seconds that only go forward; `pause`: waits so many seconds, and says
    whether to stop; `chance`: between 0 and 1. `patience`: seconds for which a cluster may be away, without
    any progress meanwhile, until it is given up; None: for ever.
    """

    now: Callable[[], int]
    clock: Callable[[], float]
    pause: Callable[[float], bool]
    chance: Callable[[], float]
    patience: float | None = None


@dataclass(frozen=True, slots=True)
class _Parcel:
    """Documents that are sent in one request: of the rows of a segment before `upto`."""

    segment: SegmentInfo
    documents: Sequence[Document]
    upto: int


@dataclass(frozen=True, slots=True)
class _Outcome:
    created: int
    known: int
    refused: tuple[tuple[Document, Verdict], ...]


class Shipper:
    """Sends what one store holds to one destination. To be used by one thread; it has its own senders."""

    def __init__(
        self,
        folder: Path,
        cluster: Cluster,
        namespace: str,
        timing: Timing,
        told: Callable[[Shipped], None] = lambda _: None,
    ) -> None:
        """`folder`: of the store. `told` hears of every parcel that was settled, and of waiting."""
        self.folder, self.cluster, self.namespace = folder, cluster, namespace
        self.timing, self.told = timing, told
        self.destination = ""
        """What names the destination, once the cluster was asked."""
        self.done = Shipped()
        self.damaged: dict[int, StoreError] = {}
        """Segments that could not be read, and why: they stay pending."""
        self._streams: set[str] = set()
        self._stop, self._leave = Event(), Event()
        self._lock = Lock()
        self._away: float | None = None  # since when nothing has gone on
        self._moved = float("-inf")  # when something last did
        self._taken = 0  # documents that got a verdict of their own: the cluster works

    def refresh(self) -> None:
        """Let what was sent be found at once; where the rights for that are missing, it is in some seconds."""
        with suppress(ClusterError):
            for name in sorted(self._streams):
                self.cluster.refresh(name)

    def stop(self) -> None:
        """Let what is under way come to an end; for any thread."""
        self._stop.set()

    def drain(self) -> None:
        """Send all that is pending now.

        Raises AwayError where the cluster stays away longer than patience lasts, ClusterError where waiting does not
        mend it, StoppedError, StoreError.
        """
        self._leave.clear()
        with closing(ParquetStore(self.folder)) as store:
            ledger = self._ledger(store)
            under_way: deque[tuple[_Parcel, Future[_Outcome]]] = deque()
            with ThreadPoolExecutor(SENDERS, thread_name_prefix="kyber-ship") as senders:
                try:
                    while found := [
                        one for one in ledger.pending(100 + len(self.damaged)) if one[0].id not in self.damaged
                    ]:
                        for info, begun in found:
                            self._check_stop()
                            with store.reading():
                                for parcel in self._readable(store, ledger, info):
                                    if len(under_way) >= SENDERS:
                                        self._settle(ledger, *under_way.popleft())
                                    sent = senders.submit(self._delivered, parcel.documents, info.source, begun)
                                    under_way.append((parcel, sent))
                        while under_way:
                            self._settle(ledger, *under_way.popleft())
                except BaseException:
                    self._leave.set()  # the other senders need not go on trying
                    for _, one in under_way:  # what comes after one that failed is not settled, whatever became of it
                        one.cancel()
                    raise

    def waiting(self, store: ParquetStore) -> int:
        """Bytes in a store that are not settled; of a cluster that was never there yet, all. Raises StoreError."""
        known = Ledger.destinations(store.index)
        there = [name for name, at in known if at == self.cluster.name and name.endswith(f"/{self.namespace}")]
        return Ledger(store.index, self.destination or "".join(there[-1:])).pending_bytes()

    def _ledger(self, store: ParquetStore) -> Ledger:
        """The ledger of the cluster, which is asked who it is, and waited for. Raises as `drain`."""
        tries, known = 0, bool(self.destination)
        while not self.destination:
            self._check_stop()
            begun = self.timing.clock()
            try:
                self.destination = destination(self._asked(), self.namespace)
                self._moves()
            except AwayError as error:
                tries = self._wait(tries, error, begun)
        ledger = Ledger(store.index, self.destination)
        ledger.open(self.timing.now(), self.cluster.name)
        if known and ledger.pending(1):
            self._check_same()
        return ledger

    def _readable(self, store: ParquetStore, ledger: Ledger, info: SegmentInfo) -> Iterator[_Parcel]:
        """What is left of a segment as parcels, up to where it cannot be read: then it is noted as damaged."""
        settled = ledger.begin(info.id)
        if settled is None:  # merged or deleted since it was listed
            return
        try:
            batch = store.batch(info)
            if batch.rows != info.rows:
                raise StoreError(
                    f"{info.path} holds {batch.rows} events, and not {info.rows}: bring it back from a backup"
                )
            yield from self._parcels(batch, info, settled)
        except StoreError as error:
            self.damaged[info.id] = error

    def _parcels(self, batch: EventBatch, info: SegmentInfo, settled: int) -> Iterator[_Parcel]:
        """The rows that are not settled as parcels, in order. Raises StoreError."""
        size, made = 0, list[Document]()
        for start in range(settled, batch.rows, ROWS):
            rows = np.arange(start, min(start + ROWS, batch.rows))
            now = self.timing.now()
            sending = Sending(day=info.day, collected=info.collected, ingested=now, namespace=self.namespace)
            for row, one in zip(rows.tolist(), documents(batch, rows, sending), strict=True):
                if made and size + one.size > BODY:
                    yield _Parcel(info, made, row)
                    made, size = [], 0
                made.append(one)
                size += one.size
        if made:
            yield _Parcel(info, made, batch.rows)

    def _settle(self, ledger: Ledger, parcel: _Parcel, outcome: "Future[_Outcome]") -> None:
        """Wait for what became of a parcel, and write it to the ledger. Raises what sending raised."""
        found, info = outcome.result(), parcel.segment
        self._streams.add(stream(info.source, self.namespace))
        now = self.timing.now()
        size = sum(one.size for one in parcel.documents)
        shipment = Shipment(
            source=info.source,
            at=now,
            events=len(parcel.documents),
            records=sum(one.held for one in parcel.documents),
            created=found.created,
            known=found.known,
            refused=len(found.refused),
            size=size,
        )
        ledger.settle(info.id, parcel.upto, shipment, [_refused(one, why, info, now) for one, why in found.refused])
        done = self.done
        self._tell(
            created=done.created + found.created,
            known=done.known + found.known,
            refused=done.refused + len(found.refused),
            size=done.size + size,
        )

    def _tell(self, **changes: int | str) -> None:
        with self._lock:  # also while it is told, so that what came later is told later
            self.done = replace(self.done, **{"waiting": "", **changes})  # type: ignore[arg-type]
            self.told(self.done)

    def _delivered(self, parcel: Sequence[Document], source: str, uncertain: bool, attempts: int = ALONE) -> _Outcome:
        """Send documents until each has a verdict. `uncertain`: some may be there already, in whichever index;
        `attempts`: how often each is sent by itself where the cluster fails at it.

        Raises AwayError, ClusterError, StoppedError.
        """
        left, tries = list(parcel), 0
        together, alone = 0, Counter[str]()  # how often the cluster failed at some of them, and at each by itself
        before: int | None = None  # what was taken before it first did
        created = known = 0
        refused: list[tuple[Document, Verdict]] = []
        while left:
            self._check_stop()
            begun, taken, singly = self.timing.clock(), self._taken, False
            try:
                if uncertain:
                    there = self._asked().present(stream(source, self.namespace), [one.id for one in left])
                    known += sum(one.id in there for one in left)
                    if there:
                        tries = self._moves()
                    left, uncertain = [one for one in left if one.id not in there], False
                    if not left:
                        break
                singly = together >= TOGETHER or len(left) == 1
                sent = left[:FEW] if singly else left
                verdicts = self._sent(sent, singly)
            except TooLargeError as error:
                if len(left) == 1:
                    return _Outcome(created, known, (*refused, (left[0], Verdict(413, "", str(error)))))
                halves = [
                    self._delivered(half, source, uncertain or singly, attempts) for half in (left[::2], left[1::2])
                ]
                return _Outcome(
                    created + sum(one.created for one in halves),
                    known + sum(one.known for one in halves),
                    (*refused, *(one for half in halves for one in half.refused)),
                )
            except AwayError as error:
                uncertain = True
                tries = self._wait(tries, error, begun)
                self._check_same()
                continue
            self._stand_by(verdicts, source)
            again: list[Document] = []
            failed = any(one.status >= 500 for one in verdicts)
            if failed:
                together, before = together + 1, taken if before is None else before
            for one, verdict in zip(sent, verdicts, strict=True):
                if verdict.status in (200, 201):
                    created += 1
                elif verdict.status == 409:
                    known += 1
                elif verdict.status == 429 or verdict.status >= 500:
                    again.append(one)
                else:
                    refused.append((one, verdict))
            if len(again) < len(sent):
                tries = self._moves(len(sent) - len(again))
            if failed and singly:
                alone.update(one.id for one, verdict in zip(sent, verdicts, strict=True) if verdict.status >= 500)
                at_fault = {one.id for one in again if alone[one.id] >= attempts}
                others = len(parcel) == 1 or (before is not None and self._taken > before)
                if at_fault and others and self._asked().works(stream(source, self.namespace)):
                    refused += [both for both in zip(sent, verdicts, strict=True) if both[0].id in at_fault]
                    again, tries = [one for one in again if one.id not in at_fault], self._moves()
            left, uncertain = [*left[len(sent) :], *again], failed
            if again:
                with self._lock:
                    self.done = replace(self.done, again=self.done.again + len(again))
                busy = next(one for one in verdicts if one.status == 429 or one.status >= 500)
                why = AwayError(f"{self.cluster.name} takes no more for now: {busy.reason}")
                tries = self._wait(tries, why, begun)
        return _Outcome(created, known, tuple(refused))

    def _sent(self, documents: Sequence[Document], singly: bool) -> list[Verdict]:
        """Send documents, together or each by itself. Raises AwayError, ClusterError."""
        requests = [[one] for one in documents] if singly else [documents]
        return [
            verdict
            for some in requests
            for verdict in self._asked().bulk(
                [line for one in some for line in (one.action, one.body)], into_streams=True
            )
        ]

    def _asked(self) -> Cluster:
        """The cluster, which has as long to answer as there is patience left."""
        if self.timing.patience is None:
            return self.cluster
        now, since = self.timing.clock(), self._away
        return self.cluster.within(max(LEAST, self.timing.patience - (now - (now if since is None else since))))

    def _moves(self, taken: int = 0) -> int:
        """Something goes on, after no failed attempts by now; `taken`: documents that got a verdict of their own."""
        with self._lock:
            self._away, self._moved, self._taken = None, self.timing.clock(), self._taken + taken
        return 0

    def _stand_by(self, verdicts: Sequence[Verdict], source: str) -> None:
        """Raises ClusterError where it is not the events that are at fault: they stay pending."""
        for one in verdicts:
            if one.status in _STOPS:
                name = stream(source, self.namespace)
                remedy = f"run `kyber logs setup`: nothing is laid down for the namespace {self.namespace} there"
                if one.status != 404:
                    remedy = "give the user or key the privileges of docs/elasticsearch.md, and run `kyber logs setup`"
                raise ClusterError(
                    f"{self.cluster.name} does not let {name} be written ({one.status}): {one.reason}\n{remedy}"
                )

    def _check_same(self) -> None:
        """Raises ClusterError where another cluster answers by now, which may have nothing of what this one has."""
        try:
            found = f"{self._asked().uuid()}/{self.namespace}"
        except AwayError:  # the next attempt meets the same
            return
        if found != self.destination:
            raise ClusterError(f"another cluster answers at {self.cluster.name}: ship again, and it gets all events")

    def _wait(self, tries: int, why: AwayError, begun: float) -> int:
        """Wait before the next attempt: with each a longer time, by chance. `begun`: when the failed one was, since the
        time that it took counts. Raises AwayError when patience is spent."""
        now, patience = self.timing.clock(), self.timing.patience
        with self._lock:
            since = self._away = max(begun, self._moved) if self._away is None else self._away
        if patience is not None and now - since >= patience:
            raise why
        self._tell(waiting=str(why))
        seconds = self.timing.chance() * min(LONGEST_WAIT, FIRST_WAIT * 2**tries)
        if self.timing.pause(seconds):
            self._stop.set()
        self._check_stop()
        return min(tries + 1, 16)

    def _check_stop(self) -> None:
        if self._stop.is_set() or self._leave.is_set():
            raise StoppedError

    # --- what was refused before ---

    def retry(self, sources: Sequence[str] | None = None) -> Shipped:
        """Send again what was refused. Raises as `drain`."""
        store = ParquetStore(self.folder)
        try:
            ledger = self._ledger(store)
            after = ""
            while found := ledger.refused(after=after):
                after = found[-1].id
                chosen = [one for one in found if sources is None or one.source in sources]
                for source in sorted({one.source for one in chosen}):
                    mine = [one for one in chosen if one.source == source]
                    self._retried(ledger, source, [one for one in mine if one.status < 500])
                    for one in mine:
                        if one.status >= 500:  # by itself, since only then it can be told from a cluster that fails
                            self._retried(ledger, source, [one], attempts=1)
        finally:
            store.close()
        return self.done

    def _retried(self, ledger: Ledger, source: str, found: Sequence[Refused], attempts: int = ALONE) -> None:
        for start in range(0, len(found), ROWS):
            some = found[start : start + ROWS]
            outcome = self._delivered(
                [Document(one.id, one.action, one.body, one.held) for one in some], source, True, attempts
            )
            still = {one.id: why for one, why in outcome.refused}
            now = self.timing.now()
            taken = [one for one in some if one.id not in still]
            shipment = Shipment(
                source=source,
                at=now,
                created=outcome.created,
                known=outcome.known,
                refused=-len(taken),
                size=sum(len(one.action) + len(one.body) + 2 for one in some),
            )
            kept = [
                replace(one, at=now, status=still[one.id].status, reason=still[one.id].reason[:MAX_REASON])
                for one in some
                if one.id in still
            ]
            ledger.resolve(shipment, [one.id for one in taken], kept)
            done = self.done
            self._tell(
                created=done.created + outcome.created,
                known=done.known + outcome.known,
                refused=done.refused + len(kept),
            )


def _refused(one: Document, why: Verdict, info: SegmentInfo, now: int) -> Refused:
    return Refused(
        id=one.id,
        source=info.source,
        day=info.day,
        at=now,
        status=why.status,
        reason=why.reason[:MAX_REASON],
        held=one.held,
        action=one.action,
        body=one.body,
    )


class Alongside:
    """A shipper at work beside whoever collects, in a thread of its own.

    As a context it stops the shipper in the end, whatever is pending; `finish` lets it send everything before.
    """

    def __init__(self, shipper: Shipper) -> None:
        self.shipper = shipper
        self.failure: BaseException | None = None
        self._more, self._last = Event(), Event()
        self._ended = Event()  # waited for instead of the thread: who is interrupted in join() takes it to be over
        self._thread = Thread(target=self._run, name="kyber-ship")

    def __enter__(self) -> "Alongside":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shipper.stop()
        self._last.set()
        self._more.set()
        self._wait_for_end()
        self._thread.join()

    def stored(self) -> None:
        """There is more to be sent."""
        self._more.set()

    def finish(self) -> None:
        """Wait until all that is stored is settled. Raises what `Shipper.drain` raises."""
        self._last.set()
        self._more.set()
        self._wait_for_end()
        self.check()

    def _wait_for_end(self) -> None:
        """In pieces: a signal that comes just before a wait begins is only noticed when the wait is over."""
        while not self._ended.wait(NOTICED):
            pass

    def check(self) -> None:
        """Raises what ended the shipper, if something did."""
        if self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        try:
            while True:
                last = self._last.is_set()
                self._more.clear()
                self.shipper.drain()
                if last:
                    return
                self._more.wait()
        except BaseException as error:
            self.failure = error
        finally:
            self._ended.set()
