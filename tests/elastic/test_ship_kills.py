"""Shippers and servers that are killed: every event is there once."""

from pathlib import Path

from tests.elastic.server import Server
from tests.elastic.shipping import County, Killed

MEMORY = 400 * 2**20
"""Bytes that a shipper takes at the most, however much there is to ship."""


def test_shippers_and_a_server_are_killed_and_every_event_is_there_once(
    elasticsearch_alone: Server, tmp_path: Path, namespace: str
) -> None:
    county = County(tmp_path / "county", elasticsearch_alone.url, namespace).lay_out()
    series = Killed(county, elasticsearch_alone, seed=7, body=2**17)
    series.run(8_000, shippers=2, servers=1)
    assert not series.wrong
    assert series.counts["shippers killed"] == 2
    assert series.counts["rollovers"] >= 1
    assert max(series.peaks) < MEMORY
