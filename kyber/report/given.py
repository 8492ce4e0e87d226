"""All that a report is made from, at one moment; nothing here is read any more, so that the same gives the same."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from kyber.clock import Due
from kyber.confidential import anonymous
from kyber.continuity.section import ContinuityView
from kyber.duty import silences
from kyber.finding import Finding, Touched
from kyber.join import Snapshot
from kyber.logs.section import LogView
from kyber.logs.standing import Entry, Looked, State
from kyber.privacy import mask
from kyber.problem import Problem
from kyber.report.anchors import slugged
from kyber.report.evidence import borne_by
from kyber.report.period import Period
from kyber.risks.evidence import Borne, Watcher
from kyber.risks.section import RiskView
from kyber.text import Words

Scope = Literal["open", "confidential", "public"]
"""Without what is secret, with it, or for anybody in the house to see."""

if TYPE_CHECKING:
    from kyber.risks.quantify import Portfolio


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the logs say. `entries`: the rules, None where they were not looked at; `heard`: when the last stored event
    of each source was, None where nothing is stored; `since`: from which day on anything was looked at."""

    findings: tuple[Finding, ...] = ()
    """Those that nobody judged false."""
    open: frozenset[str] = frozenset()
    """The ids of those that wait for somebody."""
    false: int = 0
    touched: Mapping[str, Touched]
    """What each finding touches, by its id."""
    entries: tuple[Entry, ...] | None = None
    looked: Looked | None = None
    heard: Mapping[str, datetime | None] | None = None
    since: date


@dataclass(frozen=True, slots=True)
class Before:
    """The last report: as of when, for which period, and what it said of what is compared."""

    as_of: date
    name: str
    values: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Given:
    """What a report says, before it says it."""

    snapshot: Snapshot
    """Without what is withheld."""
    problems: tuple[Problem, ...]
    waived: int
    unread: int
    """How many of the problems are errors of reading."""
    dues: tuple[Due, ...]
    """Until the end of the year after the next quarter."""
    seen: Seen
    portfolios: "tuple[Portfolio, ...]" = ()
    """What the risks with numbers cost in a year."""
    before: Before | None
    period: Period
    label: str
    commit: str
    withheld: int
    """How many secret entries are left out."""
    withheld_risks: int = 0
    """How many of them are open risks."""
    scope: Scope = "open"
    words: Words

    @property
    def public(self) -> bool:
        """Whether anybody in the house may see it: then it tells of no incidents and no problems of the registers."""
        return self.scope == "public"

    @property
    def safe(self) -> Callable[[str], str]:
        """What is done with texts before they are drawn."""
        return anonymous if self.public else mask

    @property
    def today(self) -> date:
        return self.snapshot.today

    @cached_property
    def values(self) -> Mapping[str, str]:
        """What the next report compares itself with, by stable keys."""
        from kyber.report.values import values  # which asks for all that stands below

        return values(self)

    @cached_property
    def borne(self) -> Mapping[str, Borne]:
        """What bears on each open risk, by id; nothing where the rules were not looked at."""
        seen = self.seen
        if seen.entries is None:
            return {}
        watchers = [
            Watcher(
                one.heading.id, one.heading.name, one.heading.title, one.heading.tags, one.standing.state is State.RUNS
            )
            for one in seen.entries
            if one.standing.state is not State.OVERRIDDEN
        ]
        return borne_by(self.snapshot.risks, seen.findings, seen.touched, watchers, seen.since)

    @cached_property
    def anchors(self) -> Mapping[str, str]:
        """What links to records and rules lead to, by kind and id; only of what stands in the report."""
        found = {f"risk-{one.id}": f"risk-{one.id}" for one in self.snapshot.risks.risks if one.is_open}
        found |= {f"service-{one.id}": f"service-{one.id}" for one in self._continuity({}).shown}
        start, end = self.period.start, self.period.until(self.today)
        log = self._logs({}, {}, {})
        rules = sorted({one.rule.id for one in log.between(start, end)})
        return {**found, **slugged("rule", rules)}

    @cached_property
    def risks(self) -> RiskView:
        return RiskView(
            register=self.snapshot.risks,
            borne=self.borne,
            before=self.before.values if self.before else None,
            anchors=self.anchors,
            names=self.names,
            words=self.words,
            safe=self.safe,
        )

    @cached_property
    def names(self) -> Mapping[str, str]:
        """What services are called, by their ids."""
        return {one.id: one.name for one in self.snapshot.continuity.services}

    @cached_property
    def continuity(self) -> ContinuityView:
        touching: dict[str, list[str]] = {}
        for one in self.risks.open:
            for id_ in one.services:
                touching.setdefault(id_, []).append(one.id)
        return replace(self._continuity(self.anchors), risks=touching)

    @cached_property
    def logs(self) -> LogView:
        risks: dict[str, dict[str, None]] = {}
        services: dict[str, dict[str, None]] = {}
        for one in self.seen.findings:
            touched = self.seen.touched.get(one.id, Touched())
            risks.setdefault(one.rule.id, {}).update(dict.fromkeys(touched.risks))
            services.setdefault(one.rule.id, {}).update(dict.fromkeys(touched.services))
        return self._logs({id_: sorted(ids) for id_, ids in risks.items()},
                          {id_: tuple(ids) for id_, ids in services.items()}, self.anchors)  # fmt: skip

    def _continuity(self, anchors: Mapping[str, str]) -> ContinuityView:
        return ContinuityView(
            register=self.snapshot.continuity,
            before=self.before.values if self.before else None,
            risks={},
            anchors=anchors,
            words=self.words,
            safe=self.safe,
        )

    def _logs(
        self, risks: Mapping[str, list[str]], services: Mapping[str, tuple[str, ...]], anchors: Mapping[str, str]
    ) -> LogView:
        seen, snapshot = self.seen, self.snapshot
        return LogView(
            findings=seen.findings,
            open=seen.open,
            false=seen.false,
            entries=seen.entries,
            seen=seen.looked,
            sources=len(snapshot.sources),
            silent=None if seen.heard is None else silences(snapshot.sources, seen.heard, snapshot.morning),
            start=self.period.start,
            end=self.period.until(self.today),
            before=self.period.before(self.today),
            since=seen.since,
            zone=snapshot.workspace.settings.zone,
            risks=risks,
            services=services,
            anchors=anchors,
            names=self.names,
            words=self.words,
        )
