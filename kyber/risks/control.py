"""A control: `controls/*.yaml` in, frozen records out."""

from datetime import date
from typing import Annotated, Final, Literal

from pydantic import Field

from kyber.action import Money
from kyber.people import Owner
from kyber.register import Day, Id, Part, Record, Span, Text

GLOB: Final = "controls/*.yaml"
PREFIX: Final = "C"
"""How the ids of new controls begin."""

IN_PLACE: Final = frozenset(("active", "degraded"))
"""What is there, if only in part."""

Kind = Literal["preventive", "detective", "corrective", "recovery"]
Status = Literal["planned", "implementing", "active", "degraded", "retired"]


class Evidence(Part):
    """Something that shows that a control works."""

    kind: Text
    """What it is: a report, a test, a screenshot, a query."""
    ref: Text
    """Where it is: a file, a ticket, an address."""
    date: Day
    """The day that it shows."""
    valid_until: Day | None = None
    """The last day on which it shows anything."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """SHA-256 of the file, so that it can be told from a later one."""


class Test(Part):
    """How often it is tried whether a control works."""

    interval: Span
    """How often."""
    last: Day | None = None
    """When it was last tried."""
    result: Literal["passed", "partial", "failed"] | None = None
    """How that ended."""

    @property
    def due(self) -> date | None:
        """When it is to be tried next; None where it never was."""
        return None if self.last is None else self.interval.after(self.last)


class Maps(Part):
    """The requirements that a control meets, by where they stand."""

    iso27001: tuple[Text, ...] = ()
    """Controls of ISO/IEC 27001, annex A."""
    nis2: tuple[Text, ...] = ()
    """Points of directive (EU) 2022/2555."""
    kyberturvallisuuslaki: tuple[Text, ...] = ()
    """Sections of the Finnish cybersecurity act (124/2025)."""
    tiedonhallintalaki: tuple[Text, ...] = ()
    """Sections of the Finnish act on information management (906/2019)."""
    julkri: tuple[Text, ...] = ()
    """Criteria of Julkri."""
    kybermittari: tuple[Text, ...] = ()
    """Practices of Kybermittari."""
    thl: tuple[Text, ...] = Field(default=(), alias="thl-3-2024")
    """Requirements of THL's regulation 3/2024."""


class Control(Record):
    """Something that holds risks down."""

    id: Id
    """A stable name, such as C-001; never reused."""
    title: Text
    """The control in a few words."""
    description: Text | None = None
    """What is done, how and where."""
    owner: Owner
    """Who answers for it."""
    type: Kind
    """`preventive`, `detective`, `corrective` or `recovery`."""
    status: Status
    """`planned`, `implementing`, `active`, `degraded` or `retired`."""
    evidence: tuple[Evidence, ...] = ()
    """What shows that it works."""
    test: Test | None = None
    """How often it is tried whether it works."""
    maps: Maps = Maps()
    """The requirements that it meets."""
    effectiveness: Literal["low", "medium", "high"] | None = None
    """How well it works."""
    cost: Money | None = None
    """What it costs, in euros a year."""
    evidence_query: Text | None = None
    """A query over the logs that shows that it runs, as `kyber search` takes it."""

    @property
    def is_in_place(self) -> bool:
        return self.status in IN_PLACE
