"""A SQLite database in a file that its owner alone may read: opened with care, and written whole or not at all."""

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Any, Final

WAIT_SECONDS: Final = 30
"""How long to wait for another process that is writing to the database."""
_OPENING: Final = 10
"""How often a new database is tried that others are opening, too."""

_making: Final = Lock()


class Database:
    """One connection. What cannot be done is told by `error`, which makes an exception of a sentence."""

    def __init__(
        self,
        file: Path,
        schemas: Sequence[str],
        error: Callable[[str], Exception],
        remedy: str,
        pragmas: Sequence[str] = (),
    ) -> None:
        """`schemas`: what each version of the tables added to the one before; `remedy`: what to do where the file is
        damaged; `pragmas` besides those for a log that is written ahead and for what is on the disk once it is said to
        be."""
        self.file, self._error, self._remedy = file, error, remedy
        try:
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if file.is_symlink():
                raise error(f"{file} is a symbolic link: remove it")
            if file.exists() and not file.is_file():
                raise error(f"{file} is not a regular file: remove it")
            _make_private(file)
            self._connection = sqlite3.connect(file, isolation_level=None, timeout=WAIT_SECONDS)
        except OSError as why:
            raise error(f"{file} cannot be used: {why.strerror}") from None
        except sqlite3.Error as why:
            raise self._told(why) from None
        try:
            self._log_ahead()
            for pragma in ("synchronous = full", *pragmas):
                self.run(f"pragma {pragma}")
            with self.transaction():
                self._bring_up(schemas)
        except BaseException:
            self._connection.close()
            raise

    def _log_ahead(self) -> None:
        """Write to a log first. While others open a new database, SQLite says at once that it is locked, however long
        it is to wait; so who meets that waits by beginning to write."""
        for left in reversed(range(_OPENING)):
            try:
                self._connection.execute("pragma journal_mode = wal")
            except sqlite3.OperationalError as why:
                if not left:
                    raise self._told(why) from None
                self.run("begin immediate")
                self.run("commit")
            except sqlite3.Error as why:
                raise self._told(why) from None
            else:
                return

    def _bring_up(self, schemas: Sequence[str]) -> None:
        latest = len(schemas)
        ((version,),) = self.run("pragma user_version")
        if not 0 <= version <= latest:
            raise self._error(f"{self.file} was written by another version of kyber ({version}, not {latest})")
        if version < latest:
            for schema in schemas[version:]:
                for statement in schema.split(";"):
                    self.run(statement)
            self.run(f"pragma user_version = {latest}")

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, and on the disk when the block ends."""
        self.run("begin immediate")
        try:
            yield
            self.run("commit")
        except BaseException:
            if self._connection.in_transaction:
                with suppress(sqlite3.Error):
                    self._connection.execute("rollback")
            raise

    def run(self, query: str, values: Iterable[object] | Mapping[str, object] = ()) -> list[Any]:
        """What a query gives."""
        return self._execute(query, values).fetchall()

    def insert(self, query: str, values: Iterable[object]) -> int:
        """The id of what was inserted."""
        return self._execute(query, values).lastrowid or 0

    def run_many(self, query: str, values: Iterable[Sequence[object]]) -> None:
        try:
            self._connection.executemany(query, ([_stored(value) for value in row] for row in values))
        except (sqlite3.Error, OverflowError) as why:
            raise self._told(why) from None

    def _execute(self, query: str, values: Iterable[object] | Mapping[str, object]) -> sqlite3.Cursor:
        given = values if isinstance(values, Mapping) else [_stored(value) for value in values]
        try:
            return self._connection.execute(query, given)
        except (sqlite3.Error, OverflowError) as why:
            raise self._told(why) from None

    def _told(self, why: sqlite3.Error | OverflowError) -> Exception:
        if isinstance(why, sqlite3.OperationalError) or not isinstance(why, sqlite3.DatabaseError):
            return self._error(f"{self.file} cannot be used: {why}")
        return self._error(f"{self.file} is damaged ({why}): {self._remedy}")


def _make_private(file: Path) -> None:
    """Make an empty database that its owner alone may read, where there is none and one can be made.

    One that is there is not opened: closing it again would end every lock that this process has on it, also those of
    SQLite's connections, and what these write after that may be lost. Source: sqlite.org, howtocorrupt.html, 2.2.
    """
    with _making, suppress(OSError):
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def _stored(value: object) -> object:
    """A value as SQLite takes it: the name of a file need not be text."""
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            return os.fsencode(value)
    return value
