"""Where rules stand: rules, what is stored and which sources are registered in; of each rule whether it can look, out.

What a scan calls blind is asked here of what is stored, by the same matcher, but no event is matched: it is enough to
see of which kinds the events are and which fields they have. Where nothing is stored, only the register can tell, and
only that a rule has no source; else it is not known until a scan.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

import orjson

from kyber.finding import Blind, RuleRef
from kyber.logs.batch import LogSource
from kyber.logs.correlating import correlated, gatherer
from kyber.logs.enrich import Enrichment, enriched
from kyber.logs.sigma.asking import Asking, silenced, sourced
from kyber.logs.sigma.heading import Heading, Kind
from kyber.logs.sigma.match import Matcher
from kyber.logs.sigma.plan import plan
from kyber.logs.sigma.route import Router
from kyber.logs.sigma.rule import RuleSet
from kyber.logs.store.parquet import ParquetStore
from kyber.logs.supply import Supply, sources_of
from kyber.problem import Severity


class State(StrEnum):
    """Whether a rule can look: it can; not at what there is; never, as it is written; nothing tells yet; another rule
    with its id takes its place."""

    RUNS = "runs"
    BLIND = "blind"
    UNABLE = "unable"
    UNKNOWN = "unknown"
    OVERRIDDEN = "overridden"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one rule stands. `reason` and `facts` as in `finding.Blind`, with `no-source` (facts: logsource) where no
    registered source has what the rule reads; empty where it runs and where nothing is known. `other`: of `rule-blind`,
    the rule that its facts name."""

    state: State
    reason: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)
    other: RuleRef | None = None

    def facts_in(self, language: str) -> Mapping[str, object]:
        """The facts, with the title of the other rule in a language."""
        return self.facts if self.other is None else {**self.facts, "rule": self.other.title_in(language)}


UNKNOWN: Final = Standing(State.UNKNOWN)


# --- what the register and the store say of sources ------------------------------------------------------------------


def having(logsources: Iterable[LogSource], supply: Iterable[Supply], seen: "Looked | None") -> tuple[str, ...]:
    """Those of `sources_of` that are declared to have such events, or had some on the days that were looked at."""
    asked = tuple(logsources)
    had = frozenset().union(*(seen.sources.get(one, ()) for one in asked)) if seen is not None else frozenset()
    return tuple(one.source for one in supply if one.source in had or any(map(one.is_declared, asked)))


def natures(store: ParquetStore, days: Collection[str] | None = None) -> dict[str, frozenset[tuple[LogSource, str]]]:
    """Of what kinds the stored events of each source are. Raises StoreError."""
    found: dict[str, set[tuple[LogSource, str]]] = {}
    for source, nature in {(one.source, one.nature) for one in store.chosen(days=None if days is None else list(days))}:
        said = orjson.loads(nature)
        found.setdefault(source, set()).add((LogSource(**said["logsource"]), said["table"]))
    return {source: frozenset(kinds) for source, kinds in found.items()}


# --- what is stored --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Looked:
    """What was looked at: the days (UTC) and how many events there were, and which of the rules were blind. `sources`:
    the ids of those that had events of each logsource."""

    days: tuple[str, ...] = ()
    events: int = 0
    blind: tuple[Blind, ...] = ()
    sources: Mapping[LogSource, frozenset[str]] = field(default_factory=dict)


def recent(store: ParquetStore, many: int) -> tuple[str, ...]:
    """The last days of which anything is stored, and what has no day. Raises StoreError."""
    stored = store.index.days(0)
    dated = sorted(day for day in stored if day[:1].isdigit())
    return (*dated[-many:], *(day for day in stored if not day[:1].isdigit()))


def looked(store: ParquetStore, rules: RuleSet, known: Enrichment, days: Sequence[str]) -> Looked:
    """See which of the rules could have fired on these stored days, as a scan of them would; nothing is matched.

    Raises StoreError.
    """
    matcher, events = Matcher(plan(rules.rules, rules.filters)), 0
    router = Router({one.logsource for one in rules.rules})
    sources: dict[LogSource, set[str]] = {}
    with store.reading():
        for info in store.chosen(days=days):
            events += info.rows
            batch = sourced(enriched(store.batch(info), known))
            matcher.look(batch)
            for logsource in router.held(batch):
                sources.setdefault(logsource, set()).add(info.source)
    had = {logsource: frozenset(ids) for logsource, ids in sources.items()}
    return Looked(tuple(days), events, tuple(matcher.blind()), had)


# --- both together ---------------------------------------------------------------------------------------------------


def standings(
    rules: RuleSet, supply: Sequence[Supply] | None, seen: Looked | None, asking: Asking, now: datetime
) -> dict[str, Standing]:
    """Where each rule and correlation of the set stands, by id. `supply`: None without a register; `seen`: None where
    nothing is stored; `asking`: from where events are expected."""
    found = {one.ref.id: Standing(State.UNABLE, one.reason, one.facts) for one in rules.unable}
    reads = {one.logsource for one in rules.rules}
    lacking = {one for one in reads if supply is not None and not sources_of((one,), supply)}
    sourceless = {
        one.ref.id: Blind(one.ref, one.level, "no-events", {"logsource": str(one.logsource)})
        for one in rules.rules
        if one.logsource in lacking
    }
    blind = {one.rule.id: one for one in seen.blind} if seen is not None else sourceless
    blind |= _correlations(rules, tuple(blind.values()), asking, now)
    rest = Standing(State.RUNS) if seen is not None else UNKNOWN
    titled = {str(ref.title): ref for ref in rules.refs}
    found = {id_: _naming(one, titled) for id_, one in found.items()}
    for id_ in (*(one.ref.id for one in rules.rules), *(one.ref.id for one in rules.correlations)):
        why = blind.get(id_)
        if why is None:
            found[id_] = rest
        elif why.reason == "no-events" and id_ in sourceless:
            found[id_] = Standing(State.BLIND, "no-source", why.facts)
        else:
            found[id_] = _naming(Standing(State.BLIND, why.reason, why.facts), titled)
    return found


def _naming(one: Standing, titled: Mapping[str, RuleRef]) -> Standing:
    """A standing with the rule that it names by its title."""
    return replace(one, other=titled.get(str(one.facts.get("rule")))) if one.reason == "rule-blind" else one


def _correlations(rules: RuleSet, blind: Sequence[Blind], asking: Asking, now: datetime) -> dict[str, Blind]:
    """The correlations that could not have fired, where these rules could not."""
    nothing = gatherer(rules, asking, now).done()
    answer = correlated(rules, nothing, asking, blind, now=now.astimezone(UTC), told=lambda _: False)
    return {one.rule.id: one for one in answer.blind}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One rule or correlation, and what is known of it here.

    `standing.facts` holds, of one that was overridden, the `file` of the one in its place; of one that cannot be read,
    the problem's `code`. `alone`: whether it alerts on its own, and is not only counted by correlations. `logsources`:
    what it reads, of a correlation through its rules. `sources`: the registered sources that may have that; None
    without a register; `having`: those of them that are declared to have it, or had it on the days looked at.
    `filters`: the titles of the filters in force that look at what it matches. `findings`: how many of it are kept,
    None where none of any rule are; `fired`: when the last of them happened.
    """

    heading: Heading
    standing: Standing
    alone: bool = True
    logsources: tuple[LogSource, ...] = ()
    sources: tuple[str, ...] | None = None
    having: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    findings: int | None = None
    fired: datetime | None = None


@dataclass(frozen=True, slots=True)
class Fired:
    """What is kept of one rule: how many findings, and when the last of them happened."""

    findings: int = 0
    last: datetime | None = None


def entries(
    found: Sequence[Heading],
    rules: RuleSet,
    stand: Mapping[str, Standing],
    supply: Sequence[Supply] | None,
    seen: Looked | None,
    kept: Mapping[str, Fired] | None,
) -> list[Entry]:
    """An entry for each rule and correlation among the headings. `supply`, `seen` as in `standings`; `kept`: by rule,
    None where nothing is kept."""
    quiet = silenced(rules.correlations)
    runnable = {one.ref.id: one for one in rules.rules}
    in_force = {ref.id: ref.path for ref in rules.refs}
    broken = {one.place.file: one.code for one in rules.problems if one.severity is Severity.ERROR}
    named = {name: one for one in reversed(found) for name in (one.id, one.name) if name}
    made, done = [], set()
    for one in found:
        if one.kind is Kind.FILTER:
            continue
        if one.id in in_force and (in_force[one.id] != one.file or one.id in done):
            standing = Standing(State.OVERRIDDEN, "overridden", {"file": in_force[one.id]})
        elif one.id in in_force:
            standing = stand[one.id]
            done.add(one.id)
        else:
            standing = Standing(State.UNABLE, "unreadable", {"code": broken.get(one.file, "R02")})
        reads = tuple(dict.fromkeys(logsources_of(one, named)))
        rule = runnable.get(one.id)
        fired = None if kept is None else kept.get(one.id, Fired())
        made.append(
            Entry(
                heading=one,
                standing=standing,
                alone=one.id not in quiet,
                logsources=reads,
                sources=None if supply is None else sources_of(reads, supply),
                having=() if supply is None else having(reads, supply, seen),
                filters=()
                if rule is None
                else tuple(by.ref.title for by in rules.filters if by.applies(rule.ref, rule.logsource)),
                findings=None if fired is None else fired.findings,
                fired=None if fired is None else fired.last,
            )
        )
    return made


def logsources_of(one: Heading, named: Mapping[str, Heading]) -> Iterator[LogSource]:
    """The logsources that a rule reads; of a correlation those of all the rules below it. `named`: by id and name."""
    waiting, met = [one], {one.id}
    while waiting:
        heading = waiting.pop()
        if heading.kind is Kind.RULE and heading.logsource is not None:
            yield heading.logsource
        for name in heading.rules if heading.kind is Kind.CORRELATION else ():
            below = named.get(name)
            if below is not None and below.id not in met:
                met.add(below.id)
                waiting.append(below)
