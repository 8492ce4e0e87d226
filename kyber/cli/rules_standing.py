"""What commands about rules know of them here: the rules in force, the sources, what is stored and kept, together."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from kyber.cli.console import day_here
from kyber.cli.rules_files import documents, watch_lists
from kyber.errors import NothingReadError

if TYPE_CHECKING:
    from kyber.logs.sigma.asking import Asking
    from kyber.logs.sigma.rule import RuleSet
    from kyber.logs.standing import Entry, Fired, Looked, Standing
    from kyber.logs.supply import Supply
    from kyber.problem import Problem
    from kyber.workspace import Workspace

DAYS: Final = 7
"""Stored days that are looked at where nobody says how many."""

Days = Annotated[
    int,
    typer.Option(
        "--days", min=1, metavar="N", help="Judge whether rules can look by the last N days of which anything is kept."
    ),
]
"""The option that says how much of what is stored is looked at."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known around a workspace: its sources' supply, None without one, what was looked at of what is stored,
    None where nothing is, and from where events are expected."""

    supply: "tuple[Supply, ...] | None"
    seen: "Looked | None"
    asking: "Asking"
    now: datetime

    def standings(self, rules: "RuleSet") -> "dict[str, Standing]":
        """Where each rule of the set stands; it must be the set that was looked for."""
        from kyber.logs.standing import standings

        return standings(rules, self.supply, self.seen, self.asking, self.now)


def known_of(here: "Workspace | None", rules: "RuleSet", days: int, now: datetime) -> Known:
    """What is known around here of the rules. Raises StoreError, a UsageError."""
    from contextlib import closing

    from kyber.cli.scan import enrichment
    from kyber.logs.correlating import awaited
    from kyber.logs.sigma.asking import Asking
    from kyber.logs.source import load_sources
    from kyber.logs.standing import looked, natures, recent
    from kyber.logs.store.parquet import ParquetStore
    from kyber.logs.supply import supplies

    if here is None:
        return Known(None, None, Asking(now), now)
    sources = load_sources(here.root)[0]
    asking = Asking(now, awaited(sources))
    if not ParquetStore.exists(here.state):
        return Known(supplies(sources, {}), None, asking, now)
    with closing(ParquetStore(here.state)) as store:
        chosen = recent(store, days)
        seen = looked(store, rules, enrichment(here), chosen) if chosen else None
        return Known(supplies(sources, natures(store)), seen, asking, now)


@dataclass(frozen=True, slots=True)
class Gathered:
    """The rules of some paths, each with what is known of it, by what that was judged, and what is wrong with them."""

    entries: "list[Entry]"
    rules: "RuleSet"
    known: Known

    @property
    def problems(self) -> "tuple[Problem, ...]":
        """The errors for which rules cannot be read."""
        from kyber.problem import Severity

        return tuple(one for one in self.rules.problems if one.severity is Severity.ERROR)


def gathered(here: "Workspace | None", paths: Sequence[str], days: int, now: datetime) -> Gathered:
    """Every rule below the paths. Raises NothingReadError where there is none, and StoreError, a UsageError."""
    from kyber.cli.files import cache_folder
    from kyber.cli.reading import no_collector
    from kyber.logs.sigma import cache
    from kyber.logs.sigma.heading import headings
    from kyber.logs.standing import entries

    lists, _ = watch_lists(here)
    today = day_here(here, now)
    with no_collector():
        rules = cache.read(paths, lists, cache_folder(), today)
        found = headings(documents(paths)[1])
        if not found and not rules.problems:
            raise NothingReadError(f"no rule was found in {', '.join(paths)}")
        known = known_of(here, rules, days, now)
        listed = entries(found, rules, known.standings(rules), known.supply, known.seen, _kept(here))
    return Gathered(listed, rules, known)


def _kept(here: "Workspace | None") -> "dict[str, Fired] | None":
    """How many findings of each rule are kept, and when the last one happened; None where none were ever kept."""
    from kyber import kept
    from kyber.logs.standing import Fired

    if here is None or not (here.state / kept.FILE).exists():
        return None
    with kept.open(here.state) as store:
        return {rule: Fired(many, last) for rule, (many, last) in store.fired().items()}
