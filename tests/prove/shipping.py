"""What is too large for CI of the proofs that shipping loses nothing and sends nothing twice."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.elastic.server import VERSION, Missing, Server, installed
from tests.elastic.shipping import County, Killed
from tests.prove.page import Proof

MEMORY = 400 * 2**20
"""Bytes that a shipper takes at the most."""
HOW = f"""\
Elasticsearch {VERSION}, the minimal distribution, on one node; `kyber logs ship` as it is. Whoever is killed is killed
with SIGKILL at a random moment and started again; after each kill of a shipper the data stream gets a new index, so
that the server does not recognise what the last one holds by its id. In the end all ids are read from the server over
one point in time and compared with those of the embedded store."""


def shipping(lines: int = 1_000_000, shippers: int = 10, servers: int = 2, seed: int = 20_261_122) -> Proof:
    """SIGKILL at random moments of shipping, for shippers and for the server."""
    wrong: Sequence[str]
    with tempfile.TemporaryDirectory() as folder:
        try:
            server = Server(installed(Path(folder)), "proof")
        except Missing as missing:
            pytest.skip(f"no Elasticsearch: {missing}")
        try:
            server.start()
            series = Killed(County(Path(folder) / "county", server.url, "proof").lay_out(), server, seed)
            series.run(lines, shippers=shippers, servers=servers)
            wrong = series.wrong
        except AssertionError as error:
            wrong = [str(error)]
        finally:
            server.remove()
    most = max(series.peaks, default=0)
    if most >= MEMORY:
        wrong = [*wrong, f"a shipper took {most / 2**20:.0f} MiB of memory"]
    return Proof(
        title="Killed while shipping",
        claim=(
            "While events are shipped to Elasticsearch, shippers and the server are killed and started again, and new "
            "indices are begun. Afterwards every line that was written is there as an event, exactly once; the ledger "
            f"adds up; and no shipper took more than {MEMORY // 2**20} MiB of memory."
        ),
        counts={
            **{name: series.counts[name] for name in ("shippers killed", "servers killed", "rollovers")},
            **series.counts,
            "most memory that a shipper took, in MiB": most // 2**20,
            "least memory that a shipper took, in MiB": min(series.peaks, default=0) // 2**20,
        },
        wrong=wrong,
        parts=[HOW],
    )
