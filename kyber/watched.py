"""Whether anybody watches what matters: risks, services, rules, sources and what is stored in, problems out.

Whoever reads the registers reads no log here: rules are held against what the sources are declared to be, and against
what the store's index says of them.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Final

from kyber.duration import Duration
from kyber.logs.source import LogSource, SourceStatus
from kyber.problem import Problem, Severity
from kyber.risks.evidence import watches
from kyber.risks.matrix import rank
from kyber.risks.register import RiskRegister
from kyber.risks.risk import Risk
from kyber.settings import RiskLevel
from kyber.text import Key
from kyber.thread import Web

if TYPE_CHECKING:
    from kyber.logs.batch import LogSource as Logsource
    from kyber.logs.sigma.correlation import Correlation
    from kyber.logs.sigma.rule import Rule, RuleSet
    from kyber.logs.supply import Supply

TOP: Final = RiskLevel.MAJOR
"""A risk of this level, or a higher one, is a top risk."""
GRACE: Final = Duration.parse("7 d")
"""How long after its retention something may still be stored: it is deleted by the day, and not by the hour."""
WITHOUT_LOGS: Final = frozenset(("supplier", "person", "premises"))
"""What is needed only so writes no logs."""


def top_risks(register: RiskRegister) -> tuple[Risk, ...]:
    """The risks that are open, no longer preliminary, and major or intolerable."""
    return tuple(
        one
        for one in register.risks
        if one.is_open and one.status != "preliminary" and rank(register.level(one)) >= rank(TOP)
    )


@dataclass(frozen=True, kw_only=True)
class Watchers:
    """The rules in force, by what risks ask for, and the sources that have what they read."""

    rules: "RuleSet"
    supply: "Sequence[Supply]"

    def of(self, risk: Risk) -> "tuple[Rule | Correlation, ...]":
        """The rules that a risk names, or that have one of its techniques."""
        keys = (*risk.detections, *(f"attack.{each.lower()}" for each in risk.threats))
        found = {one.ref.id: one for key in keys for one in self._by_key.get(key, ())}
        return tuple(one for one in found.values() if watches(risk, one.ref.id, one.ref.name, one.tags))

    def has_source(self, id_: str) -> bool:
        """Whether any source has, or may have, what a rule reads."""
        return any(supply.may_have(each) for each in self.reads(id_) for supply in self.supply)

    def sources(self, one: "Rule | Correlation") -> Iterator[str]:
        """The sources that are declared to have what a rule reads."""
        reads = self.reads(one.ref.id)
        return (supply.source for supply in self.supply if any(map(supply.is_declared, reads)))

    def reads(self, id_: str) -> "Collection[Logsource]":
        """What a rule reads, a correlation through its rules."""
        return self._reads.get(id_, frozenset())

    @cached_property
    def _reads(self) -> "Mapping[str, frozenset[Logsource]]":
        found = {one.ref.id: frozenset((one.logsource,)) for one in self.rules.rules}
        for one in self.rules.correlations:  # each comes after those that it builds on
            found[one.ref.id] = frozenset().union(*(found.get(id_, frozenset()) for id_ in one.rules))
        return found

    @cached_property
    def _by_key(self) -> "Mapping[str, list[Rule | Correlation]]":
        found: dict[str, list[Rule | Correlation]] = {}
        every: Sequence[Rule | Correlation] = (*self.rules.rules, *self.rules.correlations)
        for one in every:
            tags = [tag.lower() for tag in one.tags]
            keys = {one.ref.id, one.ref.name, *tags, *(tag.rpartition(".")[0] for tag in tags)}
            for key in keys:
                found.setdefault(key, []).append(one)
        return found


def check_top_risks(
    risks: Iterable[Risk], levels: Mapping[str, RiskLevel], watchers: Watchers, web: Web, silent: Collection[str]
) -> Iterator[Problem]:
    """K70: a top risk that nobody watches. K71: one whose rules need a source that is silent.

    A risk without techniques and rules is asked about only where a log tells of one of its services, and then as a
    note: of what no log tells, no rule can tell.
    """
    for one in risks:
        facts = {"id": one.id, "level": Key(f"risks.level.{levels[one.id]}")}
        rules = watchers.of(one)
        if not rules:
            asked = bool(one.threats or one.detections)
            if asked or any(set(web.told_by(each.id)) & set(one.services) for each in web.sources if _lives(each)):
                why = Key("check.watch.unmatched" if asked else "check.watch.unsaid")
                yield Problem(one.at, "K70", facts | {"why": why}, Severity.WARNING if asked else Severity.NOTE)
        elif watchers.supply and not any(watchers.has_source(rule.ref.id) for rule in rules):
            yield Problem(one.at, "K70", facts | {"why": Key("check.watch.blind")}, Severity.WARNING)
        elif silent:
            needed = {source for rule in rules for source in watchers.sources(rule)} & set(silent)
            mine = tuple(sorted(each for each in needed if _tells_of(each, one, web)))
            if mine:
                yield Problem(one.at, "K71", facts | {"sources": mine}, Severity.WARNING)


def check_critical_services(web: Web) -> Iterator[Problem]:
    """K72: a critical service of which no log source tells, once there is any source.

    What is needed only as a supplier, a person or a place writes no logs.
    """
    if not any(map(_lives, web.sources)):
        return
    needed: dict[str, set[str]] = {}
    for service in web.continuity.services:
        for need in service.depends_on:
            needed.setdefault(need.id, set()).add(need.kind)
    for one in web.continuity.services:
        writes = not needed.get(one.id) or bool(needed[one.id] - WITHOUT_LOGS)
        if one.is_critical and writes and not web.watched(one):
            yield Problem(one.at, "K72", {"id": one.id, "criticality": one.criticality}, Severity.WARNING)


def check_stored(sources: Iterable[LogSource], first: Mapping[str, datetime | None], today: date) -> Iterator[Problem]:
    """K74: a source of which more is stored than its retention allows. `first`: its first stored event (aware)."""
    for one in sources:
        since = first.get(one.id)
        if one.retention is None or since is None:
            continue
        if since.astimezone(UTC).date() < GRACE.before(one.retention.before(today)):
            facts = {"source": one.id, "first": since.astimezone(UTC).date(), "retention": one.retention}
            yield Problem(one.where("retention"), "K74", facts, Severity.WARNING)


def _tells_of(source: str, risk: Risk, web: Web) -> bool:
    """Whether a source tells of a risk's services, or nobody knows of which services it tells."""
    told = web.told_by(source)
    return not risk.services or not told or bool(set(told) & set(risk.services))


def _lives(one: LogSource) -> bool:
    return one.status is not SourceStatus.RETIRED
