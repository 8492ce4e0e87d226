"""What is remembered of stores elsewhere: `.kyber/elasticsearch.sqlite`, in a workspace.

Of each destination: how far each part of it was scanned, and what was heard in it. All of it can be found out again: a
workspace that lost the file scans everything once more.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from kyber.database import Database
from kyber.logs.store.index import StoreError

FILE: Final = "elasticsearch.sqlite"
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
        self.destination = destination
        self._database = Database(file, (_SCHEMA,), StoreError, "remove it, and the next scan reads everything anew")

    def close(self) -> None:
        self._database.close()

    def scanned(self) -> dict[Place, tuple[int, int]]:
        """How many events each part had when it was scanned, and when the last of them had arrived (milliseconds)."""
        found = self._database.run(
            "select source, day, form, rows, arrived from scanned where destination = ?", (self.destination,)
        )
        return {(source, day, form): (rows, arrived) for source, day, form, rows, arrived in found}

    def keep_scanned(self, found: Mapping[Place, tuple[int, int]]) -> None:
        """Remember that these parts were scanned, and forget all others."""

        with self._database.transaction():
            self._database.run("delete from scanned where destination = ?", (self.destination,))
            self._database.run_many(
                "insert into scanned values (?, ?, ?, ?, ?, ?)",
                [(self.destination, *place, *known) for place, known in found.items()],
            )

    def heard(self, question: bytes) -> dict[str, bytes]:
        """What is remembered of a question, by the key of the part."""
        found = self._database.run(
            "select key, answer from heard where destination = ? and question = ?", (self.destination, question)
        )
        return dict(found)

    def keep_heard(self, found: Mapping[tuple[Place, bytes], tuple[str, bytes]], questions: Collection[bytes]) -> None:
        """Remember the answers (with the key) of parts to some questions, and forget those to all other questions."""
        others = ", ".join("?" * len(questions))
        with self._database.transaction():
            self._database.run(
                f"delete from heard where destination = ? and question not in ({others})",  # noqa: S608 - marks only
                (self.destination, *questions),
            )
            self._database.run_many(
                "insert or replace into heard values (?, ?, ?, ?, ?, ?, ?)",
                [(self.destination, *place, question, *known) for (place, question), known in found.items()],
            )
