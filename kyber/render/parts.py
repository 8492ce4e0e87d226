"""What parts of a report have in common: names of a table and its columns in, the table in the reader's words out."""

from collections.abc import Collection, Mapping, Sequence

from kyber.document import Column, Row, Table
from kyber.text import Words


def table_of(
    name: str,
    heads: Sequence[str],
    rows: tuple[Row, ...],
    words: Words,
    wide: Mapping[str, int],
    right: Collection[str] = (),
) -> Table:
    """A table whose title, heads and word for emptiness stand in the catalogue of reports.

    `wide`: the shares of columns that are wider than one; `right`: the columns of numbers.
    """
    return Table(
        title=words(f"report.table.{name}"),
        columns=tuple(
            Column(words(f"report.head.{head}"), right=head in right, weight=wide.get(head, 1)) for head in heads
        ),
        rows=rows,
        empty=words(f"report.empty.{name}"),
    )
