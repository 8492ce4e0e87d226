"""What people decide about findings: `triage/*.yaml` in, where each finding stands out; and decisions written back.

One file a finding, in git, with every decision about it; the last one counts. No value from a log stands in it: who
needs to know more looks the finding up by its id.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from kyber.amend import Edit, slug
from kyber.errors import UsageError
from kyber.finding import Finding, Judgement, Status
from kyber.kept import KeptFinding
from kyber.problem import Problem, Severity
from kyber.register import Day, Moment, Part, Record, Text, edited, private_data, read, read_all, text_of

FOLDER: Final = "triage"
GLOB: Final = f"{FOLDER}/*.yaml"
SCHEMA_LINE: Final = "# yaml-language-server: $schema=../.kyber/schemas/triage.schema.json\n"
ASKS_WHY: Final = frozenset((Status.CLOSED, Status.FALSE_POSITIVE))
"""What nobody may decide without saying why."""

_ID: Final = re.compile(r"[0-9a-f]{32}")
_ID_SHOWN: Final = 8


class TriageError(UsageError):
    """A decision cannot be written down."""


def _finding_id(value: object) -> object:
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise PydanticCustomError("finding", "not the id of a finding")
    return value


FindingId = Annotated[
    str, BeforeValidator(_finding_id), WithJsonSchema({"type": "string", "pattern": f"^{_ID.pattern}$"})
]


class DecidedRule(Part):
    """The rule of a finding, so that a reader of the file knows what it is about."""

    id: Text
    """The rule's id."""
    title: Text
    """The rule's title."""


class Decision(Part):
    """What somebody decided about a finding, and when."""

    status: Literal["open", "acknowledged", "closed", "false-positive"]
    """`acknowledged`: somebody looks into it; `closed`; `false-positive`: it is not what the rule looks for; `open`:
    again."""
    why: Text | None = None
    """Why; required where it is closed or a false positive. No personal data."""
    by: Text
    """Who decided: the id of a person, or a name."""
    on: Moment
    """When."""
    until: Day | None = None
    """The last day on which an acknowledgement holds; then the finding is open again."""
    events: Annotated[int, Field(ge=0)] | None = None
    """How many events the finding had; one that is closed and has more by now is reopened."""


class Triage(Record):
    """The decisions about one finding, the latest one last."""

    finding: FindingId
    """The finding's whole id."""
    rule: DecidedRule
    """The rule that found it."""
    decisions: tuple[Decision, ...]
    """What was decided, in the order of time; the last one counts."""


# --- where a finding stands ------------------------------------------------------------------------------------------


def load_triage(root: Path) -> tuple[tuple[Triage, ...], tuple[Problem, ...]]:
    """What was decided in the workspace at `root`, by path, and what is to be mended in the files."""
    return read_all(root, GLOB, Triage)


def by_finding(triage: Sequence[Triage]) -> Mapping[str, tuple[Decision, ...]]:
    """The decisions by the id of their finding. Where two files are about one, the file decided in last comes last."""
    found: dict[str, tuple[Decision, ...]] = {}
    for one in sorted((one for one in triage if one.decisions), key=lambda one: one.decisions[-1].on):
        found[one.finding] = found.get(one.finding, ()) + one.decisions
    return found


def judged(
    findings: Sequence[KeptFinding], decisions: Mapping[str, Sequence[Decision]], today: date
) -> Mapping[str, Judgement]:
    """Where each finding stands, by id."""
    return {one.finding.id: judgement(one, decisions.get(one.finding.id, ()), today) for one in findings}


def judgement(one: KeptFinding, decisions: Sequence[Decision], today: date) -> Judgement:
    """Where a finding stands today, after the decisions about it."""
    if not decisions:
        return Judgement()
    last = decisions[-1]
    status = Status(last.status)
    if status is Status.ACKNOWLEDGED and last.until is not None and last.until < today:
        status = Status.OPEN
    elif status is Status.CLOSED and _has_grown(one, last):
        status = Status.REOPENED
    return replace(_said(last), status=status)


def history(decisions: Sequence[Decision]) -> tuple[Judgement, ...]:
    """The decisions about a finding as they were made, the latest one last."""
    return tuple(map(_said, decisions))


def _said(decision: Decision) -> Judgement:
    return Judgement(
        status=Status(decision.status),
        why=decision.why or "",
        by=decision.by,
        on=decision.on,
        until=decision.until,
    )


def _has_grown(one: KeptFinding, since: Decision) -> bool:
    if since.events is not None:
        return one.finding.count > since.events
    return one.grown is not None and one.grown > since.on


# --- checks ----------------------------------------------------------------------------------------------------------


def check_triage(triage: Sequence[Triage], today: date) -> Iterator[Problem]:
    """K76: two files about one finding. K77: no reason. K78: an end that means nothing. K79, K86: times that cannot be.

    A day's difference between clocks is no problem.
    """
    seen: dict[str, Triage] = {}
    for one in triage:
        if (first := seen.setdefault(one.finding, one)) is not one:
            yield Problem(one.where("finding"), "K76", {"finding": one.finding, "first": first.at}, Severity.WARNING)
        for index, decision in enumerate(one.decisions):
            place = ("decisions", index)
            if Status(decision.status) in ASKS_WHY and decision.why is None:
                yield Problem(one.where(*place), "K77", {"status": decision.status})
            if decision.until is not None and (
                Status(decision.status) is not Status.ACKNOWLEDGED or decision.until < decision.on.date()
            ):
                facts = {"status": decision.status, "until": decision.until}
                yield Problem(one.where(*place, "until"), "K78", facts, Severity.WARNING)
            if index and decision.on < one.decisions[index - 1].on:
                yield Problem(one.where(*place, "on"), "K79", {"on": decision.on.isoformat()}, Severity.WARNING)
            if decision.on.date() > today + timedelta(days=1):
                yield Problem(one.where(*place, "on"), "K86", {"on": decision.on.isoformat()}, Severity.WARNING)


# --- writing decisions down ------------------------------------------------------------------------------------------


def edit(root: Path, triage: Sequence[Triage], finding: Finding, decision: Decision) -> Edit:
    """The decision, added to what the workspace at `root` has about a finding; nothing is written yet.

    Raises TriageError where it holds what belongs in no register or has no place, EditError where the file's layout
    lets nothing be added.
    """
    known = [one for one in triage if one.finding == finding.id]
    if known:
        latest = max(known, key=lambda one: one.decisions[-1].on.timestamp() if one.decisions else 0.0)
        file = Path(latest.at.file)
        old = _text(file)
        text = edited(old, ("decisions", len(latest.decisions)), _written(decision))
    else:
        file = _place(root, triage, finding)
        old = ""
        text = SCHEMA_LINE + text_of(
            {
                "finding": finding.id,
                "rule": {"id": finding.rule.id, "title": finding.rule.title},
                "decisions": [_written(decision)],
            }
        )
    try:
        content = text.encode()
    except UnicodeEncodeError:
        raise TriageError("it holds what is no text: write it in UTF-8") from None
    if len(list(private_data(content, ""))) > len(list(private_data(old.encode(), ""))):
        raise TriageError(
            "a personal identity code or a secret does not belong into what is kept in git: say it without"
        )
    made, _ = read(content, str(file), Triage)
    if made is None or made.decisions[-1:] != (decision,) or made.finding != finding.id:
        raise TriageError(f"the decision cannot be added to {file}: `kyber check` says what is wrong there")
    return Edit(file, text)


def name_of(finding: Finding, shown: int = _ID_SHOWN) -> str:
    """The name of a finding's file: its first day, its rule, and the first characters of its id."""
    day = finding.first.date().isoformat() if finding.first else "undated"
    rule = slug(finding.rule.name or finding.rule.title) or "rule"
    return f"{FOLDER}/{day}-{rule}-{finding.id[:shown]}.yaml"


def _place(root: Path, triage: Sequence[Triage], finding: Finding) -> Path:
    others = {Path(one.at.file) for one in triage}
    for file in (root / name_of(finding), root / name_of(finding, len(finding.id))):
        if not file.exists() and not file.is_symlink():
            return file
        if file not in others:
            break
    raise TriageError(f"{file} is in the way, and cannot be read: `kyber check` says what is wrong with it")


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TriageError(f"{file} cannot be read: {error}") from None


def _written(decision: Decision) -> dict[str, object]:
    """The decision as its file has it: what is absent is left out."""
    fields = {
        "status": decision.status,
        "why": decision.why,
        "by": decision.by,
        "on": decision.on.isoformat().replace("+00:00", "Z"),
        "until": decision.until.isoformat() if decision.until else None,
        "events": decision.events,
    }
    return {name: value for name, value in fields.items() if value is not None}


# --- retention -------------------------------------------------------------------------------------------------------


def expired(triage: Sequence[Triage], before: datetime) -> tuple[Triage, ...]:
    """What was decided last before then (aware); `record.at.file` says where it stands."""
    return tuple(one for one in triage if one.decisions and max(each.on for each in one.decisions) < before)


def delete(triage: Sequence[Triage]) -> None:
    """Delete the files of these records; git still has them. Raises OSError."""
    for one in triage:
        Path(one.at.file).unlink(missing_ok=True)
