"""A collector that is killed repeats work; it loses none, and stores nothing twice."""

from pathlib import Path

from tests.logs.killed import Killed


def test_a_collector_that_is_killed_again_and_again_loses_nothing_and_stores_nothing_twice(tmp_path: Path) -> None:
    series = Killed(tmp_path, seed=7)
    series.run(kills=5)
    assert series.kills == 5
    assert len(series.stored()) == len(series.written) > 0
