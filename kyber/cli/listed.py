"""Rules and where they stand in; a table for a person, JSON lines or CSV for a program, out.

The texts must be masked before they come here.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from kyber.logs.batch import LogSource
from kyber.logs.standing import Entry, Looked, Standing, State
from kyber.render.safe import cell, every_text, json_line, plain
from kyber.render.table import DOTS, STYLES
from kyber.render.times import iso, moment
from kyber.text import Words

STATE_STYLES: Final = {
    State.RUNS: "green",
    State.BLIND: "yellow",
    State.UNABLE: "red",
    State.UNKNOWN: "dim",
    State.OVERRIDDEN: "dim",
}
COLUMNS: Final = (
    *("id", "name", "title", "kind", "family", "level", "maturity", "status", "reason", "why", "product", "category"),
    *("service", "tags", "sources", "filters", "alone", "findings", "fired", "author", "license", "file"),
)
"""The header of the CSV form, and the keys of a line of JSON."""


def why(one: Entry, words: Words) -> str:
    """Why a rule cannot look, in a sentence; empty where it can and where nothing is known."""
    standing = one.standing
    if not standing.reason:
        return ""
    key = f"listing.why.{standing.reason}"
    return words(key if words.has(key) else f"blind.{standing.reason}", **standing.facts_in(words.language))


def show(entries: Sequence[Entry], words: Words, console: Console) -> None:
    """Print one row a rule: level, status, when it last fired, its title, and below that what to call it by, what it
    reads, and why it cannot look."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold", expand=True)
    fired = any(one.findings is not None for one in entries)
    for key in ("listing.level", "listing.state", *(("listing.fired",) if fired else ())):
        table.add_column(words(key), no_wrap=True)
    table.add_column(words("listing.rule"), ratio=1, overflow="fold")
    for one in every_text(tuple(entries), plain):
        found, state = one.heading, one.standing.state
        what = Text(found.title_in(words.language))
        about = [found.name or found.id, words(f"findings.family.{found.family}")]
        about += [", ".join(short(logsource) for logsource in one.logsources)] if found.logsource else []
        about += [] if one.alone else [words("listing.counted")]
        what.append(f"\n{' · '.join(filter(None, about))}", "dim")
        if reason := why(one, words):
            what.append(f"\n{reason}", STATE_STYLES[state])
        last = moment(one.fired)[:16] if one.fired else words("listing.never") if one.alone else ""
        table.add_row(
            Text(f"{DOTS[found.level]} {words(f'findings.level.{found.level}')}", STYLES[found.level]),
            Text(words(f"listing.state.{state}"), STATE_STYLES[state]),
            *((Text(last),) if fired else ()),
            what,
        )
    if entries:
        console.print(table, highlight=False)
        console.print()


def summary(entries: Sequence[Entry], seen: Looked | None, has_register: bool, words: Words) -> list[str]:
    """How many rules there are and where they stand; by what that was judged."""
    if not entries:
        return [words("listing.none")]
    told = f"{words.many('listing.count', len(entries))} {sums((one.standing for one in entries), words)}."
    return [told, *filter(None, (judged(entries, seen, has_register, words),))]


def sums(standings: Iterable[Standing], words: Words) -> str:
    """How many stand where, in one line."""
    counts = Counter(one.state for one in standings)
    return ", ".join(words.many(f"listing.sum.{state}", counts[state]) for state in State if counts[state])


def judged(entries: Iterable[Entry], seen: Looked | None, has_register: bool, words: Words) -> str:
    """By what it was judged whether rules can look; empty where nothing was looked at and nothing is left to know."""
    if seen is None:
        if not any(one.standing.state is State.UNKNOWN for one in entries):
            return ""
        return words("listing.unstored" if has_register else "listing.no-workspace")
    first, last = min(seen.days), max(day for day in seen.days if day[:1].isdigit() or len(seen.days) == 1)
    return words.many("listing.judged", len(seen.days), first=first, last=last, events=words.number(seen.events))


def short(logsource: LogSource) -> str:
    """A logsource in a few words; empty for one that is not limited."""
    return " ".join(filter(None, (logsource.product, logsource.category, logsource.service)))


def record(one: Entry, words: Words) -> dict[str, Any]:
    """All that is known of a rule. `status` is where it stands, `maturity` its Sigma status; null: not known."""
    found, logsource = one.heading, one.heading.logsource
    return {
        "id": found.id,
        "name": found.name,
        "title": found.title,
        "kind": str(found.kind),
        "family": str(found.family),
        "level": str(found.level),
        "maturity": found.status,
        "status": str(one.standing.state),
        "reason": one.standing.reason,
        "why": why(one, words),
        "product": logsource.product if logsource else None,
        "category": logsource.category if logsource else None,
        "service": logsource.service if logsource else None,
        "tags": list(found.tags),
        "sources": None if one.sources is None else list(one.sources),
        "filters": list(one.filters),
        "alone": one.alone,
        "findings": one.findings,
        "fired": iso(one.fired),
        "author": found.author,
        "license": found.license,
        "file": found.file,
    }


def jsonl(entries: Sequence[Entry], words: Words) -> str:
    """One JSON object a line and a rule."""
    return "".join(json_line(record(one, words)) + "\n" for one in entries)


def csv_rows(entries: Sequence[Entry], words: Words) -> str:
    """A header and one row a rule, with commas; what a spreadsheet could take for a formula begins with `'`."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(COLUMNS)
    for one in entries:
        row = record(one, words)
        writer.writerow([cell(_text(row[name])) for name in COLUMNS])
    return out.getvalue()


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(value)
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
