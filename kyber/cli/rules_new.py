"""`kyber rules new`: a few answers in, a rule of the workspace with its tests out, and what the tests come to."""

import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar
from uuid import uuid4

import typer

from kyber.cli.console import ExitCode, Where, plain, root_of, say
from kyber.cli.files import write_below
from kyber.cli.reading import known_format, path_jobs, source_jobs
from kyber.errors import NothingReadError, UsageError
from kyber.finding import Family
from kyber.level import Level

if TYPE_CHECKING:
    from kyber.draft import Line, Term
    from kyber.logs.batch import EventBatch, LogSource
    from kyber.logs.formats import Format
    from kyber.logs.inputs import Input
    from kyber.logs.parse import Job
    from kyber.logs.rule_tests import Provenance
    from kyber.text import Words
    from kyber.workspace import Workspace

VALUE_SHOWN: Final = 90
"""Characters of a value that stand in the list to choose from."""
_NO_FILE: Final = re.compile(r"[\s{}<>\[\]|;,=\"]")
_ENDING: Final = re.compile(r"\.[A-Za-z]\w{0,7}(\.[0-9]+)?$")
"""The ending of a file's name, such as in mirth.log or syslog.log.1."""
_T = TypeVar("_T")


def new(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME", help="The rule's name and file: small letters, digits and _; else made of the title."
        ),
    ] = None,
    line: Annotated[
        str | None,
        typer.Option(
            metavar="LINE", help="A log line that the rule must find, or where it stands: FILE or FILE:RECORD."
        ),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIELD=VALUE",
            help="What the rule asks for, also as 'field|contains=value'; a field alone has the line's value. Repeat "
            "for more.",
        ),
    ] = None,
    title: Annotated[str | None, typer.Option(metavar="TEXT", help="What a finding of the rule says.")] = None,
    description: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What happens, and why it matters; else the title.")
    ] = None,
    family: Annotated[Family | None, typer.Option(help="What the rule watches; else security.")] = None,
    level: Annotated[str | None, typer.Option(metavar="LEVEL", help="How serious a finding is; else medium.")] = None,
    product: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The product that the rule is about; else the line's or its source's, and any log where none is told.",
        ),
    ] = None,
    category: Annotated[str | None, typer.Option(metavar="NAME", help="The category of its events.")] = None,
    service: Annotated[str | None, typer.Option(metavar="NAME", help="The service of its events.")] = None,
    owner: Annotated[
        str | None, typer.Option(metavar="ROLE", help="The role that answers for it; else the family's.")
    ] = None,
    next_: Annotated[
        str | None, typer.Option("--next", metavar="TEXT", help="What to do about a finding, in the language here.")
    ] = None,
    false_positive: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Harmless things that the rule may find, too.")
    ] = None,
    origin: Annotated[
        str | None,
        typer.Option(metavar="ORIGIN", help="Where the line is from: real (else), documented or constructed."),
    ] = None,
    source: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Which log or document; else where the line stood.")
    ] = None,
    input_format: Annotated[
        str | None, typer.Option("--input", metavar="FORMAT", help="Read the line as this format; else as it looks.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing: take what is usual for the rest.")] = False,
    workspace: Where = None,
) -> None:
    """Write a new rule with its tests into the workspace: asks, or takes the answers as options.

    From a log line it makes one hit and two misses, runs them and says how to go on. Nothing is overwritten, and
    personal identity codes are masked. Ends with 1 where a test fails.
    """
    from kyber import draft
    from kyber.cli import tried
    from kyber.cli.rules_test import is_wrong, tested
    from kyber.text import words_for
    from kyber.workspace import at

    here, now = at(root_of(workspace or Path())), datetime.now(UTC)
    words = words_for(here.settings.language)
    asking = _Asking(words, silent=yes)
    if input_format is not None:
        known_format(input_format)
    chosen_level = None if level is None else _level(level)
    chosen_origin = None if origin is None else _origin(origin)

    if line is None and not where and not yes:
        line = asking.text("line", None, needed=False) or None
    event, place = _line(line, here, input_format, now) if line is not None else (None, "")
    terms = [draft.term_of(one, event) for one in where or ()]
    if not terms:
        terms = _choose(event, asking)
    spoken = title or (name.replace("_", " ").capitalize() if name and yes else None)
    spoken = spoken or asking.text("title", None)
    called = name or asking.given(None, "name", draft.slug(spoken))
    _check_name(called, here)
    logsource = _logsource(event, product, category, service, asking)
    kind = family or asking.choice("family", _named(Family), Family.SECURITY)
    answers = draft.Answers(
        name=called,
        title=spoken,
        description=description or spoken,
        family=kind,
        level=chosen_level or asking.choice("level", _named(Level), Level.MEDIUM),
        logsource=logsource,
        terms=tuple(terms),
        owner=asking.given(owner, "owner", draft.OWNERS[kind]),
        next=_next(asking.given(next_, "next", "", needed=False), words),
        id=str(uuid4()),
        author=here.settings.organisation,
        today=now.astimezone(here.settings.zone).date(),
        provenance=chosen_origin or _asked_origin(event, asking),
        sample=asking.given(source, "source", place or words("draft.made-up")),
        false_positive=false_positive or words("draft.false-positive"),
        comments={key: words(f"draft.comment.{key}") for key in ("detection", "falsepositives", "tests")},
        every=words("draft.every"),
        hit=words("draft.hit"),
        miss=words("draft.miss", field="{field}", value="{value}"),
    )
    made = draft.drafted(answers, event, now)
    files = _files(called)
    _check_free(called, here)  # answers may have taken long
    write_below(here.root, {files[0]: made.rule.encode(), files[1]: made.tests.encode()})
    say(words("draft.written", rule=files[0], tests=files[1]))
    if made.masked:
        say(words("draft.masked"))
    say()
    shown = [_from_here(here.root / one) for one in files]
    result = tested(shown[:1], here)
    tried.show(result, words)
    say()
    if event is not None and answers.provenance == "real":
        say(words("draft.private", file=plain(shown[1])))
    if made.misses < draft.MISSES:
        say(words("draft.few-misses", file=plain(shown[1])))
    failed = is_wrong(result, strict=False)
    say(words("draft.mend" if failed else "draft.next", rule=plain(shown[0]), tests=plain(shown[1])))
    if failed:
        raise typer.Exit(ExitCode.FOUND)


def _files(name: str) -> tuple[str, str]:
    """The rule's file and that of its tests, from the root of the workspace."""
    from kyber.draft import FOLDER
    from kyber.logs.rule_tests import ENDINGS

    return f"{FOLDER}/{name}.yml", f"{FOLDER}/{name}{ENDINGS[0]}"


def _from_here(file: Path) -> str:
    here = Path.cwd()
    return str(file.relative_to(here) if file.is_relative_to(here) else file)


def _check_name(name: str, here: "Workspace") -> None:
    """Raises UsageError for a name that cannot be given, or is given already."""
    from kyber.cli.rules_files import rule_paths, watch_lists
    from kyber.draft import is_name, is_reserved
    from kyber.logs.sigma.rule import read_rules
    from kyber.privacy import mask

    if not is_name(name):
        raise UsageError(
            f"'{mask(name)}' is no name for a rule: use small letters, digits and _, such as door_opened_at_night"
        )
    if is_reserved(name):
        raise UsageError(f"Windows lets no file be called '{name}': choose another name, such as {name}_found")
    _check_free(name, here)
    found = read_rules(rule_paths(here), watch_lists(here)[0])
    for ref in found.refs:
        if ref.name == name:
            raise UsageError(f"the rule in {ref.path} is called '{name}' already: choose another name")


def _check_free(name: str, here: "Workspace") -> None:
    """Raises UsageError where one of the files that a rule of the name would have is there."""
    for file in (here.root / one for one in _files(name)):
        if file.exists() or file.is_symlink():
            raise UsageError(f"{_from_here(file)} is there already: choose another name, or change it by hand")


# --- what is asked ----------------------------------------------------------------------------------------------------


class _Asking:
    """Questions to a person on the terminal; `silent`: none, but the usual answers."""

    def __init__(self, words: "Words", *, silent: bool) -> None:
        self.words, self.silent = words, silent

    def text(self, key: str, usual: str | None, *, needed: bool = True) -> str:
        """An answer in words. Raises UsageError where one is needed and nobody can be asked."""
        if self.silent:
            if usual is None and needed:
                raise UsageError(f"--{key} is needed with --yes")
            return usual or ""
        question = self.words(f"draft.ask.{key}")
        while True:
            answer = self._asked(question, usual)
            if answer or not needed:
                return answer

    def given(self, option: str | None, key: str, usual: str, *, needed: bool = True) -> str:
        """What was said as an option, else the answer."""
        return option if option is not None else self.text(key, usual, needed=needed)

    def choice(self, key: str, among: Mapping[str, _T], usual: _T) -> _T:
        """One of some words, each with what it means; that itself is understood, too."""
        if self.silent:
            return usual
        known = {**_named(among.values()), **{word.casefold(): one for word, one in among.items()}}
        shown = next(word for word, one in among.items() if one == usual)
        return self.until(key, lambda answer: known.get(answer.casefold()), shown, listed=", ".join(among))

    def until(self, key: str, understood: Callable[[str], _T | None], usual: str | None, **facts: object) -> _T:
        """An answer that is understood."""
        while True:
            found = understood(self._asked(self.words(f"draft.ask.{key}", **facts), usual).strip())
            if found is not None:
                return found
            say(self.words("draft.again"), error=True)

    def _asked(self, question: str, usual: str | None) -> str:
        if not sys.stdin.isatty():
            say(error=True)  # a prompt whose answer comes from a pipe leaves its line open
        try:
            answer: str = typer.prompt(question, default=usual or "", show_default=bool(usual), err=True)
        except typer.Abort:
            raise UsageError("no answer came: nothing was written; with options and --yes nothing is asked") from None
        return answer.strip()


def _named(among: Iterable[_T]) -> dict[str, _T]:
    return {str(one): one for one in among}


def _level(text: str) -> Level:
    try:
        return Level.of(text)
    except ValueError:
        raise UsageError(f"--level {text}: it is one of {', '.join(map(str, Level))}") from None


def _origin(text: str) -> "Provenance":
    from kyber.logs.rule_tests import Provenance

    try:
        return Provenance(text)
    except ValueError:
        raise UsageError(f"--origin {text}: it is one of {', '.join(Provenance)}") from None


def _asked_origin(event: "Line | None", asking: _Asking) -> "Provenance":
    from kyber.logs.rule_tests import Provenance

    if event is None:
        return Provenance.CONSTRUCTED
    among = {asking.words(f"draft.origin.{one}"): one for one in Provenance}
    return asking.choice("origin", among, Provenance.REAL)


def _next(text: str, words: "Words") -> dict[str, str]:
    return {words.language: text} if text.strip() else {}


def _choose(event: "Line | None", asking: _Asking) -> "list[Term]":
    """What the rule asks for: fields of the line by their numbers, or fields and values. Raises UsageError."""
    from kyber.draft import term_of
    from kyber.logs.values import shown
    from kyber.privacy import mask
    from kyber.render.excerpt import excerpt

    if asking.silent:
        raise UsageError("--where is needed with --yes: field=value, or with --line a field alone")
    names = list(event.fields) if event is not None else []
    if event is not None:
        width = max(map(len, names), default=0)
        say(asking.words("draft.fields", format=event.given.format))
        for number, field in enumerate(names, 1):
            value = plain(excerpt(mask(shown(event.fields[field])), VALUE_SHOWN))
            say(f"{number:>4}  {plain(mask(field)):<{width}}  {value}")

    def understood(answer: str) -> "list[Term] | None":
        found = []
        try:
            for part in (one.strip() for one in answer.split(";") if one.strip()):
                for one in part.split(",") if part.replace(",", "").replace(" ", "").isdecimal() else [part]:
                    found.append(term_of(_by_number(one.strip(), names), event))
        except UsageError as error:
            say(plain(str(error)), error=True)
            return None
        return found or None

    return asking.until("where" if event is not None else "where-alone", understood, None)


def _by_number(text: str, names: list[str]) -> str:
    """`3` is the field with that number, `3=word` the word in it; anything else stays."""
    number, equals, value = text.partition("=")
    if not number.strip().isdecimal():
        return text
    place = int(number)
    if not 1 <= place <= len(names):
        raise UsageError(f"there is no field number {place}")
    return f"{names[place - 1]}|contains={value}" if equals else names[place - 1]


def _logsource(
    event: "Line | None", product: str | None, category: str | None, service: str | None, asking: _Asking
) -> "LogSource":
    """What the rule is about: as said, else as the line is, else any log. Raises UsageError."""
    from kyber.logs.batch import LogSource
    from kyber.logs.formats.known import FORMATS

    found = event.logsource if event is not None else LogSource()
    if product is None and found.product is None:
        if asking.silent and event is None and not (category or service):
            products = sorted({one.product for one in FORMATS.values() if one.product})
            raise UsageError(f"--product is needed: {', '.join(products)}, or another that a source declares")
        product = asking.text("product", "", needed=False)
    if category is None and service is None:
        category, service = found.category, found.service
        if event is None and not asking.silent:
            category = asking.text("category", "", needed=False) or None
            service = None if category else asking.text("service", "", needed=False) or None
    said = (product or found.product, category, service)
    return LogSource(*(one.lower() if one else None for one in said))


# --- the line ---------------------------------------------------------------------------------------------------------


def _line(text: str, here: "Workspace", form: str | None, now: datetime) -> "tuple[Line, str]":
    """The event that is meant, and where it is from, read as its source says, if it has one.

    Raises NothingReadError for one that cannot be read, and UsageError for a file that is not there.
    """
    from kyber.logs.inputs import Input
    from kyber.text import words_for

    file, colon, number = text.rpartition(":")
    numbered = bool(colon) and number.isdecimal() and len(number) < 19
    if text == "-" or _is_there(text) or (numbered and _is_there(file)):
        named, record = (file, int(number)) if numbered and not _is_there(text) else (text, None)
        if Path(named).is_dir():
            raise UsageError(f"{named} is a folder: name a file in it")
        jobs, problems = path_jobs(here, [named], None, form, None, now)
        if len(jobs[0].inputs) != 1:
            raise NothingReadError(f"{named} cannot be read" + "".join(f" ({one.code})" for one in problems[:1]))
        told = text if text != "-" else words_for(here.settings.language)("draft.pasted")
        job = _job_of(jobs[0].inputs[0], here, form, now) or jobs[0]
        return _event(job, jobs[0].inputs[0], record, text), Path(told).name
    if _is_meant_as_file(file if numbered else text):
        raise UsageError(f"there is no file {file if numbered else text}")
    content = text.encode("utf-8", "surrogateescape") + b"\n"
    given = Input("line", None, len(content), now, content=content)
    jobs, _ = path_jobs(here, [], None, form, None, now)
    return _event(jobs[0], given, None, "the line"), words_for(here.settings.language)("draft.pasted")


def _job_of(given: "Input", here: "Workspace", form: str | None, now: datetime) -> "Job | None":
    """How the registered source whose paths hold a file has it read; None where no active source does."""
    if given.path is None:
        return None
    real = os.path.realpath(given.path)
    for job in source_jobs(here, now, input_format=form)[0]:
        if any(one.path is not None and os.path.realpath(one.path) == real for one in job.inputs):
            return job
    return None


def _is_meant_as_file(text: str) -> bool:
    """Whether a text is rather the name of a file than a log line: no spaces, and a slash or an ending."""
    return not _NO_FILE.search(text) and ("/" in text or _ENDING.search(text) is not None)


def _is_there(text: str) -> bool:
    try:
        return Path(text).exists()
    except (OSError, ValueError):  # a line is too long for a name, or holds what none may
        return False


def _event(job: "Job", given: "Input", record: int | None, what: str) -> "Line":
    from kyber.draft import Line
    from kyber.logs.parse import Tally, batches
    from kyber.logs.rule_tests import Given
    from kyber.logs.stream import ReadingError, Stream

    tally = Tally()
    try:
        stream = Stream(given)
    except ReadingError as error:
        raise NothingReadError(f"{what} cannot be read ({error.code})") from None
    try:
        form = job.form(stream.sample)
        for batch in batches(stream, form, job, tally, ordered=True):
            row = _row(batch, record)
            if row is not None:
                read_as = Given(format=form.name, columns=job.columns, starts=job.starts)
                return Line(batch, row, read_as, _is_whole(form))
    except ReadingError as error:
        raise NothingReadError(f"{what} cannot be read ({error.code})") from None
    finally:
        stream.close()
    why = f" as {form.name} ({', '.join(tally.rejected)})" if tally.rejected else ""
    raise NothingReadError(f"{what}: no event can be read there{why}; --input names a format")


def _row(batch: "EventBatch", record: int | None) -> int | None:
    """The row of the event that a record belongs to; of the first event where no record is named."""
    if record is None:
        return 0 if batch.rows else None
    held: Any = batch.read.held or [1] * batch.rows
    places = enumerate(zip(batch.records, held, strict=True))
    return next((row for row, (first, many) in places if first <= record < first + many), None)


def _is_whole(form: "Format") -> bool:
    """Whether a record of the format is lines that can be read without what stands around them."""
    return form.framing == "lines"
