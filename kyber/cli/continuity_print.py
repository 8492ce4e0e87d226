"""`kyber continuity print` and `exercise script`: a plan or an exercise in, a paper that works without systems out."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, assert_never

import typer

from kyber.cli.console import Where, plain, say
from kyber.cli.continuity_files import ContinuityDesk, desk, exercises, plans
from kyber.cli.desk import Desk, ids, one_of
from kyber.cli.files import check_output, spare, write_below, write_out, write_whole
from kyber.errors import UsageError

if TYPE_CHECKING:
    from kyber.continuity.card import Stamp
    from kyber.continuity.exercise import Exercise
    from kyber.continuity.plan import Plan
    from kyber.continuity.script import Played, Script
    from kyber.register import Record
    from kyber.render.printout import Printout
    from kyber.risks.risk import Risk
    from kyber.text import Words


class Form(StrEnum):
    """The forms of a paper."""

    HTML = "html"
    PDF = "pdf"
    MD = "md"


class Language(StrEnum):
    """The languages of kyber's own words."""

    FI = "fi"
    SV = "sv"
    EN = "en"


BY_ENDING: Final = {".html": Form.HTML, ".pdf": Form.PDF, ".md": Form.MD}
_risks = ids("risks")


def _scenarios(incomplete: str) -> list[str]:
    return [*exercises(incomplete), *plans(incomplete), *_risks(incomplete)]


Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="Write to this file: .pdf, .html or .md.", show_default=False),
]
Chosen = Annotated[
    Form | None,
    typer.Option("--format", "-f", help="The form; else by the ending of -o, or Markdown.", show_default=False),
]
Spoken = Annotated[
    Language | None,
    typer.Option("--language", help="The language of headings; else the workspace's.", show_default=False),
]


def print_(
    plan: Annotated[
        str | None,
        typer.Argument(
            metavar="[PLAN]", help="The plan's id, such as P-001.", autocompletion=plans, show_default=False
        ),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every plan, each to a file of its own in a folder.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write to this file: .pdf, .html or .md; with --all the folder.",
            show_default=False,
        ),
    ] = None,
    form: Annotated[
        Form | None,
        typer.Option(
            "--format",
            "-f",
            help="The form; else by the ending of -o, PDF with --all, or Markdown.",
            show_default=False,
        ),
    ] = None,
    language: Spoken = None,
    workspace: Where = None,
) -> None:
    """Print a plan as a card that works when the systems do not: steps to tick, people, numbers, other ways to work."""
    from kyber.continuity.card import card, outdated, services_of
    from kyber.continuity.card_words import printed_card

    at = desk(workspace)
    words = _words(at, language)
    chosen, history = _plans(at, plan, every), _history(at)

    def paper(one: "Plan") -> "Printout":
        stamp = _stamp(at, history, one, services_of(one, at.register))
        return printed_card(card(one, at.register, stamp), words)

    if every:
        if output is None:
            raise UsageError("every plan becomes a file: say the folder with -o DIR")
        form = form or Form.PDF
        files = {f"{Path(one.at.file).stem}.{form}": _laid_out(paper(one), form) for one in chosen}
        for name in files:
            spare(output / name, at.here)
        write_below(output, files)
        say(words.many("card.written-all", len(files), folder=plain(output)))
    else:
        _write(at, paper(chosen[0]), form, output, words)
    for one in outdated(chosen):
        say(_outdated(one, words), error=True)


def script(
    scenario: Annotated[
        str,
        typer.Argument(
            metavar="SCENARIO",
            help="The id of an exercise, a plan or a risk.",
            autocompletion=_scenarios,
            show_default=False,
        ),
    ],
    output: Output = None,
    form: Chosen = None,
    language: Spoken = None,
    workspace: Where = None,
) -> None:
    """Print a facilitator's script: what is told and asked, what is expected, room for times, questions afterwards.

    An exercise gives its own scenario and injects, a plan what it is activated by, a risk its statement and the plans
    of the services that it touches.
    """
    from kyber.continuity.script_words import printed_script

    at = desk(workspace)
    words = _words(at, language)
    _write(at, printed_script(_script(at, scenario), words), form, output, words)


def _words(at: Desk, language: Language | None) -> "Words":
    from kyber.text import words_for

    return words_for(language or at.here.settings.language)


def _plans(at: ContinuityDesk, plan: str | None, every: bool) -> "Sequence[Plan]":
    known = at.register.plans
    if plan is not None and every:
        raise UsageError("--all prints every plan: leave out either it or the plan's id")
    if every and not known:
        raise UsageError("there is no plan yet: they lie in continuity/plans")
    if every:
        return known
    if plan is None:
        raise UsageError(f"which plan? There is {', '.join(one.id for one in known) or 'none yet'}; or say --all")
    return (one_of(plan, known, "plan"),)


def _script(at: ContinuityDesk, id_: str) -> "Script":
    from kyber.continuity.exercise import Exercise
    from kyber.continuity.plan import Plan
    from kyber.continuity.script import script_of_exercise, script_of_plan, script_of_risk
    from kyber.register import read_all
    from kyber.risks.risk import GLOB, Risk

    register, history = at.register, _history(at)
    risks = read_all(at.here.root, GLOB, Risk)[0]
    scenarios: list[Exercise | Plan | Risk] = [*register.exercises, *register.plans, *risks]
    found = one_of(id_, scenarios, "exercise, plan or risk")
    match found:
        case Exercise():
            played = [one for one in risks if one.id in found.risks]
            stamp = _stamp(at, history, found, [*register.plans, *register.services, *played])
            return script_of_exercise(found, register, list(map(_played, played)), stamp)
        case Plan():
            return script_of_plan(found, register, _stamp(at, history, found, register.services))
        case Risk():
            stamp = _stamp(at, history, found, [*register.plans, *register.services])
            made = script_of_risk(_played(found), register, stamp)
            if not made.plans:
                raise UsageError(f"no plan holds for a service that {found.id} touches: name the services in the risk")
            return made
        case _:
            assert_never(found)


def _played(risk: "Risk") -> "Played":
    from kyber.continuity.script import Played

    told = risk.statement
    return Played(
        id=risk.id,
        title=risk.title,
        told=(told.cause, told.event, told.consequence) if told else (),
        services=risk.services,
    )


@dataclass(frozen=True, slots=True)
class _History:
    """The commit that is checked out, and the files of the register that differ from it."""

    commit: str | None
    changed: frozenset[str]


def _history(at: ContinuityDesk) -> _History:
    from kyber.continuity import exercise, plan, service
    from kyber.git import changed, head
    from kyber.people import FILE as PEOPLE_FILE
    from kyber.risks import risk

    commit = head(at.here.root)
    globs = (plan.GLOB, service.GLOB, exercise.GLOB, risk.GLOB, PEOPLE_FILE)
    return _History(commit, frozenset(changed(at.here.root, *globs)) if commit else frozenset())


def _stamp(
    at: ContinuityDesk, history: _History, printed: "Plan | Exercise | Risk", others: "Iterable[Record]" = ()
) -> "Stamp":
    """What the paper is compared by; `others` are printed on it as well, and may have changed since the commit."""
    from kyber.continuity.card import Stamp
    from kyber.people import FILE as PEOPLE_FILE

    files = {Path(one.at.file).relative_to(at.here.root).as_posix() for one in (printed, *others)}
    return Stamp(
        printed_on=at.today,
        commit=history.commit,
        is_changed=not history.changed.isdisjoint({*files, PEOPLE_FILE}),
        sha256=hashlib.sha256(Path(printed.at.file).read_bytes()).hexdigest(),
    )


def _write(at: Desk, paper: "Printout", form: Form | None, output: Path | None, words: "Words") -> None:
    if output is None:
        chosen = form or Form.MD
        if chosen is Form.PDF:
            raise UsageError("a PDF needs a file: -o FILE.pdf")
        write_out(None, _laid_out(paper, chosen).decode())
        return
    ending = output.suffix.lower()
    if form is None and ending not in BY_ENDING:
        raise UsageError(f"{output}: name it {', '.join(BY_ENDING)}, or say the --format")
    check_output(output, at.here)
    write_whole(output, _laid_out(paper, form or BY_ENDING[ending]))
    say(words("card.written", file=plain(output)))


def _laid_out(paper: "Printout", form: Form) -> bytes:
    """The paper in a form, personal identity codes masked."""
    from kyber.privacy import mask
    from kyber.render.safe import every_text

    masked = every_text(paper, mask)
    match form:
        case Form.HTML:
            from kyber.render.printout_html import page

            return page(masked).encode()
        case Form.PDF:
            from kyber.render.printout_pdf import document

            return document(masked)
        case Form.MD:
            from kyber.render.printout_markdown import text_of

            return text_of(masked).encode()


def _outdated(plan: "Plan", words: "Words") -> str:
    copy, approved = plan.offline_copy, plan.approved
    if copy is None or approved is None:
        return ""
    facts = {"id": plan.id, "where": copy.where, "version": plan.version, "approved": approved.on}
    if copy.checked_on is None:
        return plain(words("card.copy.unchecked", **facts))
    return plain(words("card.copy.outdated", **facts, day=copy.checked_on))
