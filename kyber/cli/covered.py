"""What rules cover in; tables for a person, or one JSON object for a program, out. The texts must be masked before."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from kyber.cli.listed import short
from kyber.logs.coverage import Reads, Tactic, Tally, by_logsource, by_tactic, counted
from kyber.logs.sigma.heading import techniques
from kyber.logs.standing import Entry, Looked
from kyber.render.rows import TACTICS
from kyber.render.safe import json_line, plain
from kyber.text import Words


def show(entries: Sequence[Entry], words: Words, console: Console) -> None:
    """Print two tables: rules and techniques by tactic, and what rules read with the sources that have it."""
    tactics = by_tactic(entries)
    open_ = any(one.rules.unknown for one in tactics)
    table = _table(words, "coverage.tactic", "coverage.runs", "coverage.blind", *(["coverage.unknown"] * open_))
    table.add_column(words("coverage.techniques"), ratio=1)
    for one in tactics:
        named = ", ".join(f"{id_}: {_told(tally)}" for id_, tally in one.techniques.items())
        style = "" if one.rules.runs else "dim"
        table.add_row(words(f"tactic.{one.name}"), *_numbers(one.rules, words, open_), Text(named), style=style)
    console.print(table, highlight=False)
    if untagged := _untagged(entries):
        console.print(words.many("coverage.untagged", untagged), highlight=False, markup=False, soft_wrap=True)
    console.print()
    reads = by_logsource(entries)
    table = _table(words, "coverage.reads", "coverage.runs", "coverage.blind", *(["coverage.unknown"] * open_))
    table.add_column(words("coverage.sources"), ratio=1)
    for read in reads:
        what = plain(short(read.logsource)) or words("coverage.any")
        table.add_row(Text(what), *_numbers(read.rules, words, open_), _sources(read, words))
    console.print(table, highlight=False)
    console.print()


def _table(words: Words, first: str, *numbers: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold", expand=True)
    table.add_column(words(first), overflow="fold")
    for key in numbers:
        table.add_column(words(key), justify="right", no_wrap=True)
    return table


def _numbers(tally: Tally, words: Words, open_: bool) -> list[str]:
    return [words.number(len(of)) for of in (tally.runs, tally.blind, *((tally.unknown,) if open_ else ()))]


def _told(tally: Tally) -> str:
    others = tally.rules - len(tally.runs)
    return f"{len(tally.runs)}+{others}" if others else str(len(tally.runs))


def _sources(read: Reads, words: Words) -> Text:
    if read.sources is None:
        return Text(words("coverage.no-register"), "dim")
    if not read.sources and not read.maybe:
        return Text(words("coverage.no-source"), "yellow")
    told = Text(", ".join(map(plain, read.sources)))
    if read.maybe:
        maybe = words("coverage.maybe", sources=", ".join(map(plain, read.maybe)))
        told.append("; " if read.sources else "").append(maybe, "dim" if read.sources else "yellow")
    return told


def _untagged(entries: Sequence[Entry]) -> int:
    named = {one_.heading.id for tactic in by_tactic(entries) for one_ in _all(tactic.rules)}
    return sum(one.heading.id not in named for one in counted(entries))


def _all(tally: Tally) -> tuple[Entry, ...]:
    return (*tally.runs, *tally.blind, *tally.unknown)


def as_json(entries: Sequence[Entry], seen: Looked | None) -> str:
    """One JSON object on one line: tactics with their techniques, what rules read, and by what that was judged."""
    return json_line(
        {
            "judged": None if seen is None else {"days": list(seen.days), "events": seen.events},
            "tactics": [_tactic(one) for one in by_tactic(entries)],
            "untagged": _untagged(entries),
            "logsources": [_reads(one) for one in by_logsource(entries)],
        }
    )


def _tactic(one: Tactic) -> dict[str, Any]:
    number, name = TACTICS.get(one.name, (None, one.name))
    return {
        "tactic": one.name,
        "id": number,
        "name": name,
        **_counts(one.rules),
        "techniques": [
            {"id": id_, **_counts(tally), "rules": [rule.heading.id for rule in _all(tally)]}
            for id_, tally in one.techniques.items()
        ],
    }


def _counts(tally: Tally) -> dict[str, int]:
    return {"runs": len(tally.runs), "blind": len(tally.blind), "unknown": len(tally.unknown)}


def _reads(one: Reads) -> dict[str, Any]:
    said = one.logsource
    return {
        "product": said.product,
        "category": said.category,
        "service": said.service,
        **_counts(one.rules),
        "sources": None if one.sources is None else list(one.sources),
        "maybe": None if one.maybe is None else list(one.maybe),
    }


def technique_count(entries: Sequence[Entry]) -> int:
    """How many techniques the rules that count name."""
    return len({id_ for one in counted(entries) for id_ in techniques(one.heading.tags)})
