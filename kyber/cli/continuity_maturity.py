"""`kyber continuity assess`, `maturity` and `development`: the current state, how it changed, and what follows."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from kyber.cli.console import Colour, Where, paint, plain, say
from kyber.cli.desk import By, Desk, DryRun, On, ids, json_record, one_of, open_at, owners, table, tell_errors, write
from kyber.cli.files import check_output, form_of, write_out
from kyber.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kyber.action import Action
    from kyber.continuity.assessment import Answer, Assessment, Question, Questionnaire


class Form(StrEnum):
    """The forms in which maturity is shown."""

    TABLE = "table"
    SVG = "svg"
    JSON = "json"
    MARKDOWN = "md"


BY_ENDING: Final = {".svg": "svg", ".json": "json", ".md": "md", ".txt": "table"}
WhichAssessment = Annotated[
    str | None,
    typer.Argument(
        metavar="[ASSESSMENT]",
        help="The assessment's id, such as M-001; else the latest.",
        autocompletion=ids("assessments"),
        show_default=False,
    ),
]


class _StopError(Exception):
    """The session ends here."""


@dataclass(frozen=True)
class AssessmentDesk(Desk):
    """A workspace, its assessments and questionnaires, and the day."""

    assessments: "Sequence[Assessment]"
    """The earliest first."""
    questionnaires: "Sequence[Questionnaire]"

    def assessment(self, id_: str | None) -> "Assessment":
        """The assessment with an id, or the latest. Raises UsageError."""
        if id_ is not None:
            return one_of(id_, self.assessments, "assessment")
        if not self.assessments:
            raise UsageError("there is no assessment yet: `kyber continuity assess` begins one")
        return self.assessments[-1]

    def asked(self, id_: str) -> "Questionnaire":
        """The questionnaire with an id. Raises UsageError."""
        return one_of(id_, self.questionnaires, "questionnaire")

    def said(self, texts: Any) -> str:
        """A text of a questionnaire, in the workspace's language."""
        from kyber.continuity.assessment import in_language

        return plain(in_language(texts, self.here.settings.language))


def assess(
    questionnaire: Annotated[
        str,
        typer.Option(metavar="ID", help="The questionnaire: kyber's own, or one of the folder questionnaires."),
    ] = "kyber",
    continue_: Annotated[
        bool, typer.Option("--continue", help="Go on with the latest assessment, where it was left.")
    ] = False,
    new: Annotated[bool, typer.Option("--new", help="Begin another one, though the latest is not finished.")] = False,
    by: By = None,
    on: On = "",
    workspace: Where = None,
) -> None:
    """Assess the current state, question by question. Each answer is written at once: stop with q, and --continue.

    Enter leaves a question unanswered. After the score kyber asks what shows it, and which score is aimed at.
    """
    from kyber.continuity.assessment import begun
    from kyber.continuity.maturity import last_before, unanswered

    at = desk(workspace)
    asked = at.asked(questionnaire)
    same = [one for one in at.assessments if one.questionnaire == asked.id]
    unfinished = bool(same) and bool(unanswered(asked, same[-1]))
    if continue_:
        if not unfinished:
            raise UsageError("there is no assessment to go on with: each has an answer to every question")
        one = same[-1]
    else:
        if unfinished and not new:
            raise UsageError(f"{same[-1].id} is not finished: go on with --continue, or begin another with --new")
        day = at.day(on)
        title = f"{at.said(asked.title)} {day.year}"
        id_, edit = begun(at.here.root, _used(at), asked, title, day, at.by(by))
        write(at, [edit], dry_run=False)
        one = desk(workspace).assessment(id_)
    say(at.words("maturity.rules", scale=asked.scale))
    before = last_before(one, at.assessments)
    left = unanswered(asked, one)
    numbers = {id_: f"{number}/{len(asked.questions)}" for number, id_ in enumerate(asked.questions, 1)}
    try:
        for question in left:
            _ask_one(at, asked, one.id, question, numbers[question.id], before)
    except (_StopError, typer.Abort):
        say()
    still = len(unanswered(asked, desk(at.here.root).assessment(one.id)))
    say(at.words.many("maturity.answered", len(left) - still, left=still))


def maturity(
    assessment: WhichAssessment = None,
    compare: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="The assessment to compare with; else the one before.",
            autocompletion=ids("assessments"),
            show_default=False,
        ),
    ] = None,
    form: Annotated[
        Form | None, typer.Option("--format", "-f", help="The form; else by the ending of -o, or a table.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Short for --format json.")] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write to a file.")] = None,
    workspace: Where = None,
) -> None:  # fmt: skip
    """Show how mature each domain is: the mean, what is aimed at, and how it changed; what is unanswered is counted."""
    from kyber.continuity import maturity_listing as listing
    from kyber.continuity.maturity import last_before, standings
    from kyber.render.bars import svg
    from kyber.render.sheet import markdown_of

    at = desk(workspace)
    chosen = Form("json" if json else form_of(form, False, output, BY_ENDING))
    check_output(output, at.here)
    one = at.assessment(assessment)
    asked = at.asked(one.questionnaire)
    before = at.assessment(compare) if compare else last_before(one, at.assessments)
    if before is not None and before.questionnaire != one.questionnaire:
        raise UsageError(f"{before.id} and {one.id} asked different questions: they cannot be compared")
    found = standings(asked, one, before)
    match chosen:
        case Form.JSON:
            text = f"{json_record(listing.record(one, before, found))}\n"
        case Form.SVG:
            text = svg(listing.bars(at.words, asked, one, before, found))
        case Form.MARKDOWN:
            text = markdown_of(listing.sheet(at.words, found))
        case Form.TABLE:
            text = table(listing.sheet(at.words, found), output)
            text = f"{listing.heading(at.words, one, before)}\n\n{text}"
    write_out(output, text)


def development(
    assessment: WhichAssessment = None,
    write_: Annotated[bool, typer.Option("--write", help="Write the new actions to the folder actions.")] = False,
    owner: Annotated[
        str,
        typer.Option(
            metavar="WHO", help="The role or person who does the new ones; else who works here.", autocompletion=owners,
            show_default=False,
        ),
    ] = "",
    from_: Annotated[
        str,
        typer.Option(
            "--from", metavar="DAY", help="The year begins here, as 2027-01-01; else today.", show_default=False
        ),
    ] = "",
    dry_run: DryRun = False,
    workspace: Where = None,
) -> None:  # fmt: skip
    """Make the development plan: an action for every score below its target, the largest gap first, over a year.

    A question that has an action of this assessment, or an open one of an earlier one, gets no other.
    """
    from kyber.continuity import maturity_listing as listing
    from kyber.continuity.maturity import gaps, plan, unanswered, written

    at = desk(workspace)
    one = at.assessment(assessment)
    asked = at.asked(one.questionnaire)
    actions = _actions(at)
    found = gaps(asked, one, actions)
    if open_ := len(unanswered(asked, one)):
        say(at.words.many("maturity.not-planned", open_))
    if not found:
        say(at.words("maturity.no-gaps"))
        return
    new = any(gap.action is None for gap in found)
    start = _day(from_, at.today)
    who = at.owner(owner) if owner else at.by(None) if new and write_ else ""
    steps = plan(found, _used(at) | {each.id for each in actions}, who, start)
    say(table(listing.plan_sheet(at.words, at.people, steps)).rstrip("\n"))
    say()
    fresh = [step for step in steps if step.new]
    if not fresh:
        say(at.words("maturity.all-there"))
    elif not write_ and not dry_run:
        say(at.words.many("maturity.would-write", len(fresh)))
    else:
        language = at.here.settings.language
        edits = [
            written(
                at.here.root,
                step,
                one,
                at.words("maturity.raise", topic=at.said(step.gap.question.title), target=step.gap.target),
                language,
            )
            for step in fresh
        ]
        write(at, edits, dry_run=dry_run)
        if not dry_run:
            say(at.words.many("maturity.written", len(fresh)))


# --- the session -----------------------------------------------------------------------------------------------------


def desk(workspace: Path | None) -> AssessmentDesk:
    """The workspace's assessments; what cannot be read of them is told on standard error. Raises WorkspaceError."""
    from kyber.continuity.assessment import load, shipped
    from kyber.people import FILE, People
    from kyber.register import read_all

    here, today = open_at(workspace)
    people, problems = read_all(here.root, FILE, People)
    assessments, own, found = load(here.root)
    made = AssessmentDesk(here, people[0] if people else People(), today, assessments, (shipped(), *own))
    tell_errors(made, (*problems, *found))
    return made


def _used(at: AssessmentDesk) -> frozenset[str]:
    return at.used() | {one.id for one in at.assessments}


def _actions(at: AssessmentDesk) -> "Sequence[Action]":
    from kyber.action import GLOB, Action
    from kyber.register import read_all

    actions, problems = read_all(at.here.root, GLOB, Action)
    tell_errors(at, problems)
    return actions


def _ask_one(
    at: AssessmentDesk, asked: "Questionnaire", id_: str, question: "Question", number: str,
    before: "Assessment | None",
) -> None:  # fmt: skip
    """Ask one question, and write the score down as soon as it is given; then what shows it, and what is aimed at."""
    from kyber.amend import AmendError
    from kyber.continuity.assessment import Answer

    say()
    say(paint(f"{number}  {at.said(question.title)}", Colour.GOOD, bold=True))
    say(at.said(question.ask))
    for score, level in enumerate(question.levels):
        say(f"  {score}  {at.said(level)}")
    last = before.score(question.id) if before is not None else None
    if last is not None:
        say(at.words("maturity.last-time", score=last))
    while True:
        if (given := _number(at, "maturity.ask.score", asked.scale, None)) is None:
            return
        try:
            answer = _keep(at, id_, question, Answer(score=given))
            if evidence := _ask(at, "maturity.ask.evidence", ""):
                answer = _keep(at, id_, question, answer.model_copy(update={"evidence": evidence}))
            target = _number(at, "maturity.ask.target", asked.scale, asked.target)
            if target is not None and target != asked.target:
                _keep(at, id_, question, answer.model_copy(update={"target": target}))
        except AmendError as error:
            say(plain(error), error=True)
        else:
            return


def _keep(at: AssessmentDesk, id_: str, question: "Question", answer: "Answer") -> "Answer":
    """Write an answer into its assessment, which may have been changed since the question was shown."""
    from kyber.amend import apply
    from kyber.continuity.assessment import answered

    apply([answered(desk(at.here.root).assessment(id_), question.id, answer)])
    return answer


def _number(at: AssessmentDesk, key: str, highest: int, default: int | None) -> int | None:
    while True:
        given = _ask(at, key, "" if default is None else str(default))
        if not given:
            return None
        if given.isdecimal() and int(given) <= highest:
            return int(given)
        say(at.words("maturity.bad-score", scale=highest), error=True)


def _ask(at: AssessmentDesk, key: str, default: str) -> str:
    answer = str(typer.prompt(at.words(key), default=default, show_default=bool(default)))
    answer = " ".join(answer.encode(errors="replace").decode().split())
    if answer == "q":
        raise _StopError
    return answer


def _day(text: str, today: date) -> date:
    try:
        return date.fromisoformat(text) if text else today
    except ValueError:
        raise UsageError(f"--from {text}: write a day as 2027-01-01") from None
