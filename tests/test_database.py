"""A SQLite database: what cannot be kept is told, and what was written before stays."""

from contextlib import closing
from pathlib import Path

import pytest

from kyber.database import Database
from kyber.errors import UsageError

TABLE = "create table numbers (name text not null, number integer not null)"


def opened(file: Path, *schemas: str) -> Database:
    return Database(file, schemas or (TABLE,), UsageError, "bring it back from a backup")


@pytest.mark.parametrize("many", [False, True])
def test_a_number_that_is_too_big_is_told_and_nothing_of_the_transaction_stays(tmp_path: Path, many: bool) -> None:
    def write(database: Database) -> None:
        insert = "insert into numbers values (?, ?)"
        with database.transaction():
            database.run(insert, ("one", 1))
            if many:
                database.run_many(insert, [("big", 2**63)])
            else:
                database.run(insert, ("big", 2**63))

    with closing(opened(tmp_path / "numbers.sqlite")) as database:
        with pytest.raises(UsageError, match=r"numbers\.sqlite cannot be used"):
            write(database)
        assert database.run("select * from numbers") == []


def test_names_that_are_no_text_are_kept_by_either_way_of_writing(tmp_path: Path) -> None:
    with closing(opened(tmp_path / "numbers.sqlite")) as database:
        database.run("insert into numbers values (?, ?)", ("\udcff", 1))
        database.run_many("insert into numbers values (?, ?)", [("\udcff", 2)])
        assert database.run("select name from numbers") == [(b"\xff",), (b"\xff",)]


def test_a_later_version_adds_its_tables_to_what_is_there(tmp_path: Path) -> None:
    file = tmp_path / "numbers.sqlite"
    with closing(opened(file)) as first:
        first.run("insert into numbers values ('one', 1)")
    with closing(opened(file, TABLE, "create table more (name text)")) as second:
        assert second.run("select * from numbers") == [("one", 1)]
        assert second.run("select * from more") == []
    with pytest.raises(UsageError, match=r"another version of kyber \(2, not 1\)"):
        opened(file)
