"""What detection says about risks: findings and rules in, who watches a risk, what was seen of it, and how often, out.

A finding is not yet what the risk tells of: days on which something was found are counted, not findings, and a stated
class of likelihood that lies outside what was seen is a question to the owner, never an answer.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

from kyber.finding import Finding
from kyber.risks.matrix import Scale
from kyber.risks.risk import Risk

PRIOR: Final = 0.5
"""The shape of the Gamma prior, whose rate is 0: Jeffreys' prior of a Poisson rate.

Source: Jeffreys, Theory of Probability, 3.10; Gelman et al., Bayesian Data Analysis, 2.6."""
LOW, HIGH = 0.05, 0.95
"""The quantiles between which the yearly frequency is told."""
DAYS_IN_YEAR: Final = 365.25


class Watch(StrEnum):
    """Whether anybody would see a risk come about."""

    UNWATCHED = "unwatched"
    """No rule bears on it."""
    BLIND = "blind"
    """Rules bear on it, and none of them could see anything."""
    QUIET = "quiet"
    """At least one rule watches, and nothing was found."""
    SEEN = "seen"
    """Something was found."""


class Verdict(StrEnum):
    """What was seen, against the class of likelihood that is stated."""

    UNKNOWN = "unknown"
    FITS = "fits"
    MORE = "more"
    """It happens more often than stated."""
    LESS = "less"
    """It happens less often than stated."""


@dataclass(frozen=True, slots=True)
class Watcher:
    """A rule as far as risks care: what it is called, its tags, the services it reads, and whether it can see."""

    id: str
    name: str
    title: str
    tags: tuple[str, ...]
    can_see: bool


@dataclass(frozen=True, slots=True)
class Frequency:
    """How often a year: the middle and the ends of a 90 % credible interval of a Poisson rate."""

    low: float
    middle: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Borne:
    """What bears on one risk."""

    risk: Risk
    watch: Watch
    watchers: tuple[Watcher, ...]
    findings: tuple[Finding, ...]
    days: tuple[date, ...]
    """The days on which something was found, each once."""
    years: float
    """How long was looked."""
    frequency: Frequency | None
    """None where nobody can see it."""
    verdict: Verdict

    def unknown(self) -> tuple[str, ...]:
        """The rules that the risk names and that are not there."""
        known = {name for one in self.watchers for name in (one.id, one.name)}
        return tuple(one for one in self.risk.detections if one not in known)

    def by_month(self) -> Mapping[str, int]:
        """How many such days each month had, as 2026-03: count."""
        return Counter(f"{day:%Y-%m}" for day in self.days)


def bearing(
    risk: Risk,
    scale: Scale,
    findings: Iterable[Finding],
    watchers: Iterable[Watcher],
    services: Callable[[Finding], Collection[str]],
    since: date,
    today: date,
) -> Borne:
    """What bears on a risk: rules it names, rules and findings with its techniques, or else findings of its services.

    `services`: the ids of those that a finding touches. `since`: from when on was looked.
    """
    rules = tuple(one for one in watchers if watches(risk, one.id, one.name, one.tags))
    found = tuple(one for one in findings if bears(risk, one.rule.id, one.rule.name, one.tags, services=services(one)))
    days = tuple(sorted({when.date() for one in found if (when := one.first or one.last) is not None}))
    return borne(risk, scale, found, days, rules, since, today)


def borne(
    risk: Risk,
    scale: Scale,
    found: tuple[Finding, ...],
    days: tuple[date, ...],
    rules: tuple[Watcher, ...],
    since: date,
    today: date,
) -> Borne:
    """The same where it is known which findings and rules bear on it, and on which days something was found."""
    seeing = any(one.can_see for one in rules)
    watch = Watch.SEEN if found else Watch.QUIET if seeing else Watch.BLIND if rules else Watch.UNWATCHED
    years = max(1, (today - since).days + 1) / DAYS_IN_YEAR
    often = frequency(len(days), years) if watch in (Watch.SEEN, Watch.QUIET) else None
    return Borne(
        risk=risk,
        watch=watch,
        watchers=rules,
        findings=found,
        days=days,
        years=years,
        frequency=often,
        verdict=_verdict(risk, scale, often),
    )


def watches(risk: Risk, rule: str, name: str, tags: Iterable[str]) -> bool:
    """Whether a rule (its id and name, its tags of Sigma) would see a risk: one that it names, or with a technique."""
    return _names(risk, rule, name) or _has_technique(risk, tags)


def bears(risk: Risk, rule: str, name: str, tags: Iterable[str], *, services: Collection[str]) -> bool:
    """Whether a finding of a rule (its id and name, its tags of Sigma) that touches some services bears on a risk.

    It does where the risk names the rule; where the rule has one of its techniques, on one of its services or nobody
    knows on which; and where the risk names neither rules nor techniques, on one of its services.
    """
    if _names(risk, rule, name):
        return True
    shared = bool(set(risk.services).intersection(services))
    if _has_technique(risk, tags):
        return not risk.services or not services or shared
    return not risk.detections and not risk.threats and shared


def frequency(count: int, years: float) -> Frequency:
    """The yearly frequency after so many events in so many years: the posterior is Gamma(count + PRIOR, years)."""
    from scipy.special import gammaincinv

    low, middle, high = (float(gammaincinv(count + PRIOR, at)) / years for at in (LOW, 0.5, HIGH))
    return Frequency(low, middle, high)


def months(today: date, many: int = 12) -> Sequence[str]:
    """The last months up to today's, as 2026-03."""
    found, day = [], today
    for _ in range(many):
        found.append(f"{day:%Y-%m}")
        day = day.replace(day=1) - timedelta(days=1)
    return found[::-1]


def _names(risk: Risk, id_: str, name: str) -> bool:
    return bool({id_, name} & set(risk.detections))


def _has_technique(risk: Risk, tags: Iterable[str]) -> bool:
    """Whether a tag of Sigma names one of the risk's techniques, or a sub-technique of it."""
    wanted = tuple(f"attack.{one.lower()}" for one in risk.threats)
    return any(tag == one or tag.startswith(f"{one}.") for tag in map(str.lower, tags) for one in wanted)


def _verdict(risk: Risk, scale: Scale, often: Frequency | None) -> Verdict:
    left = risk.left
    if often is None or left is None or left.likelihood > scale.likelihoods:
        return Verdict.UNKNOWN
    low, high = scale.per_year(left.likelihood)
    return Verdict.MORE if often.low > high else Verdict.LESS if often.high < low else Verdict.FITS
