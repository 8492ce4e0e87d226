"""`kyber logs forget`: a destination that is no longer shipped to in, its ledger out of the workspace."""

import sys
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kyber.cli import delivered
from kyber.cli.console import Where, plain, root_of, say
from kyber.cli.logs_ship import alone
from kyber.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kyber.cli.delivered import Sent
    from kyber.text import Words
    from kyber.workspace import Workspace


def forget(
    address: Annotated[
        str,
        typer.Argument(metavar="DESTINATION", help="An address, or a cluster's id, as `kyber logs status -v` has it."),
    ],
    namespace: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Only what was sent to this namespace.", show_default=False),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    workspace: Where = None,
) -> None:
    """Forget a destination of `kyber logs ship` that is no longer used: what was delivered there, and what it refused.

    Asks first. The events stay in the workspace, and the cluster is neither asked nor changed. Who ships there again
    sends everything again. Ends with 2 where there is no such destination, with 3 where somebody is shipping.
    """
    from kyber.logs.store.ledger import Ledger
    from kyber.logs.store.parquet import ParquetStore
    from kyber.text import words_for
    from kyber.workspace import at

    here = at(root_of(workspace or Path()))
    words = words_for(here.settings.language)
    chosen = _chosen(delivered.sent(here), address, namespace)
    for one in chosen:
        say(_described(one, here, words))
    say(words("ship.forgetting"))
    if not yes:
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise UsageError("nothing was forgotten, since nobody can be asked here: --yes forgets without asking")
        if not typer.confirm(words("ship.forget-it"), default=False):
            say(words("ship.not-forgotten"))
            return
    for one in chosen:
        with alone(one.folder, "kyber logs forget"), closing(ParquetStore(one.folder)) as store:
            Ledger(store.index, one.name).drop()
    say(words("ship.forgotten"))


def _chosen(known: "Sequence[Sent]", named: str, namespace: str | None) -> "list[Sent]":
    """The ledgers of one destination: those of the sources, and of what was shipped by path. Raises UsageError."""
    found = [
        one for one in known if named in (one.address, one.cluster) and namespace in (None, one.namespace)
    ]  # fmt: skip
    if not found:
        there = ", ".join(dict.fromkeys(f"{one.address} (namespace {one.namespace})" for one in known))
        raise UsageError(f"nothing was ever sent to {named}; there are {there or 'no destinations'}")
    if len({one.namespace for one in found}) > 1:
        names = ", ".join(dict.fromkeys(one.namespace for one in found))
        raise UsageError(f"events were sent to several namespaces of {named}: choose one with --namespace: {names}")
    if len({one.cluster for one in found}) > 1:
        ids = ", ".join(dict.fromkeys(one.cluster for one in found))
        raise UsageError(f"several clusters were at {named} in the course of time: name one of them by its id: {ids}")
    return found


def _described(one: "Sent", here: "Workspace", words: "Words") -> str:
    from kyber.logs.values import as_datetime

    last = None if one.last is None else as_datetime(one.last)
    counts = {
        name: words.number(sum(getattr(delivery, name) for delivery in one.sources.values()))
        for name in ("delivered", "refused", "pending")
    }
    place = {name: plain(getattr(one, name)) for name in ("address", "cluster", "namespace")}
    return words("ship.forget", **place, **counts, last=_moment(last, here))


def _moment(time: datetime | None, here: "Workspace") -> str:
    return "–" if time is None else time.astimezone(here.settings.zone).strftime("%Y-%m-%d %H:%M")
