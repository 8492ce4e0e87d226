"""Which store a command looks at: the settings of a workspace and options in, a store that is open out."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

import typer

from kyber.errors import NothingReadError

if TYPE_CHECKING:
    from kyber.logs.store import Store
    from kyber.logs.store.elastic import ElasticStore
    from kyber.workspace import Workspace


COLLECT: Final = "`kyber scan` or `kyber logs collect` stores what sources hold"


class StoreName(StrEnum):
    """Where events are kept."""

    PARQUET = "parquet"
    ELASTICSEARCH = "elasticsearch"


WhichStore = Annotated[
    StoreName | None,
    typer.Option(
        "--store",
        help="Look for what is stored in the workspace (parquet) or in Elasticsearch; else as kyber.yaml says.",
        show_default=False,
    ),
]
"""The option that says where events are looked for."""


@dataclass(frozen=True, slots=True)
class Stores:
    """The stores of a workspace, as options and settings name them."""

    name: StoreName | None
    url: list[str] | None
    namespace: str | None
    allow_plaintext: bool
    insecure: bool

    def of(self, here: "Workspace | None") -> StoreName:
        """The store that is meant: the one that was named, else that of the settings."""
        return self.name or StoreName(here.settings.store if here is not None else StoreName.PARQUET)

    @contextmanager
    def opened(self, here: "Workspace", cure: str = COLLECT) -> "Iterator[Store]":
        """The store that is meant. `cure`: what to do where nothing was ever stored.

        Raises NothingReadError, StoreError, ClusterError, UsageError.
        """
        from kyber.logs.store.parquet import ParquetStore

        if self.of(here) is StoreName.ELASTICSEARCH:
            with self.elastic(here) as store:
                check_there(store)
                yield store
            return
        if not ParquetStore.exists(here.state):
            raise NothingReadError(f"nothing is stored yet: {cure}")
        with closing(ParquetStore(here.state)) as found:
            yield found

    @contextmanager
    def elastic(self, here: "Workspace") -> "Iterator[ElasticStore]":
        """The store in Elasticsearch, whatever is meant. Raises StoreError, ClusterError, UsageError."""
        from kyber.cli.cluster import cluster_of, namespace_of
        from kyber.logs.ship import destination
        from kyber.logs.store.elastic import ElasticStore
        from kyber.logs.store.memory import FILE, Memory

        namespace = namespace_of(here, self.namespace)
        with (
            cluster_of(here, self.url, allow_plaintext=self.allow_plaintext, insecure=self.insecure) as cluster,
            closing(Memory(here.state / FILE, destination(cluster, namespace))) as memory,
        ):
            yield ElasticStore(cluster, namespace, memory)


def check_there(store: "ElasticStore", *, may_be_empty: bool = False) -> None:
    """Raises NothingReadError where a namespace was never made ready, or holds no events, which must not look as if
    nothing had been found in them; and ClusterError."""
    from kyber.logs.store.setup import laid

    if store.cluster.count(store.pattern):
        return
    where = f"{store.pattern} on {store.cluster.name}"
    if not laid(store.cluster, store.namespace):
        raise NothingReadError(
            f"there is nothing of kyber in {where}: is {store.namespace} the right namespace?\n"
            "`kyber logs setup` makes it ready, and `kyber logs ship` sends events there"
        )
    if not may_be_empty:
        raise NothingReadError(f"nothing has been shipped yet: {where} holds no events; `kyber logs ship` sends them")
