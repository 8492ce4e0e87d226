"""What is remembered of stores elsewhere: `.kyber/elasticsearch.sqlite`, in a workspace.

Of each destination: how far each part of it was scanned, and what was heard in it. All of it can be found out again: a
workspace that lost the file scans everything once more.
"""

import sqlite3
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from kyber.logs.store.index import WAIT_SECONDS, StoreError, make_private

FILE: Final = "elasticsearch.sqlite"
VERSION: Final = 1
_SCHEMA: Final = """
create table scanned (
    destination text not null, source text not null, day text not null, form text not null, rows integer not null,
    arrived integer not null, primary key (destination, source, day, form)
);
create table heard (
    destination text not null, source text not null, day text not null, form text not null, question blob not null,
    key text not null, answer blob not null, primary key (destination, source, day, form, question)
);
"""

Place = tuple[str, str, str]
"""A part: its source, day and field table."""


class Memory:
    """What is remembered of one destination. Raises StoreError where the file cannot be used."""

    def __init__(self, file: Path, destination: str) -> None:
        """`destination` names the cluster, whatever its address, and the namespace."""
        self.file, self.destination = file, destination
        try:
            if file.is_symlink():
                raise StoreError(f"{file} is a symbolic link: remove it")
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            make_private(file)
            self._database = sqlite3.connect(file, isolation_level=None, timeout=WAIT_SECONDS)
        except (OSError, sqlite3.Error) as error:
            raise self._cannot_be_used(error) from None
        try:
            self._run("pragma journal_mode = wal")
            self._write(self._set_up)
        except BaseException:
            self._database.close()
            raise

    def close(self) -> None:
        self._database.close()

    def _set_up(self) -> None:
        ((version,),) = self._run("pragma user_version")
        if not version:
            for statement in _SCHEMA.split(";"):
                self._run(statement)
            self._run(f"pragma user_version = {VERSION}")
        elif version != VERSION:
            raise StoreError(f"{self.file} was written by another version of kyber ({version}, not {VERSION})")

    def scanned(self) -> dict[Place, tuple[int, int]]:
        """How many events each part had when it was scanned, and when the last of them had arrived (milliseconds)."""
        found = self._run(
            "select source, day, form, rows, arrived from scanned where destination = ?", (self.destination,)
        )
        return {(source, day, form): (rows, arrived) for source, day, form, rows, arrived in found}

    def keep_scanned(self, found: Mapping[Place, tuple[int, int]]) -> None:
        """Remember that these parts were scanned, and forget all others."""

        def write() -> None:
            self._run("delete from scanned where destination = ?", (self.destination,))
            self._run_many(
                "insert into scanned values (?, ?, ?, ?, ?, ?)",
                [(self.destination, *place, *known) for place, known in found.items()],
            )

        self._write(write)

    def heard(self, question: bytes) -> dict[str, bytes]:
        """What is remembered of a question, by the key of the part."""
        found = self._run(
            "select key, answer from heard where destination = ? and question = ?", (self.destination, question)
        )
        return dict(found)

    def keep_heard(self, found: Mapping[tuple[Place, bytes], tuple[str, bytes]], questions: Collection[bytes]) -> None:
        """Remember the answers (with the key) of parts to some questions, and forget those to all other questions."""
        others = ", ".join("?" * len(questions))

        def write() -> None:
            self._run(
                f"delete from heard where destination = ? and question not in ({others})",  # noqa: S608 - marks only
                (self.destination, *questions),
            )
            self._run_many(
                "insert or replace into heard values (?, ?, ?, ?, ?, ?, ?)",
                [(self.destination, *place, question, *known) for (place, question), known in found.items()],
            )

        self._write(write)

    def _write(self, write: Any) -> None:
        """All or nothing."""
        self._run("begin immediate")
        try:
            write()
            self._run("commit")
        except BaseException:
            with suppress(sqlite3.Error):
                self._database.execute("rollback")
            raise

    def _run(self, query: str, values: Iterable[object] = ()) -> list[Any]:
        try:
            return self._database.execute(query, tuple(values)).fetchall()
        except sqlite3.Error as error:
            raise self._cannot_be_used(error) from None

    def _run_many(self, query: str, values: Iterable[tuple[object, ...]]) -> None:
        try:
            self._database.executemany(query, values)
        except sqlite3.Error as error:
            raise self._cannot_be_used(error) from None

    def _cannot_be_used(self, error: Exception) -> StoreError:
        return StoreError(f"{self.file} cannot be used ({error}): remove it, and the next scan reads everything anew")
