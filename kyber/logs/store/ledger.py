"""What was sent where: the ledger of one destination, kept in the index of the embedded store.

Of each segment it knows how many of its rows, from the first on, are settled: delivered, there already, or refused for
good. A refused document stands in full beside it, with the reason, until it is sent again or its time is up. So what
was stored = delivered + refused + pending, whatever died when. A segment whose row stands here was begun: what comes
after the settled rows may have been sent, and is asked for before it is sent again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from datetime import date
from typing import Final

from kyber.logs.store.index import EVENTS, UNDATED, Index, SegmentInfo, StoreError

MAX_REASON: Final = 1_000
"""Characters of the reason for which a document was refused that are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipment:
    """One line of the ledger: events of one source that were settled together, at a time (microseconds).

    events = created + known + refused; `records` are those in them, `known` were there already, `size` is in bytes.
    Documents that had been refused and were taken later are no more events: they are taken from `refused`.
    """

    source: str
    at: int
    events: int = 0
    records: int = 0
    created: int = 0
    known: int = 0
    refused: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A document that the destination does not take: what it was, why, and since when (`at`, microseconds)."""

    id: str
    source: str
    day: str
    at: int
    status: int
    reason: str
    held: int
    action: bytes
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """The ledger of one source at a destination, added up.

    What is stored = delivered + refused + pending + forgotten - gone. `known`: those of the delivered that were there
    already; `forgotten`: refused documents that retention deleted; `gone`: events that were settled and that retention
    deleted here since. `oldest`: when the oldest of what is pending was collected (microseconds).
    """

    source: str
    delivered: int = 0
    known: int = 0
    refused: int = 0
    pending: int = 0
    pending_bytes: int = 0
    forgotten: int = 0
    gone: int = 0
    oldest: int | None = None
    last: int | None = None


_DAY: Final = 86_400_000_000
_EPOCH: Final = date(1970, 1, 1)
_SHIPMENT: Final = tuple(one.name for one in fields(Shipment))
_REFUSED: Final = tuple(one.name for one in fields(Refused))


class Ledger:
    """The ledger of one destination. Raises StoreError where it cannot be written."""

    def __init__(self, index: Index, destination: str) -> None:
        """`destination`: what names it, whatever its address: the cluster's own id and the namespace."""
        self._index = index
        self.destination = destination

    @staticmethod
    def destinations(index: Index) -> list[tuple[str, str]]:
        """Every destination to which something was sent: what names it, and the address where it was last."""
        return [(name, address) for name, address in index.run("select name, address from destinations order by id")]

    def open(self, at: int, address: str) -> None:
        """Make the destination known, so that what is stored is pending for it."""
        with self._index.transaction():
            self._index.run(
                "insert into destinations (name, address, since) values (?, ?, ?) "
                "on conflict (name) do update set address = excluded.address where address != excluded.address",
                (self.destination, address, at),
            )

    def drop(self) -> None:
        """Forget the destination: what was sent there, and the documents that it refused. Nothing is pending for it
        any more; who ships there again sends everything."""
        mine = self._id
        with self._index.transaction():
            for table in ("refused", "shipments", "sent"):
                self._index.run(f"delete from {table} where destination = ?", (mine,))  # noqa: S608
            self._index.run("delete from destinations where id = ?", (mine,))

    @property
    def _id(self) -> int:
        found = self._index.run("select id from destinations where name = ?", (self.destination,))
        return int(found[0][0]) if found else 0

    # --- sending ---

    def pending(self, limit: int = 100) -> list[tuple[SegmentInfo, bool]]:
        """The segments with rows that are not settled, the oldest first; and whether each was begun. Raises StoreError
        where the ledger cannot be right."""
        names = ", ".join(f"segments.{one.name}" for one in fields(SegmentInfo))
        wrong = self._index.run(
            "select path from segments join sent on segment = segments.id where destination = ? and kind = ? "
            "and (typeof(settled) != 'integer' or settled not between 0 and rows) limit 1",
            (self._id, EVENTS),
        )
        if wrong:
            raise StoreError(
                f"{self._index.file} says of {wrong[0][0]} that other events were sent than it has: bring it back "
                "from a backup"
            )
        found = self._index.run(
            f"select segment is not null, {names} from segments left join sent on segment = segments.id "  # noqa: S608
            "and destination = ? where kind = ? and coalesce(settled, 0) < rows order by segments.id limit ?",
            (self._id, EVENTS, limit),
        )
        return [(self._index.segment(row), bool(begun)) for begun, *row in found]

    def _settled(self, segment: int, destination: int) -> int | None:
        found = self._index.run(
            "select settled from sent where segment = ? and destination = ?", (segment, destination)
        )
        return int(found[0][0]) if found else None

    def begin(self, segment: int) -> int | None:
        """Say that a segment is about to be sent: how many rows were settled before, None where it is gone."""
        mine = self._id
        with self._index.transaction():
            self._index.run(
                "insert or ignore into sent select ?, ?, 0 where exists (select 1 from segments where id = ?)",
                (segment, mine, segment),
            )
        return self._settled(segment, mine)

    def settle(self, segment: int, upto: int, shipment: Shipment, refused: Sequence[Refused]) -> None:
        """The rows of a segment before `upto` are settled; all or nothing."""
        mine = self._id
        with self._index.transaction():
            self._index.run("update sent set settled = ? where segment = ? and destination = ?", (upto, segment, mine))
            self._note(mine, shipment)
            self._refuse(mine, refused)

    def _note(self, mine: int, shipment: Shipment) -> None:
        self._index.run(
            f"insert into shipments (destination, {', '.join(_SHIPMENT)}) values (?{', ?' * len(_SHIPMENT)})",  # noqa: S608
            (mine, *astuple(shipment)),
        )

    def _refuse(self, mine: int, refused: Sequence[Refused]) -> None:
        self._index.run_many(
            f"insert into refused (destination, {', '.join(_REFUSED)}) values (?{', ?' * len(_REFUSED)}) "  # noqa: S608
            "on conflict (destination, id) do update set status = excluded.status, reason = excluded.reason",
            [(mine, *astuple(one)) for one in refused],
        )

    # --- what was refused ---

    def refused(self, after: str = "", limit: int = 1_000) -> list[Refused]:
        """Documents that were refused, by id, from an id on; `limit` of them at most."""
        found = self._index.run(
            f"select {', '.join(_REFUSED)} from refused where destination = ? and id > ? order by id limit ?",  # noqa: S608
            (self._id, after, limit),
        )
        return [Refused(**dict(zip(_REFUSED, row, strict=True))) for row in found]

    def resolve(self, shipment: Shipment, taken: Sequence[str], refused: Sequence[Refused]) -> None:
        """Some documents that were refused have been sent again: those that were taken are, the others stay refused."""
        mine = self._id
        with self._index.transaction():
            self._index.run_many("delete from refused where destination = ? and id = ?", [(mine, one) for one in taken])
            self._note(mine, shipment)
            self._refuse(mine, refused)

    def forget(self, before: Mapping[str, date], *, dry_run: bool = False) -> int:
        """Delete the refused documents of each source that are of a day before another, the undated ones by when they
        were refused; how many that is."""
        mine, count = self._id, 0
        with self._index.transaction():
            for source, day in before.items():
                asked = (mine, source, UNDATED, (day - _EPOCH).days * _DAY, day.isoformat())
                where = "destination = ? and source = ? and iif(day = ?, at < ?, day < ?)"
                ((number,),) = self._index.run(f"select count(*) from refused where {where}", asked)  # noqa: S608
                if number and not dry_run:
                    self._index.run(f"delete from refused where {where}", asked)  # noqa: S608
                count += number
        return count

    # --- what it adds up to ---

    def totals(self) -> dict[str, Delivery]:
        """The ledger by source, and what is pending."""
        mine = self._id
        refused = dict[str, int](
            self._index.run("select source, count(*) from refused where destination = ? group by source", (mine,))
        )
        stored = {
            source: rest
            for source, *rest in self._index.run(
                "select source, sum(coalesce(settled, 0)), sum(rows - coalesce(settled, 0)), "
                "sum(cast(size * 1.0 * (rows - coalesce(settled, 0)) / max(rows, 1) as integer)), "
                "min(case when coalesce(settled, 0) < rows then collected end) "
                "from segments left join sent on segment = segments.id and destination = ? where kind = ? "
                "group by source",
                (mine, EVENTS),
            )
        }
        shipped = {
            source: rest
            for source, *rest in self._index.run(
                "select source, sum(events), sum(created), sum(known), sum(refused), max(at) from shipments "
                "where destination = ? group by source",
                (mine,),
            )
        }
        found = {}
        for source in dict.fromkeys((*shipped, *stored)):
            events, created, known, ever, last = shipped.get(source, (0, 0, 0, 0, None))
            settled, pending, size, oldest = stored.get(source, (0, 0, 0, None))
            now = refused.get(source, 0)
            found[source] = Delivery(
                source=source,
                delivered=created + known,
                known=known,
                refused=now,
                pending=pending,
                pending_bytes=size,
                forgotten=ever - now,
                gone=events - settled,
                oldest=oldest,
                last=last,
            )
        return found

    def pending_bytes(self) -> int:
        """Bytes of what is stored and not settled."""
        return sum(one.pending_bytes for one in self.totals().values())
