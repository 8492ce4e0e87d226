"""What was sent where, as `kyber logs` tells it: the ledgers of a workspace in, lines out."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kyber.cli.console import plain, say

if TYPE_CHECKING:
    from datetime import date

    from kyber.logs.store.cluster import Cluster
    from kyber.logs.store.ledger import Delivery, Refused
    from kyber.logs.store.parquet import Deleted
    from kyber.text import Words
    from kyber.workspace import Workspace

FILES = "files"
"""The source of what is shipped by path, and the folder in the workspace's state where it waits."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What one store of the workspace sent to one destination, by source."""

    folder: Path
    name: str
    address: str
    sources: "Mapping[str, Delivery]"

    @property
    def namespace(self) -> str:
        return self.name.rpartition("/")[2]

    @property
    def cluster(self) -> str:
        """What names the cluster, whatever its address."""
        return self.name.rpartition("/")[0]

    @property
    def last(self) -> int | None:
        """When something was sent there last (microseconds)."""
        return max((one.last for one in self.sources.values() if one.last is not None), default=None)


def folders(here: "Workspace") -> list[Path]:
    """Where events are stored: those of the sources, and those of what was shipped by path."""
    from kyber.logs.store.parquet import ParquetStore

    return [folder for folder in (here.state, here.state / FILES) if ParquetStore.exists(folder)]


def sent(here: "Workspace") -> list[Sent]:
    """Every destination, with its ledger. Raises StoreError."""
    from kyber.logs.store.ledger import Ledger
    from kyber.logs.store.parquet import ParquetStore

    found = []
    for folder in folders(here):
        with closing(ParquetStore(folder)) as store:
            for name, address in Ledger.destinations(store.index):
                found.append(Sent(folder, name, address, Ledger(store.index, name).totals()))
    return found


def lines(one: Sent, now: datetime) -> Iterator[dict[str, Any]]:
    """A ledger as JSON objects, one a source; `lag` in seconds."""
    from kyber.logs.values import iso

    for source, delivery in sorted(one.sources.items()):
        known = asdict(delivery)
        for name in ("oldest", "last"):
            known[name] = iso(known[name])
        lag = None if delivery.oldest is None else round(now.timestamp() - delivery.oldest / 1e6)
        place = {"destination": one.address, "cluster": one.cluster, "namespace": one.namespace}
        yield {**place, **known, "source": source, "lag": lag}


def show(found: list[Sent], now: datetime, words: "Words", *, verbose: bool = False) -> None:
    """The ledgers as tables; the whole of them where it is `verbose`."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from kyber.render.amounts import duration

    console = Console()
    for one in found:
        console.print()
        twins = sum((one.address, one.namespace) == (other.address, other.namespace) for other in found) > 1
        key = "ship.destination-of" if verbose or twins else "ship.destination"
        place = {name: plain(getattr(one, name)) for name in ("address", "cluster", "namespace")}
        said = words(key, **place)
        console.print(Text(said))
        table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
        table.add_column(words("logs.column.source"), overflow="fold")
        more = ("known", "forgotten", "gone") if verbose else ()
        for name in ("delivered", "refused", "pending", "lag", *more):
            table.add_column(words(f"ship.column.{name}"), justify="right")
        for source, delivery in sorted(one.sources.items()):
            lag = None if delivery.oldest is None else max(0.0, now.timestamp() - delivery.oldest / 1e6)
            table.add_row(
                Text(plain(source), "bold"),
                words.number(delivery.delivered),
                Text(words.number(delivery.refused), "yellow" if delivery.refused else ""),
                words.number(delivery.pending),
                "–" if lag is None else duration(lag, words),
                *(words.number(getattr(delivery, name)) for name in more),
            )
        console.print(table)


def refused(one: Sent, sources: list[str] | None = None) -> "Iterator[Refused]":
    """What a destination refused for good, with the documents. Raises StoreError."""
    from kyber.logs.store.ledger import Ledger
    from kyber.logs.store.parquet import ParquetStore

    with closing(ParquetStore(one.folder)) as store:
        ledger, after = Ledger(store.index, one.name), ""
        while some := ledger.refused(after=after):
            after = some[-1].id
            yield from (found for found in some if not sources or found.source in sources)


def record_of(document: "Refused") -> str:
    """The record that a refused document is made of, as text. The document holds it in other forms as well, in which
    nobody would find a personal identity code."""
    import orjson

    try:
        found = orjson.loads(document.body)["event.original"]
    except (ValueError, KeyError, TypeError):
        return ""
    return found if isinstance(found, str) else ""


def forget_refused(here: "Workspace", before: "Mapping[str, date]", *, dry_run: bool) -> int:
    """Delete what was refused of days that are over; how many that is. Raises StoreError."""
    from kyber.logs.store.ledger import Ledger
    from kyber.logs.store.parquet import ParquetStore

    count = 0
    for one in sent(here):
        with closing(ParquetStore(one.folder)) as store:
            count += Ledger(store.index, one.name).forget(before, dry_run=dry_run)
    return count


def expired_there(
    here: "Workspace",
    cluster: "Cluster",
    namespace: str,
    before: "Mapping[str, date]",
    findings: "date",
    now: datetime,
    words: "Words",
    *,
    dry_run: bool,
) -> "list[Deleted]":
    """Delete in the cluster what is too old: events, where it does not do that itself, and the alerts of findings from
    before a day. What was deleted. Raises ClusterError."""
    from kyber.logs.expiry import expire, expire_alerts
    from kyber.logs.store.parquet import Deleted, record_deleted

    moment = round(now.timestamp() * 1_000_000)

    def record(one: Deleted) -> None:
        record_deleted(here.state, [one], moment, cluster.name)

    features, gone = cluster.features(), []
    if features.lifecycle or features.ilm:
        say(words("ship.deletes-itself", cluster=plain(cluster.name)), error=True)
    else:
        gone = expire(cluster, namespace, before, record, dry_run=dry_run)
    return [*gone, *expire_alerts(cluster, namespace, findings, record, dry_run=dry_run)]
