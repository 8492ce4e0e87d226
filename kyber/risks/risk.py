"""A risk: `risks/*.yaml` in, frozen records out. What a risk is called in other tongues stands in the catalogues."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field

from kyber.people import Owner
from kyber.register import Day, Id, Part, Record, Ref, Span, Text

GLOB: Final = "risks/*.yaml"
PREFIX: Final = "R"
"""How the ids of new risks begin."""

Status = Literal["preliminary", "open", "treating", "monitored", "accepted", "closed"]
Treatment = Literal["avoid", "mitigate", "transfer", "accept"]
Origin = Literal["interview", "workshop", "incident", "audit", "exercise", "log"]
Class = Annotated[int, Field(ge=1, le=10)]
"""A class of likelihood or impact, from 1, the lowest."""
Number = Annotated[float, Field(gt=0)]

PARTS: Final = ("inherent", "current", "target", "residual")
"""The estimates of a risk."""
REQUIRED: Final = (
    "statement",
    "category",
    "owner",
    "current",
    "treatment",
    "review",
    "identified_on",
)
"""What every risk needs once it is no longer preliminary."""


class Statement(Part):
    """What may happen, why, and what follows."""

    cause: Text
    """Why it may happen."""
    event: Text
    """What happens: an event, not a topic."""
    consequence: Text
    """What follows from it, and for whom."""


class Estimate(Part):
    """How likely something is, and how bad on each dimension."""

    likelihood: Class
    """The class of likelihood."""
    impact: Mapping[Text, Class]
    """The class of impact by dimension; the whole is the highest."""

    @property
    def whole(self) -> int:
        """The highest impact on any dimension; 0 where none is given."""
        return max(self.impact.values(), default=0)


class Assessed(Estimate):
    """An estimate, with why it was made, when and by whom."""

    rationale: Text | None = None
    """What the estimate rests on."""
    assessed_on: Day | None = None
    """When it was made."""
    assessed_by: Text | None = None
    """Who made it: a role, a person, or a group such as a workshop."""

    def unexplained(self) -> tuple[str, ...]:
        """What an estimate would have to say and does not, by field."""
        missing = [name for name in ("rationale", "assessed_on", "assessed_by") if getattr(self, name) is None]
        return tuple(missing if self.impact else ["impact", *missing])


class Vote(Part):
    """What one participant of a workshop said."""

    by: Text | None = None
    """Who; may be left out."""
    likelihood: Class
    """The class of likelihood."""
    impact: Class
    """The class of impact, as a whole."""


class Round(Part):
    """One assessment of a risk: what was said, and what was agreed."""

    on: Day
    """When."""
    by: Text
    """Who made it: a role, a person, or a group such as a workshop."""
    votes: tuple[Vote, ...] = ()
    """What each participant said, so that the spread is kept."""
    agreed: Estimate
    """What was agreed."""
    evidence: Text | None = None
    """What it rests on: findings, incidents, an exercise, an audit."""


class Review(Part):
    """When somebody looks whether all of it is still right."""

    interval: Span | None = None
    """How often; the level of the risk may ask for more."""
    last: Day | None = None
    """When it was last done."""
    reviewer: Owner | None = None
    """Who does it."""


class Acceptance(Part):
    """The decision to bear a risk as it is."""

    approver: Owner
    """Who decided: a role, or a person who holds one."""
    approved_on: Day
    """When."""
    justification: Text
    """Why the risk is borne."""
    expires: Day
    """The last day on which the decision holds, at most twelve months on."""
    decision_ref: Text
    """The decision's number or the minutes it stands in."""
    accepted_state: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """SHA-256 of what was accepted; `kyber risks accept` writes it."""
    signature: Text | None = None
    """A signature over accepted_state."""


class Closed(Part):
    """Why a risk is no longer there."""

    on: Day
    """When it was closed."""
    why: Text
    """Why."""


class Spread(Part):
    """Three points of an estimate."""

    p5: Number
    """The value that is undershot one time in twenty."""
    p50: Number
    """The value that is as often undershot as exceeded."""
    p95: Number
    """The value that is exceeded one time in twenty."""


class Tails(Part):
    """Two points of an estimate."""

    p5: Number
    """The value that is undershot one time in twenty."""
    p95: Number
    """The value that is exceeded one time in twenty."""
    mode: Number | None = None
    """The likeliest value, of a PERT only; else halfway between the ends."""


class Gain(Part):
    """What a control changes, as a share that is left: 0.5 halves."""

    control: Annotated[Id, Ref("control")]
    """The control."""
    frequency: Annotated[float, Field(ge=0, le=1)] = 1.0
    """The share of the events that is left."""
    loss: Annotated[float, Field(ge=0, le=1)] = 1.0
    """The share of the loss of an event that is left."""


class Quant(Part):
    """How often, and how much, in numbers: what a simulation starts from."""

    frequency: Spread
    """Events a year."""
    loss: Tails
    """Loss of one event."""
    distribution: Literal["lognormal", "pert"] = "lognormal"
    """How the loss of one event is spread: lognormal, or PERT, of which these are the ends."""
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "EUR"
    """The currency, as ISO 4217 has it."""
    controls: tuple[Gain, ...] = ()
    """What each control buys, where it is not yet in the numbers above."""


class Indicator(Part):
    """A query over the logs that says how near a risk has come."""

    query: Text
    """As `kyber search` takes it."""
    threshold: Annotated[int, Field(ge=0)]
    """How many events are too many."""


class Imported(Part):
    """The row of a list that a risk was read from."""

    file: Text
    """The file's name."""
    row: Annotated[int, Field(ge=1)]
    """The row, counted from 1 with the heading."""
    columns: Mapping[Text, Text] = Field(default_factory=dict)
    """What the row said under headings that were not mapped to a field."""


def _whole_from_open_on(made: dict[str, Any]) -> None:
    made["if"] = {"properties": {"status": {"const": "preliminary"}}}
    made["else"] = {"required": list(REQUIRED)}


class Risk(Record):
    """Something that may happen and would do harm."""

    model_config = ConfigDict(json_schema_extra=_whole_from_open_on)

    id: Id
    """A stable name, such as R-001; never reused."""
    title: Text
    """The risk in a few words."""
    status: Status
    """`preliminary`, `open`, `treating`, `monitored`, `accepted` or `closed`."""
    identified_in: Origin
    """Where it was met: `interview`, `workshop`, `incident`, `audit`, `exercise` or `log`."""
    identified_on: Day | None = None
    """When it was met."""
    statement: Statement | None = None
    """What may happen, why, and what follows."""
    category: Text | None = None
    """The kind of risk; the settings have an appetite for each."""
    owner: Owner | None = None
    """Who answers for it."""
    inherent: Assessed | None = None
    """How large it would be without any control."""
    current: Assessed | None = None
    """How large it is today."""
    target: Assessed | None = None
    """How large it is to become; required where it is mitigated."""
    residual: Assessed | None = None
    """How large it was found to be after treatment; measured, and not the target."""
    treatment: Treatment | None = None
    """What is done about it: `avoid`, `mitigate`, `transfer` or `accept`."""
    review: Review | None = None
    """When somebody looks whether all of this is still right."""
    controls: tuple[Annotated[Id, Ref("control")], ...] = ()
    """What holds it down, or will."""
    actions: tuple[Annotated[Id, Ref("action")], ...] = ()
    """What is to be done about it."""
    acceptance: Acceptance | None = None
    """The decision to bear it as it is."""
    closed: Closed | None = None
    """Why it is no longer there."""
    threats: tuple[Text, ...] = ()
    """Techniques of MITRE ATT&CK by which it may come about: T1110, T1566.001."""
    vulnerabilities: tuple[Text, ...] = ()
    """What makes it possible."""
    services: tuple[Annotated[Text, Ref("service")], ...] = ()
    """The services of the organisation that it touches."""
    detections: tuple[Text, ...] = ()
    """Ids or names of the rules that would see it."""
    indicators: tuple[Indicator, ...] = ()
    """Queries that say how near it has come."""
    legal_basis: tuple[Text, ...] = ()
    """The duties that it bears on."""
    confidence: Literal["low", "medium", "high"] | None = None
    """How sure the estimate is."""
    confidentiality: Literal["public", "secret"] | None = None
    """Whether this entry may be shown to anybody: `public` or `secret`."""
    quant: Quant | None = None
    """How often, and how much, in numbers."""
    assessments: tuple[Round, ...] = ()
    """The assessments so far, the latest last."""
    notes: Text | None = None
    """Anything else."""
    imported: Imported | None = None
    """Where it was read from."""

    @property
    def is_open(self) -> bool:
        return self.status != "closed"

    @property
    def left(self) -> Assessed | None:
        """What counts today: what was measured after treatment, or else the current estimate."""
        return self.residual or self.current


def lacking(risk: Risk) -> Sequence[str]:
    """What a risk that is no longer preliminary would have to say and does not, by field."""
    missing = [field for field in REQUIRED if getattr(risk, field) is None]
    if risk.treatment == "mitigate" and risk.target is None:
        missing.append("target")
    return missing
