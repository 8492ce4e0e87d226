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


@dataclass(frozen=True, slots=True)
class Blind:
    """A rule that could not have fired in this scan, and why: finding nothing is not the same as being unable to look.

    `reason` is a key of the catalogue `blind`: `no-events` (none of its logsource), `no-field` (facts: field),
    `placeholder` (facts: name), `feature` (facts: feature), `regex-time` (facts: pattern).
    """

    rule: RuleRef
    level: Level
    reason: str
    facts: Mapping[str, object]


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
    `judged` holds, by a finding's id, what people think of it, where that is known.
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

    @property
    def is_scan(self) -> bool:
        """Whether logs were read for it; otherwise its findings were kept from earlier scans."""
        return bool(self.rules or self.blind or self.inputs)

    @property
    def nothing_new(self) -> bool:
        """Whether there was nothing to scan, since the files hold nothing that was not scanned before."""
        return bool(self.unchanged) and not self.inputs and not self.findings
