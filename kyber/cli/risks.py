"""`kyber risks`: the register of risks, looked at: the list, one risk, the steps, the matrix."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from kyber.cli.console import Where, plain, say
from kyber.cli.desk import json_record, owners, table, terminal_width, wrapped
from kyber.cli.files import check_output, check_picture, write_out
from kyber.cli.risks_edit import (
    accept,
    action,
    add,
    approve,
    assess,
    close,
    control,
    define,
    review,
    treat,
)
from kyber.cli.risks_evidence import evidence
from kyber.cli.risks_export import export
from kyber.cli.risks_files import RiskDesk, RiskId, desk
from kyber.cli.risks_history import history
from kyber.cli.risks_import import import_
from kyber.cli.risks_quantify import quantify
from kyber.cli.risks_workshop import workshop
from kyber.cli.sheets import Form, chosen, write_list
from kyber.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kyber.render.heatmap import Move
    from kyber.risks.risk import Assessed, Risk

app = typer.Typer(no_args_is_help=True, help="The register of risks: from interviews to a list that is approved.")


class Level(StrEnum):
    """The levels of risk."""

    NEGLIGIBLE = "negligible"
    MINOR = "minor"
    MODERATE = "moderate"
    MAJOR = "major"
    INTOLERABLE = "intolerable"


class Status(StrEnum):
    """Where a risk stands."""

    PRELIMINARY = "preliminary"
    OPEN = "open"
    TREATING = "treating"
    MONITORED = "monitored"
    ACCEPTED = "accepted"
    CLOSED = "closed"


class Part(StrEnum):
    """The estimates of a risk; `left` is what counts today: the residual risk, or else the current one."""

    LEFT = "left"
    INHERENT = "inherent"
    CURRENT = "current"
    TARGET = "target"
    RESIDUAL = "residual"


LABEL: Final = 22
"""Letters of a label in what is shown of one risk."""
WIDE: Final = 110
"""A terminal that is narrower shows fewer columns of the list."""
Json = Annotated[bool, typer.Option("--json", help="JSON lines, for another program.")]


@app.command("list")
def list_(
    level: Annotated[Level | None, typer.Option(help="Leave out risks below this level.", show_default=False)] = None,
    status: Annotated[
        list[Status] | None, typer.Option(help="Only these; may be repeated. Else all but closed.", show_default=False)
    ] = None,
    owner: Annotated[
        str, typer.Option(metavar="WHO", help="Only of this role or person.", autocompletion=owners, show_default=False)
    ] = "",
    category: Annotated[str, typer.Option(metavar="CATEGORY", help="Only of this category.", show_default=False)] = "",
    above_appetite: Annotated[bool, typer.Option("--above-appetite", help="Only those above the appetite.")] = False,
    overdue: Annotated[bool, typer.Option("--overdue", help="Only those whose review is overdue.")] = False,
    form: Annotated[
        Form | None, typer.Option("--format", "-f", help="The form; else by the ending of -o, or a table.")
    ] = None,
    json: Json = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write to a file.")] = None,
    workspace: Where = None,
) -> None:
    """List the risks, the largest first: by level, then impact, then likelihood."""
    from collections.abc import Sequence

    from kyber.risks.listing import HEADS, ON_A_NARROW_ONE, ON_A_TERMINAL, listed, record

    form = chosen(form, json, output)
    is_seen = form is Form.TABLE and output is None
    at = desk(workspace, only_risks=is_seen)
    check_output(output, at.here)
    risks = _chosen(at, level, status or (), owner, category)
    if above_appetite:
        risks = [one for one in risks if at.register.is_above_appetite(one)]
    if overdue:
        risks = [one for one in risks if at.register.is_overdue(one)]
    heads: Sequence[str] = HEADS
    if is_seen:
        heads = ON_A_TERMINAL if terminal_width() >= WIDE else ON_A_NARROW_ONE
    write_list(
        form,
        lambda: listed(at.register, risks, at.words, heads),
        lambda: (record(at.register, one) for one in risks),
        output,
        at.words("risks.head.risks"),
    )
    if is_seen:
        _below(at, risks)


@app.command()
def show(risk: RiskId, json: Json = False, workspace: Where = None) -> None:
    """Show one risk whole: what may happen, how large it is, what holds it down, and what was decided."""
    from kyber.risks.listing import record

    at = desk(workspace)
    one = at.risk(risk)
    if json:
        say(json_record(record(at.register, one)))
        return
    for line in _whole(at, one):
        for part in wrapped(plain(line), terminal_width(), _beside(line)):
            say(part)


@app.command()
def status(json: Json = False, workspace: Where = None) -> None:
    """Show how far the list has come, from interviews to normal practice, and what each risk lacks to go on."""
    from kyber.render.sheet import Column, Sheet
    from kyber.risks.approval import latest
    from kyber.risks.listing import told
    from kyber.risks.steps import phases, stands

    at = desk(workspace)
    found, words = stands(at.register), at.words
    if json:
        for stand in found:
            say(json_record({"id": stand.risk.id, "step": stand.step.value, "lacks": list(stand.lacks)}))
        return
    if not found:
        say(words("risks.none"))
        return
    widest = max(len(words(f"risks.step.{phase.step}")) for phase in phases(found))
    for phase in phases(found):
        bar = "█" * round(20 * phase.done / phase.of)
        say(f"{words(f'risks.step.{phase.step}'):<{widest}}  {phase.done:>3}/{phase.of:<3} {bar}")
    approval = latest(at.register.approvals)
    say()
    if approval is None:
        say(words("risks.approved.never"))
    else:
        say(plain(words("risks.approved.last", on=approval.on, by=approval.by, ref=approval.decision_ref)))
    waiting: dict[tuple[str, str], list[str]] = {}
    for one in found:
        if one.lacks:
            waiting.setdefault((words(f"risks.step.{one.step}"), told(one, words)), []).append(one.risk.id)
    if waiting:
        say()
        heads = ("step", "lacks", "risks")
        sheet = Sheet(
            tuple(Column(words(f"risks.head.{head}"), weight=head != "step") for head in heads),
            tuple((step, lacks, " ".join(ids)) for (step, lacks), ids in sorted(waiting.items())),
        )
        write_out(None, table(sheet))


@app.command()
def matrix(
    part: Annotated[
        Part, typer.Option(help="Which estimate; left is what counts today, the residual or else the current one.")
    ] = Part.LEFT,
    level: Annotated[Level | None, typer.Option(help="Leave out risks below this level.", show_default=False)] = None,
    status: Annotated[
        list[Status] | None, typer.Option(help="Only these; may be repeated. Else all but closed.", show_default=False)
    ] = None,
    owner: Annotated[
        str, typer.Option(metavar="WHO", help="Only of this role or person.", autocompletion=owners, show_default=False)
    ] = "",
    category: Annotated[str, typer.Option(metavar="CATEGORY", help="Only of this category.", show_default=False)] = "",
    since: Annotated[
        str,
        typer.Option(
            metavar="COMMIT",
            help="Arrows from where risks stood at this commit, tag or branch; else to their targets.",
            show_default=False,
        ),
    ] = "",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Draw it into an SVG file, with arrows.")
    ] = None,
    workspace: Where = None,
) -> None:
    """Show the risks in the matrix of likelihood and impact, on the terminal or as a picture."""
    from rich.console import Console

    from kyber.render.heatmap import show as show_map
    from kyber.render.heatmap import svg
    from kyber.risks.listing import heat_map, to_target

    at = desk(workspace)
    check_output(output, at.here)
    check_picture(output)
    risks = _chosen(at, level, status or (), owner, category)
    moves = _moves_since(at, since, risks) if since else to_target(risks) if part is Part.LEFT else ()
    drawn = heat_map(at.register, risks, part.value, moves, at.words)
    if output is not None:
        write_out(output, svg(drawn))
        return
    with (console := Console()).capture() as text:
        show_map(drawn, console)
    write_out(None, text.get())
    placed = sum(map(len, drawn.risks.values()))
    if placed < len(risks):
        say(at.words.many("risks.matrix.not-there", len(risks) - placed))


for _command in (
    add,
    define,
    assess,
    treat,
    control,
    action,
    review,
    accept,
    close,
    approve,
    workshop,
    evidence,
    quantify,
    history,
):
    app.command()(_command)
app.command("import")(import_)
app.command()(export)


def _chosen(at: RiskDesk, level: Level | None, statuses: "Sequence[Status]", owner: str, category: str) -> "list[Risk]":
    from kyber.risks.matrix import rank
    from kyber.settings import RiskLevel

    least = rank(RiskLevel(level.value)) if level else 0
    owner = at.owner(owner) if owner else ""
    names = {owner} | ({one.id for one in at.register.people.roles if _holds(at, owner, one.id)} if owner else set())
    return [
        one
        for one in at.register.prioritised()
        if (one.status in {each.value for each in statuses} if statuses else one.is_open)
        and rank(at.register.level(one)) >= least
        and (not owner or one.owner in names)
        and (not category or one.category == category)
    ]


def _holds(at: RiskDesk, person: str, role: str) -> bool:
    return any(one.id == person for one in at.register.people.held_by(role, at.today))


def _below(at: RiskDesk, risks: "Sequence[Risk]") -> None:
    words, register = at.words, at.register
    if not register.risks:
        say(words("risks.none"))
        return
    say()
    said = [words.many("risks.count", len(risks))]
    if above := sum(map(register.is_above_appetite, risks)):
        said.append(words.many("risks.above-appetite", above))
    if unknown := sum(register.level(one) is None for one in risks):
        said.append(words.many("risks.not-assessed", unknown))
    if late := sum(map(register.is_overdue, risks)):
        said.append(words.many("risks.late", late))
    say(", ".join(said))


def _whole(at: RiskDesk, one: "Risk") -> "Iterator[str]":
    from kyber.privacy import mask
    from kyber.risks.listing import dimension_word, level_word, score, told
    from kyber.risks.risk import PARTS
    from kyber.risks.steps import stand

    words, register = at.words, at.register

    def label(key: str) -> str:
        return f"  {words(f'risks.label.{key}') + ':':<{LABEL}} "

    yield f"{one.id}  {mask(one.title)}"
    yield f"{level_word(register.level(one), words)}   {words(f'risks.status.{one.status}')}"
    yield ""
    if one.statement is not None:
        for name in ("cause", "event", "consequence"):
            yield label(name) + mask(getattr(one.statement, name))
    yield label("category") + (dimension_word(one.category, at.words) if one.category else "–")
    appetite = register.appetite(one)
    if appetite is not None:
        above = f" ({words('risks.is-above')})" if register.is_above_appetite(one) else ""
        yield label("appetite") + words(f"risks.level.{appetite}") + above
    yield label("owner") + _people(at, one.owner)
    identified = [
        words(f"risks.origin.{one.identified_in}"),
        *([one.identified_on.isoformat()] if one.identified_on else []),
    ]
    yield label("identified") + ", ".join(identified)
    if one.treatment:
        yield label("treatment") + words(f"risks.treatment.{one.treatment}")
    for name in PARTS:
        found: Assessed | None = getattr(one, name)
        if found is None:
            continue
        yield ""
        yield f"  {words(f'risks.part.{name}')}: {score(found)}  {level_word(register.scale.level(found), words)}"
        impacts = (f"{dimension_word(each, words)} {value}" for each, value in found.impact.items())
        yield f"    {', '.join(impacts)}"
        about = [mask(found.rationale)] if found.rationale else []
        about += [" ".join(filter(None, (str(found.assessed_on or ""), found.assessed_by)))]
        if any(about):
            yield f"    {' – '.join(filter(None, about))}"
    yield from _linked(at, one)
    if one.assessments:
        yield ""
        yield f"  {words('risks.label.assessments')}:"
        for each in one.assessments:
            votes = f"  ({words.many('risks.votes', len(each.votes))})" if each.votes else ""
            yield f"    {each.on}  {score(each.agreed)}  {each.by}{votes}"
    yield ""
    due = register.review_due(one)
    if due is not None and one.is_open:
        late = f" – {words('risks.is-late')}" if register.is_overdue(one) else ""
        yield label("review") + f"{due} ({register.interval(one)}){late}"
    if (accepted := one.acceptance) is not None:
        yield label("acceptance") + words(
            "risks.accepted-by", by=accepted.approver, on=accepted.approved_on, until=accepted.expires,
            ref=accepted.decision_ref,
        )  # fmt: skip
    if one.closed is not None:
        yield label("closed") + f"{one.closed.on}: {mask(one.closed.why)}"
    stands = stand(register, one)
    if one.is_open and stands.lacks:
        yield label("next") + told(stands, words)
    yield label("file") + str(Path(one.at.file).relative_to(at.here.root))


def _beside(line: str) -> int:
    """Where the text of a line begins that has a label; 0 for one without."""
    return LABEL + 3 if line[LABEL + 2 : LABEL + 3] == " " and line[: LABEL + 2].rstrip().endswith(":") else 0


def _linked(at: RiskDesk, one: "Risk") -> "Iterator[str]":
    from kyber.privacy import mask

    words, register = at.words, at.register
    if one.controls:
        yield ""
        yield f"  {words('risks.label.controls')}:"
        for id_ in one.controls:
            control = register.control.get(id_)
            state = f"{words(f'risks.control-status.{control.status}')}: {mask(control.title)}" if control else "?"
            yield f"    {id_}  {state}"
    if one.actions:
        yield ""
        yield f"  {words('risks.label.actions')}:"
        for id_ in one.actions:
            action = register.action.get(id_)
            if action is None:
                yield f"    {id_}  ?"
                continue
            until = f" {action.due}" if action.due else ""
            yield f"    {id_}  {words(f'risks.action-status.{action.status}')}{until}: {mask(action.title)}"


def _people(at: RiskDesk, owner: str | None) -> str:
    if owner is None:
        return "–"
    title = at.register.people.shown(owner)
    names = [one.name for one in at.register.people.held_by(owner, at.today)]
    return f"{title} ({', '.join(names)})" if names and names != [title] else title


def _moves_since(at: RiskDesk, since: str, risks: "Sequence[Risk]") -> "tuple[Move, ...]":
    from kyber.git import files_at, texts
    from kyber.register import read
    from kyber.render.heatmap import Move
    from kyber.risks.risk import Risk

    known = files_at(at.here.root, since, "risks")
    if known is None:
        raise UsageError(f"--since {since}: git knows no such commit here")
    commit, names = known
    wanted = [(commit, name) for name in names if name.endswith(".yaml")]
    then: dict[str, Risk] = {}
    for (_, name), text in zip(wanted, texts(at.here.root, wanted), strict=True):
        found = read(text, name, Risk)[0] if text is not None else None
        if found is not None:
            then[found.id] = found
    return tuple(
        Move(one.id, (before.likelihood, before.whole), (now.likelihood, now.whole))
        for one in risks
        if one.id in then and (before := then[one.id].left) is not None and (now := one.left) is not None
    )
