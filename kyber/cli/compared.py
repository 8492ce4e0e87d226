"""`kyber scan --compare`: the workspace's own store and Elasticsearch in, whether they hold and find the same out."""

from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

from kyber.cli.console import Colour, ExitCode, paint, plain, say
from kyber.cli.files import write_out
from kyber.cli.reading import no_collector, shown_progress
from kyber.errors import NothingReadError

if TYPE_CHECKING:
    from kyber.cli.stores import Stores
    from kyber.finding import Finding
    from kyber.logs.compare import Compared, Difference
    from kyber.logs.sigma.asking import Asking
    from kyber.logs.sigma.rule import RuleSet
    from kyber.logs.store import Period
    from kyber.text import Words
    from kyber.workspace import Workspace

SHOWN: Final = 10
"""Findings, or rules, that are told of one by one where they differ."""


def compare(
    here: "Workspace",
    stores: "Stores",
    period: "Period",
    rules: "RuleSet",
    asking: "Asking",
    now: datetime,
    words: "Words",
    *,
    json: bool,
    output: Path | None,
) -> None:
    """Compare both stores and tell of it. Ends with 1 where they differ.

    Raises NothingReadError where nothing is stored here or made ready there, StoreError, ClusterError.
    """
    from kyber.cli.scan import enrichment
    from kyber.cli.stores import check_there
    from kyber.logs.compare import compare as run
    from kyber.logs.compare import delivered
    from kyber.logs.ship import destination
    from kyber.logs.store.cluster import ClusterError
    from kyber.logs.store.parquet import ParquetStore
    from kyber.privacy import mask
    from kyber.render.safe import json_line

    if not ParquetStore.exists(here.state):
        raise NothingReadError("nothing is stored yet: `kyber logs ship` stores what sources hold, and sends it")
    with (
        shown_progress() as progress,
        no_collector(),
        closing(ParquetStore(here.state)) as own,
        stores.elastic(here) as there,
    ):
        with suppress(ClusterError):  # only who may write may ask for it; if not, it takes seconds at most
            there.cluster.refresh(there.pattern)
        check_there(there, may_be_empty=True)
        found = run(
            own,
            there,
            rules,
            now,
            here.settings.zone,
            period=period,
            ledger=delivered(own.index, destination(there.cluster, there.namespace)),
            known=enrichment(here),
            asking=asking,
            progress=progress,
        )
    lines = [mask(one) for one in ([json_line(record(found))] if json else _lines(found, words))]
    if output is not None:
        write_out(output, "\n".join((*lines, "")))
    else:
        if not json:
            lines[-1] = paint(lines[-1], Colour.GOOD if found.same else Colour.BAD, bold=True)
        say("\n".join(lines))
    if not found.same:
        raise typer.Exit(ExitCode.FOUND)


def record(found: "Compared") -> dict[str, Any]:
    """A comparison as one JSON object."""
    events = found.events
    first = events.first
    return {
        "same": found.same,
        "events": {
            name: getattr(events, name)
            for name in ("alike", "pending", "refused", "only_here", "only_there", "content")
        },
        "first": None if first is None else _plain(first),
        "findings": {
            "alike": found.alike,
            **{name: [one.id for one in getattr(found, name)] for name in ("only_here", "only_there", "changed")},
        },
        "blind": list(found.blind),
        "others": dict(found.others),
    }


def _plain(one: "Difference") -> dict[str, Any]:
    from kyber.logs.values import iso

    return {
        "what": one.what,
        "time": iso(one.time),
        "id": one.id,
        "source": one.source,
        "day": one.day,
        "file": one.file,
        "record": one.record,
    }


def _lines(found: "Compared", words: "Words") -> Iterator[str]:
    events = found.events
    yield words("compare.events", alike=words.number(events.alike))
    for name in ("pending", "refused", "only_here", "only_there", "content"):
        if count := getattr(events, name):
            yield f"  {words(f'compare.{name}', count=words.number(count))}"
    if events.first is not None:
        first = {name: plain(value) for name, value in _plain(events.first).items() if name != "what"}
        what = words(f"compare.what.{events.first.what}")
        yield words("compare.first", **{**first, "time": first["time"] or "–"}, what=what)
    yield words("compare.findings", alike=words.number(found.alike))
    for name in ("only_here", "only_there", "changed"):
        listed: tuple[Finding, ...] = getattr(found, name)
        if listed:
            yield f"  {words(f'compare.findings.{name}', count=words.number(len(listed)))}"
        for one in listed[:SHOWN]:
            group = ", ".join(f"{key}={value}" for key, value in one.group.items())
            yield f"    {one.id[:8]} {plain(one.rule.title_in(words.language))} {plain(group)}".rstrip()
    if found.blind:
        yield words("compare.blind", count=words.number(len(found.blind)))
        titles = {one.rule.id: one.rule.title_in(words.language) for one in (*found.here.blind, *found.there.blind)}
        for id_ in found.blind[:SHOWN]:
            yield f"    {plain(titles[id_])}"
    if found.others:
        yield words(
            "compare.others", sources=plain(", ".join(found.others)), count=words.number(sum(found.others.values()))
        )
    if events.pending:
        yield words("compare.ship")
    if events.only_here:
        yield words("compare.lost")
    yield words("compare.same" if found.same else "compare.different")
