"""Who answers for what: people, log sources and findings in, the owners and those who are to be told out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from kyber.digest import Silence
from kyber.finding import Finding
from kyber.logs.source import LogSource, SourceStatus
from kyber.people import People, Person
from kyber.settings import ADDRESS


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """Who answers for the log sources on one day. `fallback` is the owner of what nobody owns, if there is one."""

    people: People
    sources: tuple[LogSource, ...]
    fallback: str | None
    today: date

    def owners(self, source: str) -> tuple[str, ...]:
        """The owner of a source by its id, or the fallback; empty where there is neither."""
        owner = next((one.owner for one in self.sources if one.id == source and one.owner is not None), self.fallback)
        return () if owner is None else (owner,)

    def owners_of(self, finding: Finding) -> tuple[str, ...]:
        """The owners of a finding's sources, each once; of one without sources, the fallback."""
        found = (owner for source in finding.sources or ("",) for owner in self.owners(source))
        return tuple(dict.fromkeys(found))

    def reached(self, owner: str) -> tuple[Person, ...]:
        """Those who are told: the owner's holders that have an address; else the deputies; else the fallback's."""
        for one in dict.fromkeys((owner, self.fallback)):
            for people in (self.people.held_by(one, self.today), self._deputies(one)) if one is not None else ():
                told = tuple(person for person in people if person.email and ADDRESS.fullmatch(person.email))
                if told:
                    return told
        return ()

    def title(self, owner: str) -> str:
        """A role's title or a person's name; the id of neither."""
        titles = {role.id: role.title for role in self.people.roles}
        return titles.get(owner) or next((one.name for one in self.people.people if one.id == owner), owner)

    def _deputies(self, owner: str) -> tuple[Person, ...]:
        deputies = next((role.deputies for role in self.people.roles if role.id == owner), ())
        return tuple(person for id_ in deputies for person in self.people.held_by(id_, self.today))


def silences(sources: Iterable[LogSource], last: Mapping[str, datetime | None], now: datetime) -> tuple[Silence, ...]:
    """The active sources whose last event (aware; None or absent if there was none) is longer ago than is normal."""
    return tuple(
        Silence(source=one.id, name=one.name, last=at, expected=str(one.expected_every))
        for one in sources
        if one.status is SourceStatus.ACTIVE and one.read is not None and one.expected_every is not None
        for at in (last.get(one.id),)
        if at is None or now - at > timedelta(seconds=one.expected_every.approximate_seconds)
    )
