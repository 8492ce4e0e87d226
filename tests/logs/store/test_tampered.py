"""A store that somebody prepared: nothing outside it is read, written or removed."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kyber.logs.collect import collect
from kyber.logs.inputs import inputs
from kyber.logs.parse import Job
from kyber.logs.store.index import StoreError
from kyber.logs.store.parquet import ParquetStore, writing

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)


def collected(folder: Path) -> None:
    """One event of a log, stored."""
    log = folder / "a.jsonl"
    log.write_text(json.dumps({"time": "2026-03-01T10:00:00Z", "a": 1}) + "\n", encoding="utf-8")
    found, _ = inputs([str(log)], NOW)
    with writing(folder / ".kyber", "a test") as store:
        collect([Job(source="s", inputs=found, zone=UTC)], store, NOW)


@pytest.mark.parametrize("link", [".kyber", ".kyber/events", ".kyber/events/s2", ".kyber/events/s2/2026-01-01"])
def test_what_a_link_in_the_store_leads_to_is_not_swept_away(link: str, tmp_path: Path) -> None:
    precious = tmp_path / "elsewhere" / "events" / "s2" / "2026-01-01" / "000001.parquet"
    precious.parent.mkdir(parents=True)
    precious.write_bytes(b"precious")
    place = tmp_path / "work" / link
    place.parent.mkdir(parents=True)
    below = Path(link).relative_to(".kyber")
    place.symlink_to(tmp_path / "elsewhere" / below)
    with pytest.raises(StoreError):
        collected(tmp_path / "work")
    assert precious.read_bytes() == b"precious"


def test_an_index_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".kyber").mkdir()
    (tmp_path / ".kyber" / "index.sqlite").symlink_to(tmp_path / "new.db")
    with pytest.raises(StoreError, match="symbolic link"):
        collected(tmp_path)
    assert not (tmp_path / "new.db").exists()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("path", "../../outside/s/000001.parquet"),
        ("path", "/etc/passwd"),
        ("path", "events/../2026-03-01/000001.parquet"),
        ("day", "../../../outside"),
        ("source", "../outside"),
        ("rows", "many"),
    ],
)
def test_an_index_that_names_what_cannot_be_is_not_believed(column: str, value: str, tmp_path: Path) -> None:
    collected(tmp_path)
    with closing(sqlite3.connect(tmp_path / ".kyber" / "index.sqlite")) as index:
        index.execute(f"update segments set {column} = ?", (value,))
        index.commit()
    with closing(ParquetStore(tmp_path / ".kyber")) as store, pytest.raises(StoreError, match="tampered"):
        list(store.events())
    with pytest.raises(StoreError, match="tampered"), writing(tmp_path / ".kyber", "a test") as store:
        store.compact()
