"""An incident, its course, and the clocks that the law starts: `incidents/*.yaml` in, frozen records and times out.

Due times are never stored: they follow from when the incident was noticed and from what was sent.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo

from kyber import amend
from kyber.amend import AmendError, Edit
from kyber.clock import Due
from kyber.duration import Duration
from kyber.people import Owner
from kyber.problem import Problem, Severity
from kyber.register import Id, Moment, Part, Record, Ref, Text
from kyber.text import Key
from kyber.triage import FindingId

FOLDER: Final = "incidents"
GLOB: Final = f"{FOLDER}/*.yaml"
PREFIX: Final = "I"
"""How the ids of new incidents begin."""

Grade = Literal["low", "medium", "high", "critical"]
Regime = Literal["cybersecurity-act", "gdpr"]
Stage = Literal["first", "follow-up", "final"]


class Entry(Part):
    """Something that happened or was done."""

    at: Moment
    """When."""
    what: Text
    """What. It is kept in git: no personal data."""
    by: Text | None = None
    """Who did it, or wrote it down."""


class Notification(Part):
    """A notification that was sent to an authority."""

    regime: Regime = "cybersecurity-act"
    """`cybersecurity-act` (124/2025) or `gdpr` (article 33)."""
    stage: Stage
    """`first`, `follow-up` or `final`."""
    sent: Moment
    """When it was sent."""
    ref: Text | None = None
    """The number under which the authority knows it."""


class Closed(Part):
    """The end of an incident."""

    on: Moment
    """When."""
    why: Text
    """Why it is over."""


class Incident(Record):
    """Something that happened to the organisation's security, and what was done about it."""

    id: Id
    """A stable name, such as I-001; never reused."""
    title: Text
    """The incident in a few words."""
    severity: Grade = "medium"
    """`low`, `medium`, `high` or `critical`."""
    significant: bool | None = None
    """Whether it is significant in the sense of the Cybersecurity Act; while nobody has judged, its clocks run."""
    personal_data: bool = False
    """Whether personal data were breached; then the clock of GDPR article 33 runs."""
    noticed: Moment
    """When it was noticed: the clocks begin here."""
    occurred: Moment | None = None
    """When it began, as far as that is known."""
    owner: Owner | None = None
    """The role or person that leads the work."""
    services: tuple[Annotated[Id, Ref("service")], ...] = ()
    """The services that it touches."""
    findings: tuple[FindingId, ...] = ()
    """The whole ids of the findings that belong to it."""
    risks: tuple[Annotated[Id, Ref("risk")], ...] = ()
    """The risks that came true, or nearly."""
    actions: tuple[Annotated[Id, Ref("action")], ...] = ()
    """What is to be done so that it does not happen again."""
    description: Text | None = None
    """What happened, as far as the title does not say it."""
    impact: Text | None = None
    """What it did: to whom, how far and how long."""
    cause: Text | None = None
    """What it came from."""
    measures: Text | None = None
    """What was done against it."""
    timeline: tuple[Entry, ...] = ()
    """Its course."""
    notifications: tuple[Notification, ...] = ()
    """What was sent to the authorities."""
    lessons: tuple[Text, ...] = ()
    """What was learnt."""
    closed: Closed | None = None
    """When and why it was closed; an incident without this is open."""

    @property
    def is_open(self) -> bool:
        return self.closed is None

    def sent(self, regime: str, stage: str) -> Notification | None:
        """The first notification of a stage that was sent."""
        found = [one for one in self.notifications if (one.regime, one.stage) == (regime, stage)]
        return min(found, key=lambda one: one.sent, default=None)


# --- the clocks ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """A notification that the law asks for: within `hours` of noticing, or `months` after the stage `after`.

    `seen`: whether the provision's substance was read in a public source; otherwise its ground is to be checked.
    """

    regime: Regime
    stage: Stage
    hours: int = 0
    months: int = 0
    after: Stage | None = None
    seen: bool = False


DUTIES: Final = (
    Duty(regime="cybersecurity-act", stage="first", hours=24, seen=True),
    Duty(regime="cybersecurity-act", stage="follow-up", hours=72, seen=True),
    Duty(regime="cybersecurity-act", stage="final", months=1, after="follow-up", seen=True),
    Duty(regime="gdpr", stage="first", hours=72),
)
"""Sources: Kyberturvallisuuslaki 124/2025 (section numbers to be checked) and GDPR article 33 (to be checked)."""


_EARLIEST: Final = datetime(1, 1, 3, tzinfo=UTC)
_LATEST: Final = datetime(9999, 9, 30, tzinfo=UTC)


class State(StrEnum):
    """Where a clock stands. `late`: the notification was sent, after its time."""

    MET = "met"
    LATE = "late"
    RUNNING = "running"
    MISSED = "missed"
    NOT_APPLICABLE = "not-applicable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """A duty for one incident: when it is due, when it was done, and the hours that are left, below 0 once it is over.

    `due` and `left` are None where the duty does not hold, `left` also where it was done.
    """

    duty: Duty
    state: State
    due: datetime | None = None
    sent: datetime | None = None
    left: float | None = None


def clocks(one: Incident, now: datetime, zone: ZoneInfo) -> tuple[Clock, ...]:
    """Every duty for an incident at a moment. Months are those of the calendar in `zone`."""
    return tuple(_clock(one, duty, now, zone) for duty in DUTIES)


def _clock(one: Incident, duty: Duty, now: datetime, zone: ZoneInfo) -> Clock:
    if not applies(one, duty):
        return Clock(duty=duty, state=State.NOT_APPLICABLE)
    due = due_of(one, duty, zone)
    if (done := one.sent(duty.regime, duty.stage)) is not None:
        state = State.MET if done.sent <= due else State.LATE
        return Clock(duty=duty, state=state, due=due, sent=done.sent)
    left = (due - now) / timedelta(hours=1)
    return Clock(duty=duty, state=State.RUNNING if left >= 0 else State.MISSED, due=due, left=left)


def applies(one: Incident, duty: Duty) -> bool:
    """Whether a duty holds for an incident. What nobody has judged may be significant."""
    return one.personal_data if duty.regime == "gdpr" else one.significant is not False


def due_of(one: Incident, duty: Duty, zone: ZoneInfo) -> datetime:
    """When a duty is to be done at the latest, in `zone`. A stage that nobody sent yet counts from when it is due."""
    if duty.after is None:
        return (_kept(one.noticed).astimezone(UTC) + timedelta(hours=duty.hours)).astimezone(zone)
    before = one.sent(duty.regime, duty.after)
    start = before.sent if before else due_of(one, duty_for(duty.regime, duty.after), zone)
    local = _kept(start).astimezone(zone)
    return datetime.combine(Duration(months=duty.months).after(local.date()), local.timetz())


def _kept(moment: datetime) -> datetime:
    """A moment that is far enough from the ends of the calendar to be reckoned with."""
    return min(max(moment, _EARLIEST), _LATEST)


def duty_for(regime: str, stage: str | None) -> Duty:
    """The duty of a regime and stage; no stage is named where the regime has one alone. Raises AmendError otherwise."""
    if stage is None:
        found = [duty for duty in DUTIES if duty.regime == regime]
        if len(found) == 1:
            return found[0]
        raise AmendError(f"--stage: name one of {', '.join(duty.stage for duty in found)}")
    for duty in DUTIES:
        if (duty.regime, duty.stage) == (regime, stage):
            return duty
    raise AmendError(f"there is no notification {stage} under {regime}")


def next_due(one: Incident, now: datetime, zone: ZoneInfo) -> Clock | None:
    """The clock that has to be looked at first: not met, and due soonest."""
    waiting = [each for each in clocks(one, now, zone) if each.state in (State.RUNNING, State.MISSED) and each.due]
    return min(waiting, key=lambda each: each.left or 0.0, default=None)


def dues(incidents: Iterable[Incident], now: datetime, zone: ZoneInfo) -> Iterator[Due]:
    """What falls due of the incidents' notifications, for the annual clock."""
    for one in incidents:
        for clock in clocks(one, now, zone):
            if clock.due is None:
                continue
            yield Due(
                ring="privacy" if clock.duty.regime == "gdpr" else "management",
                kind=f"incident-{clock.duty.regime}-{clock.duty.stage}",
                id=one.id,
                title=one.title,
                owner=one.owner,
                due=clock.due.date(),
                done=_kept(clock.sent).astimezone(zone).date() if clock.sent else None,
                place=one.at,
            )


# --- checks ----------------------------------------------------------------------------------------------------------


def check_incidents(incidents: Sequence[Incident], today: date, zone: ZoneInfo) -> Iterator[Problem]:
    """K06: times in the wrong order or to come. K64: a notification that nobody sent in time, as today begins."""
    dawn = datetime.combine(today, time(), zone)
    tonight = dawn + timedelta(days=1)
    for one in incidents:
        yield from _times(one, tonight)
        for clock in clocks(one, dawn, zone):
            if clock.state is State.MISSED and clock.due is not None:
                facts = {
                    "id": one.id,
                    "what": Key(f"incidents.notification.{clock.duty.regime}.{clock.duty.stage}"),
                    "due": f"{clock.due:%Y-%m-%d %H:%M}",
                }
                yield Problem(one.at, "K64", facts)


def _times(one: Incident, tonight: datetime) -> Iterator[Problem]:
    found: list[tuple[tuple[str | int, ...], datetime, datetime | None, datetime]] = [
        (("noticed",), one.noticed, one.occurred, tonight)
    ]
    found += [(("timeline", at, "at"), each.at, None, tonight) for at, each in enumerate(one.timeline)]
    found += [
        (("notifications", at, "sent"), each.sent, one.noticed, tonight) for at, each in enumerate(one.notifications)
    ]
    if one.closed is not None:
        found.append((("closed", "on"), one.closed.on, one.noticed, tonight))
    for path, moment, first, last in found:
        limit = first if first is not None and moment < first else last if moment > last else None
        if limit is not None:
            facts = {"field": ".".join(map(str, path)), "day": moment.isoformat(), "limit": limit.isoformat()}
            yield Problem(one.where(*path), "K06", facts, Severity.WARNING)


# --- what people do with an incident ---------------------------------------------------------------------------------


def opened(root: Path, used: Iterable[str], fields: Mapping[str, object]) -> tuple[str, Edit]:
    """A new incident's file, and the id that it is given. Raises AmendError."""
    id_ = amend.next_id(PREFIX, used)
    return id_, amend.new(root, FOLDER, Incident, {"id": id_, **fields})


def noted(one: Incident, at: datetime, what: str, by: str) -> Edit:
    """An incident with one more entry in its course. Raises AmendError."""
    return _with(one, "timeline", len(one.timeline), {"at": written(at), "what": what, "by": by})


def notified(one: Incident, duty: Duty, at: datetime, ref: str) -> Edit:
    """An incident with a notification that was sent. Raises AmendError where it does not hold, was sent before, cannot
    have been sent by then, or comes after one that was not."""
    if not applies(one, duty):
        raise AmendError(f"{one.id} does not ask for a notification under {duty.regime}")
    if (before := one.sent(duty.regime, duty.stage)) is not None:
        raise AmendError(f"{one.id}: this notification was sent {written(before.sent)} already")
    if at < one.noticed:
        raise AmendError(f"{one.id} was noticed {written(one.noticed)}: nothing was sent before that")
    for earlier in DUTIES[: DUTIES.index(duty)]:
        if earlier.regime == duty.regime and one.sent(earlier.regime, earlier.stage) is None:
            raise AmendError(
                f"{one.id}: the {earlier.stage} notification comes before the {duty.stage} one and is not written down "
                f"as sent; do that first: `kyber incident notify {one.id} --stage {earlier.stage} --done`"
            )
    entry = {"regime": duty.regime, "stage": duty.stage, "sent": written(at), **({"ref": ref} if ref else {})}
    return _with(one, "notifications", len(one.notifications), entry)


def closed(one: Incident, at: datetime, why: str) -> Edit:
    """An incident that is over. Raises AmendError where it was closed before."""
    if one.closed is not None:
        raise AmendError(f"{one.id} is closed already")
    return amend.amend(Path(one.at.file), Incident, [(("closed",), {"on": written(at), "why": why})])


def _with(one: Incident, field: str, length: int, entry: Mapping[str, object]) -> Edit:
    value: object = entry if length else [entry]
    return amend.amend(Path(one.at.file), Incident, [((field, length) if length else (field,), value)])


def written(moment: datetime) -> str:
    """A moment as the files have it, to the minute."""
    return moment.isoformat(timespec="minutes")
