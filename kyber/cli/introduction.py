"""`kyber introduction`: the way to risk management, continuity planning and log management, month by month."""

import sys
from datetime import date, timedelta
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from kyber.cli.console import Where, plain, say
from kyber.cli.desk import Desk, DryRun, On, json_record, open_at, owners, table, write
from kyber.cli.files import check_output, form_of, write_out
from kyber.cli.reading import no_collector
from kyber.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kyber.introduction import Introduction, Stand
    from kyber.join import Snapshot

app = typer.Typer(help="The introduction: three tracks of phases, and what the registers prove done of them.")
BY_ENDING: Final = {".svg": "svg", ".json": "json", ".txt": "table"}


class Form(StrEnum):
    """The forms in which the introduction is shown."""

    TABLE = "table"
    SVG = "svg"
    JSON = "json"


def _phases(incomplete: str) -> list[str]:
    from kyber.introduction import PHASES

    return [phase.id for phase in PHASES if phase.id.startswith(incomplete)]


@app.callback(invoke_without_command=True)
def show(
    context: typer.Context,
    form: Annotated[
        Form | None, typer.Option("--format", "-f", help="The form; else by the ending of -o, or a table.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Short for --format json.")] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write to a file.")] = None,
    workspace: Where = None,
) -> None:
    """Show where the introduction is: each phase, when and whose it is, and what the registers prove done."""
    if context.invoked_subcommand is not None:
        return
    from kyber.introduction import stands
    from kyber.join import proved
    from kyber.render.gantt import svg

    chosen = Form("json" if json else form_of(form, False, output, BY_ENDING))
    at, snapshot = _desk(workspace)
    check_output(output, at.here)
    one = _introduction(at, snapshot)
    found = stands(one, proved(snapshot), at.today)
    match chosen:
        case Form.JSON:
            text = "".join(f"{json_record(_record(stand))}\n" for stand in found)
        case Form.SVG:
            text = svg(_gantt(at, one, found))
        case Form.TABLE:
            text = f"{table(_sheet(at, found), output)}\n{_below(at, found)}\n"
    write_out(output, text)


@app.command()
def start(
    month: Annotated[str, typer.Argument(metavar="MONTH", help="The first month, as 2027-01.", show_default=False)],
    owner: Annotated[
        str,
        typer.Option(
            metavar="WHO",
            help="Who owns the phases for which people.yaml has no fitting role; else kyber asks.",
            autocompletion=owners,
            show_default=False,
        ),
    ] = "",
    dry_run: DryRun = False,
    workspace: Where = None,
) -> None:
    """Lay out the three tracks as dated, owned phases, in the file introduction.yaml; change it there as you like."""
    from kyber.introduction import FILE, is_month, laid_out, owners

    if not is_month(month):
        raise UsageError(f"{month}: write a month as 2027-01")
    at, _ = _desk(workspace)
    if (at.here.root / FILE).exists():
        raise UsageError(f"{FILE} is there already: change it, or take it away to begin anew")
    guessed = owners(at.people)
    otherwise = at.owner(owner) if owner else None
    found = {id_: who or otherwise for id_, who in guessed.items()}
    if missing := [id_ for id_, who in found.items() if who is None]:
        found = {**found, **dict.fromkeys(missing, _asked(at, missing))}
    edit = laid_out(at.here.root, month, {id_: who for id_, who in found.items() if who is not None})
    say(at.words("introduction.started", month=month))
    _tell_guessed(at, guessed)
    write(at, [edit], dry_run=dry_run)


def _tell_guessed(at: Desk, owned_by: "Mapping[str, str | None]") -> None:
    """Who was made the owner of how many phases because of a role in people.yaml."""
    from collections import Counter

    counts = Counter(who for who in owned_by.values() if who is not None)
    if counts:
        say(at.words("introduction.guessed"))
    for who, number in counts.items():
        say(plain(at.words.many("introduction.owns", number, who=at.people.shown(who))))


@app.command("done")
def done_(
    phase: Annotated[
        str,
        typer.Argument(
            metavar="PHASE", help="The phase, such as risk-workshops, or what it is called.", autocompletion=_phases,
            show_default=False,
        ),
    ],
    on: On = "",
    evidence: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="What shows it: minutes, a decision; may be repeated.", show_default=False),
    ] = None,
    dry_run: DryRun = False,
    workspace: Where = None,
) -> None:  # fmt: skip
    """Write down that a phase is done, when, and what shows it."""
    from kyber.introduction import done, named

    at, snapshot = _desk(workspace)
    one = _introduction(at, snapshot)
    found = named(one, phase)
    if not found:
        near = get_close_matches(phase, one.phases, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(one.phases)}"
        raise UsageError(f"there is no phase {phase}; {hint}")
    if len(found) > 1:
        raise UsageError(f"{phase} is what several phases are called; name one: {', '.join(found)}")
    phase = found[0]
    given = [line for text in evidence or () if (line := " ".join(text.encode(errors="replace").decode().split()))]
    edit = done(one, phase, at.day(on), given)
    say(plain(at.words("introduction.did", phase=at.words(f"introduction.phase.{phase}"))))
    write(at, [edit], dry_run=dry_run)


def _desk(workspace: Path | None) -> "tuple[Desk, Snapshot]":
    from kyber.join import read_workspace

    here, today = open_at(workspace)
    with no_collector():
        snapshot, _ = read_workspace(here.root, today)
    return Desk(here, snapshot.people, today), snapshot


def _introduction(at: Desk, snapshot: "Snapshot") -> "Introduction":
    from kyber.introduction import FILE

    if snapshot.introduction is not None:
        return snapshot.introduction
    if (at.here.root / FILE).exists():
        raise UsageError(f"{FILE} cannot be read; `kyber check` says why")
    raise UsageError("no introduction was started here: `kyber introduction start 2027-01` lays it out")


def _asked(at: Desk, missing: "Sequence[str]") -> str:
    phases = ", ".join(at.words(f"introduction.phase.{id_}") for id_ in missing)
    if not sys.stdin.isatty():
        raise UsageError(f"people.yaml has no fitting role for: {', '.join(missing)}; name somebody with --owner")
    return at.owner(str(typer.prompt(plain(at.words("introduction.who", phases=phases)))))


# --- what is shown ---------------------------------------------------------------------------------------------------


def _sheet(at: Desk, found: "Sequence[Stand]") -> Any:
    from kyber.privacy import mask
    from kyber.render.gantt import SIGNS
    from kyber.render.sheet import Column, Sheet

    heads = ("track", "phase", "when", "owner", "state", "registers")
    weights: Mapping[str, int] = {"phase": 3, "owner": 2, "registers": 3}
    columns = tuple(Column(at.words(f"introduction.head.{head}"), weight=weights.get(head, 0)) for head in heads)
    rows = tuple(
        (
            at.words(f"introduction.short.{one.phase.track}"),
            at.words("introduction.named", phase=at.words(f"introduction.phase.{one.phase.id}"), id=one.phase.id),
            _when(one.entry.begins, one.entry.ends),
            mask(at.people.shown(one.entry.owner)),
            f"{SIGNS[one.state]} {at.words(f'introduction.state.{one.state}')}",
            _proof(at, one),
        )
        for one in found
    )
    return Sheet(columns, rows)


def _when(first: date, last: date) -> str:
    """From one day to another; as months where these are whole."""
    if first.day == 1 and (last + timedelta(days=1)).day == 1:
        months = f"{first:%Y-%m}", f"{last:%Y-%m}"
        if months[0] == months[1]:
            return months[0]
        return f"{months[0]} – {months[1][5:] if first.year == last.year else months[1]}"
    return f"{first} – {last:%m-%d}" if first.year == last.year else f"{first} – {last}"


def _proof(at: Desk, one: "Stand") -> str:
    if one.proof is None:
        return "–"
    if one.proof.of == 0 and at.words.has(f"introduction.proof.{one.phase.id}.none"):
        return at.words(f"introduction.proof.{one.phase.id}.none")
    of = "" if one.proof.of is None else str(one.proof.of)
    return at.words.many(f"introduction.proof.{one.phase.id}", one.proof.number, **({"of": of} if of else {}))


def _below(at: Desk, found: "Sequence[Stand]") -> str:
    from collections import Counter

    counts = Counter(one.state for one in found)
    return ", ".join(
        f"{at.words(f'introduction.state.{state}')} {number}" for state, number in sorted(counts.items(), key=_order)
    )


def _order(counted: "tuple[Any, int]") -> int:
    from kyber.introduction import State

    return list(State).index(counted[0])


def _gantt(at: Desk, one: "Introduction", found: "Sequence[Stand]") -> Any:
    from kyber.render.gantt import Gantt, Span

    words = at.words
    spans = tuple(
        Span(
            group=words(f"introduction.track.{stand.phase.track}"),
            name=words(f"introduction.phase.{stand.phase.id}"),
            first=stand.entry.begins,
            last=max(stand.entry.ends, stand.entry.begins),
            state=stand.state.value,
            said=words(f"introduction.state.{stand.state}"),
        )
        for stand in found
    )
    return Gantt(
        title=words("introduction.title", month=one.started, on=at.today),
        described="; ".join(f"{span.name}: {span.first} – {span.last}, {span.said}" for span in spans),
        spans=spans,
        today=at.today,
        now=words("introduction.today"),
    )


def _record(one: "Stand") -> dict[str, Any]:
    return {
        "track": one.phase.track,
        "phase": one.phase.id,
        "owner": one.entry.owner,
        "begins": one.entry.begins.isoformat(),
        "ends": one.entry.ends.isoformat(),
        "done_on": one.entry.done_on.isoformat() if one.entry.done_on else None,
        "evidence": list(one.entry.evidence),
        "state": one.state.value,
        "proof": None if one.proof is None else {"number": one.proof.number, "of": one.proof.of},
    }
