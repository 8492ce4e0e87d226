"""The thread between the domains: findings and registers in, what each finding touches, and what touches it, out.

A finding leads to its host, the host to services, these to what rests on them; and to the risks that it bears on, as
`kyber.risks.evidence` has it. What findings have in common is looked up once, however many there are.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from ipaddress import ip_address
from typing import Final

from kyber.continuity.graph import Graph
from kyber.continuity.register import ContinuityRegister
from kyber.continuity.service import Service
from kyber.finding import Finding, Touched
from kyber.logs.enrich import Asset
from kyber.logs.source import LogSource
from kyber.risks.risk import Risk

HOST: Final = "host.name"
"""The column that names the host of a finding."""
HOST_SERVICE: Final = "host.service"
"""What the tables said of that host's service when the finding was made."""
ANYWHERE: Final = ""
"""Where a finding is of which nobody knows the service."""
UNKNOWN: Final = 9
"""The place of what is of no known criticality, after all that is."""


@dataclass(frozen=True, kw_only=True)
class Web:
    """What leads from findings to services and risks: the registers, as far as findings care."""

    sources: tuple[LogSource, ...] = ()
    assets: Mapping[str, Asset]
    continuity: ContinuityRegister
    risks: tuple[Risk, ...] = ()

    @property
    def graph(self) -> Graph:
        return self.continuity.graph

    def services_of(self, finding: Finding) -> tuple[str, ...]:
        """The services that a finding touches itself, the most urgent first.

        What is known of its host says it, by the service, the table of hosts or the finding itself; else the log source
        that names the host; else the log sources that its events came from.
        """
        return self._services(_host(finding), finding.facts.get(HOST_SERVICE, ""), finding.sources)

    def touched(self, finding: Finding) -> Touched:
        """What one finding touches."""
        return self.thread((finding,))[finding.id]

    def thread(self, findings: Iterable[Finding]) -> Mapping[str, Touched]:
        """What each of many findings touches, by its id. Work is per distinct host, sources and rule, not per one."""
        places: dict[object, Touched] = {}
        known: dict[object, Touched] = {}
        found: dict[str, Touched] = {}
        for one in findings:
            place = _host(one), one.facts.get(HOST_SERVICE, ""), one.sources
            key = place, one.rule.id, one.rule.name, one.tags
            if (touched := known.get(key)) is None:
                if (where := places.get(place)) is None:
                    where = places[place] = self._reached(self._services(*place))
                touched = known[key] = self._bearing(where, one)
            found[one.id] = touched
        return found

    def _services(self, host: str, said: str, sources: tuple[str, ...]) -> tuple[str, ...]:
        found = {*self._by_host.find(host), *(self._named(said) if said else ())}
        found = found or {each for id_ in self._sources_by_host.find(host) for each in self.told_by(id_)}
        found = found or {each for id_ in sources for each in self.told_by(id_)}
        return tuple(sorted(found, key=self._place))

    def told_by(self, source: str) -> tuple[str, ...]:
        """The services that a log source tells of: that it names, or that name it."""
        return self._by_source.get(source, ())

    def watched(self, service: Service) -> bool:
        """Whether any log source that is not retired tells of a service: by its name, or by one of its hosts."""
        if any(service.id in self.told_by(one.id) for one in self.sources if one.status != "retired"):
            return True
        hosts = {*service.hosts, *(one.host for one in self.assets.values() if service.id in self._of_asset(one))}
        live = {one.id for one in self.sources if one.status != "retired"}
        return any(live & self._sources_by_host.find(host) for host in hosts)

    def _reached(self, services: tuple[str, ...]) -> Touched:
        graph, plans_of = self.graph, self.continuity.plans_of
        known = [one for one in services if one in graph.services]
        resting = {each for one in known for each in self._resting(one)} - set(services)
        every = [graph.services[one] for one in (*known, *resting)]
        return Touched(
            services=services,
            resting=tuple(sorted(resting, key=self._place)),
            criticality=min((one.criticality for one in every if one.criticality is not None), default=None),
            patient_safety=any(one.patient_safety for one in every),
            plans=tuple(dict.fromkeys(plan.id for one in known for plan in plans_of(graph.services[one]))),
        )

    def _resting(self, id_: str) -> Collection[str]:
        """Who rests on a service, however far away; in a circle, each on all others."""
        if not self.graph.circles:
            return self.graph.resting[id_]
        found = {id_}
        last = [id_]
        while last:
            last = [one for each in last for one in self.graph.consumers[each] if one not in found]
            found.update(last)
        return found

    def _bearing(self, where: Touched, one: Finding) -> Touched:
        """With the risks that a finding there bears on, looked up: as `kyber.risks.evidence.bears` answers for each."""
        rule, here = one.rule, where.services or (ANYWHERE,)
        keys: list[tuple[str, ...]] = [("rule", rule.id), ("rule", rule.name)]
        for tag in {part for each in map(str.lower, one.tags) for part in (each, each.rpartition(".")[0])}:
            keys += [("threat", tag), *(("threat", tag, each) for each in here)]
        keys += [("service", each) for each in where.services]
        met = {id_ for key in keys for id_ in self._risks.get(key, ())}
        return replace(where, risks=tuple(sorted(met)))

    @cached_property
    def _risks(self) -> Mapping[tuple[str, ...], tuple[str, ...]]:
        """The ids of the risks that are not closed, by what a finding must have to bear on one."""
        found: dict[tuple[str, ...], list[str]] = {}
        for one in self.risks:
            if not one.is_open:
                continue
            keys: set[tuple[str, ...]] = {("rule", each) for each in one.detections}
            places = [(each,) for each in (*one.services, ANYWHERE)] if one.services else [()]
            keys |= {("threat", f"attack.{each.lower()}", *place) for each in one.threats for place in places}
            if not one.detections and not one.threats:
                keys |= {("service", each) for each in one.services}
            for key in keys:
                found.setdefault(key, []).append(one.id)
        return {key: tuple(risks) for key, risks in found.items()}

    @cached_property
    def _names(self) -> Mapping[str, str]:
        """Ids of services by their ids and names, in any case: tables of hosts may hold either."""
        services = self.graph.services.values()
        return {one.name.casefold(): one.id for one in services} | {one.id.casefold(): one.id for one in services}

    @cached_property
    def _by_host(self) -> "Hosts":
        pairs = [(host, one.id) for one in self.graph.services.values() for host in one.hosts]
        pairs += [(one.host, each) for one in self.assets.values() for each in self._of_asset(one)]
        return Hosts.of(pairs)

    @cached_property
    def _sources_by_host(self) -> "Hosts":
        return Hosts.of((host, one.id) for one in self.sources for host in one.hosts)

    @cached_property
    def _by_source(self) -> Mapping[str, tuple[str, ...]]:
        found = {one.id: dict.fromkeys(each for name in one.services for each in self._named(name))
                 for one in self.sources}  # fmt: skip
        for service in self.graph.services.values():
            for id_ in service.log_sources:
                found.setdefault(id_, {})[service.id] = None
        return {id_: tuple(services) for id_, services in found.items()}

    def _of_asset(self, one: Asset) -> tuple[str, ...]:
        return self._named(one.service) if one.service is not None else ()

    def _named(self, name: str) -> tuple[str, ...]:
        """The service of that id or name; until a service is described, services are only names."""
        return (self._names.get(name.casefold(), name),)

    def _place(self, id_: str) -> tuple[object, ...]:
        known = id_ in self.graph.services
        return (False, *self.graph.rank(id_)) if known else (True, id_)


@dataclass(frozen=True, slots=True)
class Hosts:
    """What belongs to hosts, by their names in any case, with and without a domain."""

    whole: Mapping[str, frozenset[str]]
    short: Mapping[str, frozenset[str]]
    """Of the names with a domain, by what stands before it."""

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str]]) -> "Hosts":
        """From names of hosts, each with something that belongs to it."""
        whole: dict[str, set[str]] = {}
        short: dict[str, set[str]] = {}
        for name, what in pairs:
            folded = _folded(name)
            whole.setdefault(folded, set()).add(what)
            if (first := _short(folded)) != folded:
                short.setdefault(first, set()).add(what)
        return cls(_frozen(whole), _frozen(short))

    def find(self, name: str) -> frozenset[str]:
        """What belongs to a host: by its whole name, else by its name where one of the two has no domain."""
        folded = _folded(name)
        first = _short(folded)
        if (found := self.whole.get(folded)) is not None:
            return found
        return self.short.get(folded, frozenset()) if first == folded else self.whole.get(first, frozenset())


def urgency(one: Touched) -> tuple[int, bool]:
    """By how critical what is touched is: the most critical first, then what patient safety rests on."""
    return one.criticality or UNKNOWN, not one.patient_safety


def _host(finding: Finding) -> str:
    return finding.group.get(HOST) or finding.sample.fields.get(HOST, "")


def _folded(name: str) -> str:
    return name.strip().rstrip(".").casefold()


def _short(folded: str) -> str:
    """A name without its domain; an address has none."""
    first, dot, _ = folded.partition(".")
    if not dot:
        return folded
    try:
        ip_address(folded)
    except ValueError:
        return first
    return folded


def _frozen(found: Mapping[str, set[str]]) -> dict[str, frozenset[str]]:
    return {name: frozenset(what) for name, what in found.items()}
