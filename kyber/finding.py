"""Finding: what detection says, and what risks and continuity read as evidence."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from kyber.level import Level
from kyber.problem import Problem


class Family(StrEnum):
    """The three pictures: security anomalies, use and disclosure of personal data, technical errors."""

    SECURITY = "security"
    ACCESS = "access"
    TECHNICAL = "technical"


@dataclass(frozen=True, slots=True)
class RuleRef:
    """The rule that fired. `hash` is SHA-256 (hex) over the rule's canonical JSON, so that an edited rule shows.

    `titles` holds the title in other languages, where the rule gives it.
    """

    id: str
    name: str
    title: str
    hash: str
    path: str
    titles: Mapping[str, str] = field(default_factory=dict)

    def title_in(self, language: str) -> str:
        """The title in a language, or as the rule has it."""
        return self.titles.get(language) or self.title


@dataclass(frozen=True, slots=True)
class Evidence:
    """One leaf of the rule that held for the sample event: `part` (the selection's name), the field as the rule names
    it, the column it was found in, the value seen, and the pattern that the rule asks for."""

    part: str
    field: str
    column: str
    value: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Sample:
    """The earliest event of a finding: its deterministic id, where it was read, when it happened, and the columns that
    tell a reader what it was."""

    event_id: str
    file: str
    record: int
    time: datetime | None
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule, one group, one UTC day. `group` holds host.name, user.name and source.ip where the events have them.

    Of a correlation: one group and one burst. `group` holds what it groups by, `count` all events of the burst, and
    `evidence` first what the condition came to (part: the timespan, field: the type, column: the fields it looks at,
    value, pattern: the condition), then the number of events of each rule. Where nothing happened, `sample` is of no
    event: its file is empty. A silence goes from `first`, the last event before it, to `last`, when it was found; its
    sample has the time of that event, or none where there never was one.

    `id` is SHA-256 over rule id, group and day, 128 bits in hex. `count` counts events; `first` and `last` are UTC and
    None where no event of the finding carries a time. `next`: what to do about it, by language, where the rule says so.
    `sources`: ids of the log sources that its events came from; empty for files that belong to none. `facts`: what the
    organisation's own tables say of its host, user and addresses, by column.
    """

    id: str
    rule: RuleRef
    family: Family
    level: Level
    tags: tuple[str, ...]
    count: int
    first: datetime | None
    last: datetime | None
    group: Mapping[str, str]
    evidence: tuple[Evidence, ...]
    sample: Sample
    description: str = ""
    false_positives: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    next: Mapping[str, str] = field(default_factory=dict)
    sources: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)


class Status(StrEnum):
    """Where a finding stands. A finding is `reopened` when it grew after it was closed: nobody writes that."""

    OPEN = "open"
    REOPENED = "reopened"
    ACKNOWLEDGED = "acknowledged"
    CLOSED = "closed"
    FALSE_POSITIVE = "false-positive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What people think of a finding: where it stands, and who said so, when and why.

    `by` is a person's id or name; empty, and `on` None, where nobody has said anything yet. `until`: the last day on
    which an acknowledgement holds.
    """

    status: Status = Status.OPEN
    why: str = ""
    by: str = ""
    on: datetime | None = None
    until: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """What a finding threatens, as ids: the services that its host or log source belongs to, those that rest on them,
    the plans that hold for the first, and the risks that it bears on.

    `criticality` is the most urgent class among all these services, from 1; None where none is known.
    `patient_safety`: whether clients or patients are in danger when one of them is away.
    """

    services: tuple[str, ...] = ()
    resting: tuple[str, ...] = ()
    criticality: int | None = None
    patient_safety: bool = False
    plans: tuple[str, ...] = ()
    risks: tuple[str, ...] = ()

    def threatens(self, service: str) -> bool:
        """Whether a service is among those that are touched, or rests on one of them."""
        return service in self.services or service in self.resting


@dataclass(frozen=True, slots=True)
class Blind:
    """A rule that could not have fired in this scan, and why: finding nothing is not the same as being unable to look.

    `reason` is a key of the catalogue `blind`: `no-events` (none of its logsource), `no-field` (facts: field),
    `placeholder` (facts: name), `feature` (facts: feature), `regex-time` (facts: pattern); of correlations also
    `no-rule` and `rule-blind` (facts: rule), `cycle`, and `no-register` (facts: field).
    """

    rule: RuleRef
    level: Level
    reason: str
    facts: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a leaf of a rule asks for: the selection it stands in, the field (empty for a keyword) and the pattern."""

    part: str
    field: str
    pattern: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NearMiss:
    """Events that a rule would have matched if one more leaf of its condition had held.

    `asked`: that leaf, or the first of the `alternatives` of which any would have done. `met`: how many other parts of
    the condition were there. `values`: the most common values of the fields that were asked, as (field, value, events);
    a value of None: the field is not there. `sample`: one of the events, without its fields.
    """

    rule: RuleRef
    level: Level
    asked: tuple[Asked, ...]
    alternatives: int
    met: int
    count: int
    values: tuple[tuple[str, str | None, int], ...]
    sample: Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class NearWindow:
    """The window of a correlation that came nearest to its threshold, without a firing of its group around it.

    `kind` is the correlation's type, `asked` its condition, `span` its timespan as written, and `value` what the window
    came to. `group`: the values it is grouped by, without regard to case. `groups`: how many groups came near. `first`
    and `last`: the times of the window's first and last event.
    """

    rule: RuleRef
    level: Level
    kind: str
    asked: str
    span: str
    value: str
    group: Mapping[str, str]
    groups: int
    first: datetime | None
    last: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hidden:
    """What one filter took out of its rules in a scan: `rules` counts events by the rule's id, where there were any.

    An event is counted once for each rule that it matched and each filter that selects it. `owner`: the role or person
    who answers for the filter; `expires`: the last day on which it holds, None where it holds for ever.
    """

    filter: RuleRef
    owner: str = ""
    expires: date | None = None
    rules: Mapping[str, int] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many matches it took out."""
        return sum(self.rules.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class InputAccount:
    """What became of one input: records = events' records + rejected + blank, always.

    `size` is in bytes as stored, `read` in bytes after decompression. `rejected` counts by reason code; `notes` counts
    what had to be assumed (F-codes). `cut` and `repaired` are records kept with a mark: longer than the limit, or not
    UTF-8.
    """

    file: str
    format: str
    size: int
    read: int
    records: int
    events: int
    blank: int
    cut: int
    repaired: int
    rejected: Mapping[str, int]
    notes: Mapping[str, int]
    first: datetime | None
    last: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanResult:
    """Everything a scan has to say, in the order it is shown: findings by level, then by first seen.

    `rules` counts the rules that could look, of which `fired` found something; `left_out` the findings below the level
    that was asked for, `known` those that earlier scans found already, and `unchanged` the files with nothing new.
    `judged` holds, by a finding's id, what people think of it, where that is known, and `touched` what it threatens.
    `hidden`: what each filter in force
    took out of rules, also those that took out nothing. `near`: the near misses, the most telling first; None where
    nobody asked for them. `near_windows`: those of correlations.
    """

    findings: tuple[Finding, ...]
    blind: tuple[Blind, ...]
    inputs: tuple[InputAccount, ...]
    problems: tuple[Problem, ...]
    rules: int
    fired: int
    left_out: int = 0
    known: int = 0
    unchanged: int = 0
    started: datetime
    seconds: float
    timezone: str
    judged: Mapping[str, Judgement] = field(default_factory=dict)
    touched: Mapping[str, Touched] = field(default_factory=dict)
    hidden: tuple[Hidden, ...] = ()
    near: tuple[NearMiss, ...] | None = None
    near_windows: tuple[NearWindow, ...] = ()

    @property
    def is_scan(self) -> bool:
        """Whether logs were read for it; otherwise its findings were kept from earlier scans."""
        return bool(self.rules or self.blind or self.inputs)

    @property
    def nothing_new(self) -> bool:
        """Whether there was nothing to scan, since the files hold nothing that was not scanned before."""
        return bool(self.unchanged) and not self.inputs and not self.findings
