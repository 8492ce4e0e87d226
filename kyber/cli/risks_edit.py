"""`kyber risks add` to `approve`: what people do with risks, as options in and edited files out."""

import re
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from kyber.cli.console import Where, plain, say
from kyber.cli.desk import By, DryRun, On, owners, write
from kyber.cli.risks_files import MaybeActionId, MaybeControlId, Origin, RiskDesk, RiskId, desk
from kyber.errors import UsageError

if TYPE_CHECKING:
    from kyber.risks.risk import Assessed, Risk

APPROVED: Final = ("risks/*.yaml", "controls/*.yaml", "actions/*.yaml", "kyber.yaml", "people.yaml")
"""What an approval rests on."""
TITLE_SHOWN: Final = 80
_IMPACT: Final = re.compile(r"\s*([^=]+?)\s*=\s*([0-9]{1,2})\s*")


class Estimated(StrEnum):
    """The estimates that can be made."""

    INHERENT = "inherent"
    CURRENT = "current"
    TARGET = "target"
    RESIDUAL = "residual"


class Treatment(StrEnum):
    """What can be done about a risk."""

    AVOID = "avoid"
    MITIGATE = "mitigate"
    TRANSFER = "transfer"
    ACCEPT = "accept"


class Kind(StrEnum):
    """What a control does."""

    PREVENTIVE = "preventive"
    DETECTIVE = "detective"
    CORRECTIVE = "corrective"
    RECOVERY = "recovery"


class ControlStatus(StrEnum):
    """How far a control is there."""

    PLANNED = "planned"
    IMPLEMENTING = "implementing"
    ACTIVE = "active"
    DEGRADED = "degraded"
    RETIRED = "retired"


class ActionStatus(StrEnum):
    """How far an action is."""

    PROPOSED = "proposed"
    PLANNED = "planned"
    ONGOING = "ongoing"
    DONE = "done"
    CANCELLED = "cancelled"


Cause = Annotated[str, typer.Option(metavar="TEXT", help="Why it may happen.", show_default=False)]
Event = Annotated[str, typer.Option(metavar="TEXT", help="What happens: an event, not a topic.", show_default=False)]
Consequence = Annotated[
    str, typer.Option(metavar="TEXT", help="What follows from it, and for whom.", show_default=False)
]
Category = Annotated[str, typer.Option(metavar="CATEGORY", help="The kind of risk.", show_default=False)]
Owner = Annotated[
    str,
    typer.Option(
        metavar="WHO", help="The role or person that answers for it.", autocompletion=owners, show_default=False
    ),
]
New = Annotated[str, typer.Option("--new", metavar="TITLE", help="Make a new one, and name it.", show_default=False)]


def add(
    title: Annotated[
        str | None,
        typer.Argument(metavar="[TITLE]", help="The risk in a few words; else kyber asks.", show_default=False),
    ] = None,
    identified_in: Annotated[Origin, typer.Option(help="Where it was met.")] = Origin.INTERVIEW,
    on: On = "",
    cause: Cause = "",
    event: Event = "",
    consequence: Consequence = "",
    category: Category = "",
    owner: Owner = "",
    dry_run: DryRun = False,
    workspace: Where = None,
) -> None:
    """Add a risk, with an id that was never used before. Without a title, kyber asks for each part."""
    from kyber.risks.edits import add as added
    from kyber.risks.risk import Risk

    at = desk(workspace)
    if title is None:
        title = _asked(at, "title", required=True)
        identified_in = Origin(_choice(at, "identified-in", Origin, identified_in.value))
        cause, event = cause or _asked(at, "cause"), event or _asked(at, "event")
        consequence = consequence or _asked(at, "consequence")
        category, owner = category or _asked(at, "category"), owner or _asked(at, "owner")
    owner = at.owner(owner) if owner else ""
    _category(at, category)
    same = [one.id for one in at.register.risks if one.title.casefold() == _line(title).casefold()]
    if same:
        say(plain(at.words("risks.did.same-title", ids=tuple(same))), error=True)
    fields = {
        "title": _line(title),
        "status": "preliminary",
        "identified_in": identified_in.value,
        "identified_on": at.day(on),
        "statement": _statement(cause, event, consequence),
        "category": category or None,
        "owner": owner or None,
    }
    id_, edit = added(at.place(), Risk, fields)
    say(plain(at.words("risks.did.added", id=id_, title=fields["title"])))
    write(at, [edit], dry_run=dry_run)


def define(
    risk: RiskId,
    title: Annotated[str, typer.Option(metavar="TEXT", help="The risk in a few words.", show_default=False)] = "",
    cause: Cause = "",
    event: Event = "",
    consequence: Consequence = "",
    category: Category = "",
    owner: Owner = "",
    service: Annotated[
        list[str] | None,
        typer.Option(metavar="SERVICE", help="One more service it touches; may be repeated.", show_default=False),
    ] = None,
    detection: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RULE", help="Id or name of one more rule that sees it; may be repeated.", show_default=False
        ),
    ] = None,
    threat: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TECHNIQUE", help="One more technique of ATT&CK, as T1110; may be repeated.", show_default=False
        ),
    ] = None,
    dry_run: DryRun = False,
    workspace: Where = None,
) -> None:
    """Say what a risk is: its statement, category, owner and more. What is not named stays as it is."""
    from kyber.risks.edits import define as defined

    at = desk(workspace)
    one = at.risk(risk)
    owner = at.owner(owner) if owner else ""
    _category(at, category)
    given = {"title": _line(title), "category": category, "owner": owner}
    fields: dict[str, object] = {name: value for name, value in given.items() if value}
    for name, more in (("services", service), ("detections", detection), ("threats", threat)):
        if more:
            fields[name] = list(dict.fromkeys((*getattr(one, name), *more)))
    if statement := _statement(cause, event, consequence):
        fields["statement"] = statement
    if not fields:
        raise UsageError("nothing was named that is to change; `kyber risks define --help` lists what can be")
    _done(at, one, "defined", [defined(one, fields)], dry_run)


def assess(
    risk: RiskId,
    likelihood: Annotated[
        int | None,
        typer.Option("--likelihood", "-l", metavar="CLASS", help="The class of likelihood.", show_default=False),
    ] = None,
    impact: Annotated[
        list[str] | None,
        typer.Option(
            "--impact",
            "-i",
            metavar="DIMENSION=CLASS",
            help="The class of impact on a dimension; may be repeated.",
            show_default=False,
        ),
    ] = None,
    part: Annotated[Estimated, typer.Option(help="Which estimate this is.")] = Estimated.CURRENT,
    rationale: Annotated[
        str, typer.Option(metavar="TEXT", help="What the estimate rests on.", show_default=False)
    ] = "",
    evidence: Annotated[
        str, typer.Option(metavar="TEXT", help="What shows it: findings, an incident, an exercise.", show_default=False)
    ] = "",
    by: By = None,
    on: On = "",
    dry_run: DryRun = False,
    workspace: Where = None,
) -> None:
    """Estimate likelihood and impact. Without them, kyber shows the scale and asks."""
    from kyber.risks.edits import assess as assessed
    from kyber.risks.matrix import rank

    at = desk(workspace)
    one = at.risk(risk)
    before: Assessed | None = getattr(one, part.value)
    if likelihood is None and not impact:
        _show_scale(at)
        likelihood = _number(at, "likelihood", at.register.scale.likelihoods, before.likelihood if before else None)
        impact = _asked(at, "impact", required=before is None).split()
        rationale = rationale or _asked(at, "rationale")
    elif likelihood is None:
        if before is None:
            raise UsageError("--likelihood is missing: there is no estimate yet")
        likelihood = before.likelihood
    found = estimated(at, likelihood, impact or [], rationale, at.by(by), at.day(on))
    if not found.impact and before is None:
        raise UsageError("--impact is missing: name at least one dimension, as --impact privacy=4")
    edit = assessed(one, part.value, found, evidence=_line(evidence) or None)
    was = at.register.scale.level(before)
    _done(at, one, "assessed", [edit], dry_run)
    from kyber.risks.edits import after

    now = at.register.scale.level(getattr(after(edit), part.value))
    facts = {"part": at.words(f"risks.part.{part}"), "level": at.words(f"risks.level.{now}")}
    if was is None or was is now:
        say(at.words("risks.did.level", **facts))
    else:
        key = "risks.did.level-up" if rank(now) > rank(was) else "risks.did.level-down"
        say(at.words(key, **facts, before=at.words(f"risks.level.{was}")))


def treat(
    risk: RiskId,
    treatment: Annotated[
        Treatment, typer.Argument(metavar="TREATMENT", help="avoid, mitigate, transfer or accept.", show_default=False)
    ],
    dry_run: DryRun = False,
    workspace: Where = None,
) -> None:
    """Say what is done about a risk. A risk that is mitigated needs a target: `kyber risks assess --part target`."""
    from kyber.risks.edits import treat as treated

    at = desk(workspace)
    one = at.risk(risk)
    _done(
        at, one, "treated", [treated(one, treatment.value)], dry_run, treatment=at.words(f"risks.treatment.{treatment}")
    )


def control(
    risk: RiskId,
    control: MaybeControlId = None,
    new: New = "",
    owner: Owner = "",
    type_: Annotated[Kind, typer.Option("--type", help="What a new control does.")] = Kind.PREVENTIVE,
    status: Annotated[ControlStatus, typer.Option(help="How far a new control is there.")] = ControlStatus.PLANNED,
    remove: Annotated[bool, typer.Option("--remove", help="Take the control off the risk; the control stays.")] = False,
    dry_run: DryRun = False,
    workspace: Where = None,
) -> None:
    """Name a control that holds a risk down, or make a new one; --remove takes it off."""
    from kyber.risks.control import Control
    from kyber.risks.edits import add as added
    from kyber.risks.edits import link

    at = desk(workspace)
    one = at.risk(risk)
    _either(control, new)
    if control is not None:
        id_ = control if remove else at.control(control).id
        _done(
            at, one, "unlinked" if remove else "linked", [link(one, "controls", id_, remove=remove)], dry_run, other=id_
        )
        return
    owner = at.owner(owner) if owner else ""
    fields = {"title": _line(new), "owner": owner or at.by(None), "type": type_.value, "status": status.value}
    id_, made = added(at.place(), Control, fields)
    _done(at, one, "linked", [made, link(one, "controls", id_)], dry_run, other=id_)


def action(
    risk: RiskId,
    action: MaybeActionId = None,
    new: New = "",
    owner: Owner = "",
    due: Annotated[
        str, typer.Option(metavar="DAY", help="The last day, as 2026-03-31, or 90d from today.", show_default=False)
    ] = "",
    status: Annotated[
        ActionStatus | None, typer.Option(help="How far it is; done writes down the day as well.", show_default=False)
    ] = None,
    cost: Annotated[
        float | None, typer.Option(metavar="EUROS", min=0, help="What it costs.", show_default=False)
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take the action off the risk; the action stays.")] = False,
    dry_run: DryRun = False,
    workspace: Where = None,
) -> None:
    """Name an action for a risk, make a new one, or say how far one is; --remove takes it off the risk."""
    from kyber.action import Action
    from kyber.risks.edits import add as added
    from kyber.risks.edits import link

    at = desk(workspace)
    one = at.risk(risk)
    _either(action, new)
    owner = at.owner(owner) if owner else ""
    fields: dict[str, object] = {
        name: value for name, value in {"owner": owner, "due": _until(at, due), "cost": cost}.items() if value
    }
    if action is not None:
        if remove:
            edits = [link(one, "actions", action, remove=True)]
            _done(at, one, "unlinked", edits, dry_run, other=action)
            return
        task = at.action(action)
        edits = [] if task.id in one.actions else [link(one, "actions", task.id)]
        changes = [((name,), value) for name, value in fields.items()]
        if status is not None:
            changes.append((("status",), status.value))
            if status is ActionStatus.DONE:
                changes.append((("done_on",), at.today))
        if changes:
            from kyber.amend import amend

            edits.append(amend(Path(task.at.file), Action, changes))
        if not edits:
            raise UsageError(f"{one.id} names {task.id} already: say what is to change, as --status done")
        _done(at, one, "linked", edits, dry_run, other=task.id)
        return
    state = status or (ActionStatus.PLANNED if owner and due else ActionStatus.PROPOSED)
    id_, made = added(at.place(), Action, {"title": _line(new), "status": state.value, **fields})
    _done(at, one, "linked", [made, link(one, "actions", id_)], dry_run, other=id_)


def review(
    risk: RiskId,
    by: By = None,
    on: On = "",
    interval: Annotated[
        str, typer.Option(metavar="TIME", help="How often from now on, as '6 months'.", show_default=False)
    ] = "",
    evidence: Annotated[
        str, typer.Option(metavar="TEXT", help="What confirms it: findings, an exercise.", show_default=False)
    ] = "",
    dry_run: DryRun = False,
    workspace: Where = None,
) -> None:
    """Write down that somebody looked at a risk and found it still right; its score is confirmed in its history."""
    from kyber.risks.edits import review as reviewed

    at = desk(workspace)
    one = at.risk(risk)
    edit = reviewed(one, at.day(on), at.by(by), interval or None, _line(evidence) or None)
    _done(at, one, "reviewed", [edit], dry_run)


def accept(
    risk: RiskId,
    approver: Annotated[
        str,
        typer.Option(metavar="WHO", help="The role or person that decided.", autocompletion=owners, show_default=False),
    ],
    decision_ref: Annotated[
        str,
        typer.Option(metavar="TEXT", help="The decision's number, or the minutes it stands in.", show_default=False),
    ],
    justification: Annotated[str, typer.Option(metavar="TEXT", help="Why the risk is borne.", show_default=False)],
    expires: Annotated[
        str, typer.Option(metavar="DAY", help="The last day, as 2026-12-31, or 180d on; at most twelve months.")
    ] = "12 months",
    on: On = "",
    dry_run: DryRun = False,
    workspace: Where = None,
) -> None:
    """Write down the decision to bear a risk as it is. It is bound to what the risk is now: a change needs another."""
    from kyber.risks.edits import accept as accepted

    at = desk(workspace)
    one = at.risk(risk)
    approver = at.owner(approver) if approver else ""
    day = at.day(on)
    if not _line(decision_ref) or not _line(justification):
        raise UsageError("--decision-ref and --justification are needed: what was decided, where, and why")
    decision = {
        "approver": approver,
        "approved_on": day,
        "justification": _line(justification),
        "expires": _after(expires, day),
        "decision_ref": _line(decision_ref),
    }
    _done(at, one, "accepted", [accepted(at.register, one, decision)], dry_run, until=decision["expires"])


def close(
    risk: RiskId,
    why: Annotated[str, typer.Option(metavar="TEXT", help="Why it is no longer there.", show_default=False)],
    on: On = "",
    dry_run: DryRun = False,
    workspace: Where = None,
) -> None:
    """Close a risk that is no longer there. Its file stays, and its id is never used again."""
    from kyber.risks.edits import close as closed

    at = desk(workspace)
    one = at.risk(risk)
    if not _line(why):
        raise UsageError("--why is empty: say why")
    _done(at, one, "closed", [closed(one, at.day(on), _line(why))], dry_run)


def approve(
    decision_ref: Annotated[
        str,
        typer.Option(metavar="TEXT", help="The decision's number, or the minutes it stands in.", show_default=False),
    ],
    by: Annotated[
        str,
        typer.Option(
            "--by",
            metavar="WHO",
            help="The role or person that approved it.",
            autocompletion=owners,
            show_default=False,
        ),
    ],
    on: On = "",
    notes: Annotated[str, typer.Option(metavar="TEXT", help="What was decided with it.", show_default=False)] = "",
    dry_run: DryRun = False,
    workspace: Where = None,
) -> None:
    """Write down that management approved the list as a whole: the day, the decision, the commit, each risk's state.

    What is preliminary or closed takes no part. Commit the registers first, so that the approval names their commit.
    """
    from kyber import git
    from kyber.problem import Severity
    from kyber.risks.checks import check_risks
    from kyber.risks.edits import approve as approved

    at = desk(workspace)
    by = at.owner(by) if by else ""
    root = at.here.root
    commit = git.head(root)
    if commit is not None and (changed := git.changed(root, *APPROVED)):
        raise UsageError(
            f"not committed: {', '.join(changed[:5])}; commit first, so that the approval names what was approved"
        )
    edit = approved(root, at.register, at.day(on), by, _line(decision_ref), commit, _line(notes) or None)
    count = edit.text.count("\n  - id: ")
    say(plain(at.words.many("risks.did.approved", count, by=by, ref=_line(decision_ref))))
    write(at, [edit], dry_run=dry_run)
    if commit is None:
        say(plain(at.words("risks.did.no-commit")))
    if left := [one.id for one in at.register.risks if one.status == "preliminary"]:
        say(at.words.many("risks.did.left-out", len(left), ids=tuple(left)))
    if errors := sum(one.severity is Severity.ERROR for one in check_risks(at.register)):
        say(at.words.many("risks.did.errors", errors), error=True)


# --- what the commands have in common ---------------------------------------------------------------------------------


def estimated(at: RiskDesk, likelihood: int, impact: Sequence[str], rationale: str, by: str, on: date) -> "Assessed":
    """An estimate from what was typed. Raises UsageError for a class or a dimension that the settings do not have."""
    from kyber.risks.risk import Assessed

    scale = at.register.scale
    if not 1 <= likelihood <= scale.likelihoods:
        raise UsageError(f"the likelihood {likelihood} is outside the scale: 1 to {scale.likelihoods}")
    found = dict(impact_of(at, text) for text in impact)
    return Assessed(
        likelihood=likelihood, impact=found, rationale=_line(rationale) or None, assessed_on=on, assessed_by=by
    )


def impact_of(at: RiskDesk, text: str) -> tuple[str, int]:
    """Dimension and class of what was typed. Raises UsageError where it is neither."""
    scale = at.register.scale
    found = _IMPACT.fullmatch(text)
    if found is None:
        raise UsageError(f"--impact {text}: write it as DIMENSION=CLASS, for example {scale.dimensions[0]}=3")
    wanted = found[1].casefold()
    names = [one for one in scale.dimensions if wanted in (one.casefold(), _word(at, one))]
    if not names:
        raise UsageError(f"--impact {text}: there is no dimension {found[1]}; there are {', '.join(scale.dimensions)}")
    if not 1 <= int(found[2]) <= scale.impacts:
        raise UsageError(f"--impact {text}: the class is outside the scale, 1 to {scale.impacts}")
    return names[0], int(found[2])


def _word(at: RiskDesk, dimension: str) -> str:
    from kyber.risks.listing import dimension_word

    return dimension_word(dimension, at.words).casefold()


def _show_scale(at: RiskDesk) -> None:
    from kyber.risks.listing import frequency

    scale = at.register.scale
    for number in range(1, scale.likelihoods + 1):
        say(f"  {number}  {frequency(scale.per_year(number), at.words)}")
    say(f"  {', '.join(f'{one} ({_word(at, one)})' for one in scale.dimensions)}: 1–{scale.impacts}")


def _done(at: RiskDesk, one: "Risk", what: str, edits: Sequence[Any], dry_run: bool, **facts: object) -> None:
    from kyber.privacy import mask

    title = mask(one.title)
    title = title if len(title) <= TITLE_SHOWN else title[: TITLE_SHOWN - 1] + "…"
    say(plain(at.words(f"risks.did.{what}", id=one.id, title=title, **facts)))
    write(at, edits, dry_run=dry_run)


def _statement(cause: str, event: str, consequence: str) -> Mapping[str, str] | None:
    parts = {"cause": _line(cause), "event": _line(event), "consequence": _line(consequence)}
    return {name: text for name, text in parts.items() if text} or None


def _line(text: str) -> str:
    """What was typed, as one line of text."""
    return " ".join(text.encode(errors="replace").decode().split())


def _category(at: RiskDesk, category: str) -> None:
    """Raises UsageError for a category that the settings have no appetite for, where they have any."""
    from kyber.risks.register import ANY

    known = at.here.settings.appetite
    if category and known and ANY not in known and category not in known:
        raise UsageError(f"--category {category}: kyber.yaml has no appetite for it; there are {', '.join(known)}")


def _either(given: str | None, new: str) -> None:
    if (given is None) == (not new):
        raise UsageError("name one that is there, or make one with --new TITLE")


def _until(at: RiskDesk, text: str) -> date | None:
    return _after(text, at.today) if text else None


def _after(text: str, day: date) -> date:
    from kyber.duration import Duration

    try:
        return date.fromisoformat(text)
    except ValueError:
        pass
    try:
        span = Duration.parse(text)
    except ValueError:
        raise UsageError(f"{text}: write a day as 2026-03-31, or a time from today as 90d") from None
    return span.after(day) if span.months or span.seconds >= timedelta(days=1).total_seconds() else day


def _asked(at: RiskDesk, key: str, *, required: bool = False) -> str:
    asked = at.words(f"risks.ask.{key}")
    answer = str(typer.prompt(asked, default="" if not required else None, show_default=False))
    return answer.strip()


def _choice(at: RiskDesk, key: str, choices: type[StrEnum], default: str) -> str:
    names = [one.value for one in choices]
    while True:
        answer = str(typer.prompt(f"{at.words(f'risks.ask.{key}')} ({', '.join(names)})", default=default)).strip()
        if answer in names:
            return answer


def _number(at: RiskDesk, key: str, most: int, default: int | None) -> int:
    while True:
        answer = str(
            typer.prompt(f"{at.words(f'risks.ask.{key}')} (1–{most})", default=default and str(default))
        ).strip()
        if answer.isdecimal() and 1 <= int(answer) <= most:
            return int(answer)
