"""A service and its impact analysis: `continuity/services/*.yaml` in, frozen records out."""

from collections.abc import Sequence
from typing import Annotated, Final, Literal

from pydantic import Field

from kyber.people import Owner
from kyber.register import Day, Id, Part, Record, Ref, Span, Text

GLOB: Final = "continuity/services/*.yaml"
CRITICAL: Final = 2
"""The classes of criticality up to this one are critical."""
REQUIRED: Final = ("owner", "tech_owner", "criticality", "patient_safety", "impact_curve", "mtpd", "rto", "rpo")
"""What every service needs once its impact was analysed."""

Need = Literal["technical", "supplier", "person", "premises", "data"]
Basis = Literal["estimate", "contract", "measured"]


class ImpactPoint(Part):
    """How bad it is when the service has been away for so long."""

    after: Span
    """How long it has been away."""
    dimension: Text
    """The dimension of impact, as the settings name them: safety, operations, privacy."""
    level: Annotated[int, Field(ge=1, le=10)]
    """The class of impact."""


class Dependency(Part):
    """Something that the service needs."""

    id: Annotated[Id, Ref("service")]
    """The service that is needed."""
    kind: Need = "technical"
    """`technical`, `supplier`, `person`, `premises` or `data`."""
    restore_order: Annotated[int, Field(ge=1)] | None = None
    """What is restored first has 1; what has the same number, or none, is restored at the same time."""
    rto_contract: Span | None = None
    """How fast the supplier has promised to restore it."""
    either: Text | None = None
    """Needs with the same name here stand in for each other: one of them is enough."""


class Analysis(Part):
    """When the impact was analysed."""

    last: Day
    """When."""
    by: Text
    """Who: a role, a person, or a group such as a workshop."""


class Fallback(Part):
    """How the work is done while the service is away."""

    how: Text
    """What is done instead."""
    max_duration: Span
    """How long that can be borne."""


class Backup(Part):
    """How the service's data is kept twice."""

    method: Text | None = None
    """How, and where to."""
    interval: Span
    """How often."""
    immutable: bool | None = None
    """Whether a copy is kept that nobody can change."""
    last_restore_test: Day | None = None
    """When it was last tried to restore from it."""


class Capability(Part):
    """What can be reached today."""

    rto: Span | None = None
    """How long it takes to restore the service itself, once all that it needs is there."""
    rpo: Span | None = None
    """How much work is lost, as the time since the last copy."""
    basis: Basis = "estimate"
    """What that rests on: `estimate`, `contract` or `measured`."""


class Message(Part):
    """Who tells whom when the service is away."""

    who: Text
    """Who tells."""
    to: Text
    """Whom."""
    how: Text
    """By which way that works then."""
    within: Span
    """Within what time."""


class Restore(Part):
    """How long restoring the service itself takes, as an estimate, and how many people it ties."""

    p50: Span
    """The time that is as often undershot as exceeded."""
    p90: Span
    """The time that is exceeded one time in ten."""
    crew: Annotated[int, Field(ge=1, le=1_000)] = 1
    """How many people it ties for all of that time."""


class Service(Record):
    """A service of the organisation, or something that services need: a network, a supplier, a room, a person."""

    id: Id
    """A stable name for the service, never reused."""
    name: Text
    """The name as it is shown."""
    description: Text | None = None
    """What it is and whom it serves."""
    owner: Owner | None = None
    """Who answers for it; required once the impact was analysed, as is all down to rpo."""
    tech_owner: Owner | None = None
    """Who keeps it running."""
    criticality: Annotated[int, Field(ge=1, le=4)] | None = None
    """From 1, the most critical, to 4."""
    patient_safety: bool | None = None
    """Whether clients or patients are in danger when it is away."""
    impact_curve: tuple[ImpactPoint, ...] | None = None
    """How bad it is to be without it, as time goes by."""
    mtpd: Span | None = None
    """The longest that it may be away before the harm cannot be borne (maximum tolerable period of disruption)."""
    rto: Span | None = None
    """Within what time it is to be back (recovery time objective)."""
    rpo: Span | None = None
    """How much work may be lost, as the time before the stop (recovery point objective)."""
    holds_data: bool = True
    """Whether it holds data that could be lost; where it does not, it needs no rpo."""
    depends_on: tuple[Dependency, ...] = ()
    """What it needs."""
    bia: Analysis | None = None
    """When the impact was last analysed, and by whom."""
    mbco: Text | None = None
    """The least that has to work in any case (minimum business continuity objective)."""
    work_recovery_time: Span | None = None
    """How long it takes to catch up on work once it is back."""
    manual_fallback: Fallback | None = None
    """How the work is done while it is away."""
    backup: Backup | None = None
    """How its data is kept twice."""
    capability: Capability | None = None
    """What can be reached today."""
    restore: Restore | None = None
    """How long restoring it takes, for simulations."""
    peak_periods: tuple[Text, ...] = ()
    """When it is needed most."""
    supplier: Text | None = None
    """Who supplies it."""
    personal_data: bool | None = None
    """Whether it holds personal data."""
    communication: tuple[Message, ...] = ()
    """Who tells whom when it is away."""
    hosts: tuple[Text, ...] = ()
    """The hosts that it runs on; those of its log sources count too."""
    log_sources: tuple[Annotated[Id, Ref("source")], ...] = ()
    """The log sources that tell of it."""
    plans: tuple[Annotated[Id, Ref("plan")], ...] = ()
    """Plans that hold for it; those that name it count too."""
    confidentiality: Literal["public", "secret"] | None = None
    """Whether this entry may be shown to anybody: `public` or `secret`."""
    notes: Text | None = None
    """Anything else."""

    @property
    def is_critical(self) -> bool:
        return self.criticality is not None and self.criticality <= CRITICAL


def lacking(service: Service) -> Sequence[str]:
    """What a service whose impact was analysed would have to say and does not, by field."""
    missing = [name for name in REQUIRED if not (name == "rpo" and not service.holds_data)]
    return [name for name in missing if getattr(service, name) is None]


def by_criticality(services: Sequence[Service]) -> tuple[Service, ...]:
    """The most critical first; those of unknown criticality last; then by id."""
    return tuple(sorted(services, key=lambda one: (one.criticality or 9, one.id)))
