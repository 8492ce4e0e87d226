"""`kyber rules explain`: a rule and an event in, why the rule matches it, or does not, out."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from kyber.cli.console import ExitCode, Where, around, day_here, is_terminal, say
from kyber.cli.files import standard_output
from kyber.cli.reading import known_format, logsource_of, path_jobs
from kyber.cli.rules_files import RulePaths, rule_paths, watch_lists
from kyber.errors import NothingReadError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kyber.finding import Finding
    from kyber.logs.batch import EventBatch
    from kyber.logs.inputs import Input
    from kyber.logs.parse import Job
    from kyber.logs.sigma.correlation import Correlation
    from kyber.logs.sigma.rule import Rule, RuleSet, Unable
    from kyber.text import Words
    from kyber.workspace import Workspace

CANDIDATES_SHOWN: Final = 8
PIPED_WIDTH: Final = 10_000
"""Columns where no terminal has to be fitted: a line of the answer stays one line."""
_EVENT: Final = re.compile(r"[0-9a-fA-F]{32}")
_PREFIX: Final = re.compile(r"[0-9a-fA-F]{4,32}")


def explain(
    rule: Annotated[
        str,
        typer.Argument(
            metavar="RULE",
            help="A rule's file, or its id, name, or the start of its title.",
            show_default=False,
        ),
    ],
    event: Annotated[
        str,
        typer.Argument(
            metavar="EVENT",
            help="FILE:RECORD, the id of a stored event, the id of a finding for its sample event, or - for the first "
            "event of standard input.",
            show_default=False,
        ),
    ],
    rules: RulePaths = None,
    input_format: Annotated[
        str | None,
        typer.Option(
            "--input", metavar="FORMAT", help="Read the file as this format; `kyber logs formats` lists them."
        ),
    ] = None,
    logsource: Annotated[
        str | None,
        typer.Option(metavar="KEY:VALUE,...", help="What the file is for rules, as product:linux,service:auth."),
    ] = None,
    timezone: Annotated[
        str | None,
        typer.Option(
            metavar="ZONE", help="Time zone of times in the file that carry none; else the workspace's, or UTC."
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on one line.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Shorten no list and no value.")] = False,
    workspace: Where = None,
) -> None:
    """Explain why a rule matches an event or does not: every part of its condition, and what each met in the event.

    Ends with 0 when the rule matches the event, with 1 when it does not, with 2 for a rule or an event that is not
    there, with 3 when the event cannot be read.
    """
    from kyber.cli import explained as show
    from kyber.cli.scan import enrichment
    from kyber.logs.enrich import enriched
    from kyber.logs.sigma.explain import explanation
    from kyber.text import words_for

    now = datetime.now(UTC)
    here = around(workspace)
    words = words_for(here.settings.language if here else "en")
    if input_format is not None:
        known_format(input_format)
    chosen = _rule(rule, rules, here, now, words)
    given = _Given(here, now, input_format, timezone, logsource, chosen.rule)
    batch, row = given.event(event)
    found = explanation(chosen.rule, enriched(batch, enrichment(here)), row, chosen.rules.filters, chosen.lacking)
    if json:
        with standard_output():
            say(show.as_json(found))
    else:
        from rich.console import Console

        terminal = is_terminal()
        with standard_output():
            console = Console() if terminal else Console(width=PIPED_WIDTH)
            show.show(found, words, console, ascii_only=not terminal, verbose=verbose)
    if not found.matches:
        raise typer.Exit(ExitCode.FOUND)


# --- the rule ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Chosen:
    """A rule, the set that it would run in, and the watch lists that it lacks."""

    rule: "Rule"
    rules: "RuleSet"
    lacking: tuple[str, ...] = ()


def _rule(text: str, paths: "Sequence[str] | None", here: "Workspace | None", now: datetime, words: "Words") -> _Chosen:
    """The rule that is meant. Raises UsageError where there is none, more than one, or one that cannot be explained."""
    from kyber.logs.sigma.rule import read_rules
    from kyber.privacy import mask

    lists, _ = watch_lists(here)
    today = day_here(here, now)
    file = Path(text)
    where = [*([text] if file.is_file() else []), *(paths or rule_paths(here))]
    found = read_rules(where, lists, today)
    known: list[Rule | Unable | Correlation] = [*found.rules, *found.unable, *found.correlations]
    if file.is_file():
        meant = [one for one in known if Path(one.ref.path) == file]
        if not meant:
            problem = next((one for one in found.problems if Path(one.place.file) == file), None)
            why = f": {problem.code} {mask(words.problem(problem)[0])}" if problem else ""
            raise UsageError(f"{text} holds no rule that can be explained{why}")
    else:
        meant = [one for one in known if text in (one.ref.id, one.ref.name)] or [
            one for one in known if text and one.ref.title.casefold().startswith(text.casefold())
        ]
    if not meant:
        raise UsageError(f"no rule has the id or name '{text}', or a title that begins so, and there is no such file")
    if len(meant) > 1:
        lines = [mask(f"{one.ref.name or one.ref.id}  {one.ref.title}") for one in meant[:CANDIDATES_SHOWN]]
        more = ["…"] if len(meant) > CANDIDATES_SHOWN else []
        raise UsageError(
            "\n".join((f"more than one rule is meant by '{text}'; give the id or name of one:", *lines, *more))
        )
    ref = meant[0].ref
    for one in found.rules:
        if one.ref == ref:
            return _Chosen(one, found)
    for correlation in found.correlations:
        if correlation.ref == ref:
            names = {rule.ref.id: rule.ref.name or rule.ref.id for rule in known}
            of = mask(", ".join(names.get(one, one) for one in correlation.rules))
            raise UsageError(
                f"'{mask(ref.title)}' is a correlation, of many events: explain a rule that it counts: {of}"
            )
    return _lacking(next(one for one in found.unable if one.ref == ref), found, lists, words)


def _lacking(unable: "Unable", found: "RuleSet", lists: "Mapping[str, tuple[str, ...]]", words: "Words") -> _Chosen:
    """A rule that cannot run, if all it lacks is watch lists. Raises UsageError with the reason if not."""
    from kyber.logs.sigma.rule import read_rules
    from kyber.privacy import mask

    key = f"blind.{unable.reason}"
    why = words(key, **unable.facts) if words.has(key) else unable.reason
    lacking: list[str] = []
    blind: Unable | None = unable
    while blind is not None and blind.reason == "placeholder":
        lacking.append(str(blind.facts["name"]))
        again = read_rules([unable.ref.path], {**lists, **{name: (f"%{name}%",) for name in lacking}})
        for rule in again.rules:
            if rule.ref == unable.ref:
                return _Chosen(rule, found, tuple(lacking))
        blind = next((one for one in again.unable if one.ref == unable.ref), None)
    raise UsageError(f"'{mask(unable.ref.title)}' does not run: {mask(why)}")


# --- the event --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Given:
    """Where an event may be found, and how a file is to be read for a rule."""

    here: "Workspace | None"
    now: datetime
    format: str | None
    timezone: str | None
    logsource: str | None
    rule: "Rule"

    def event(self, text: str) -> "tuple[EventBatch, int]":
        """The event that is meant: a batch and a row. Raises UsageError, and NothingReadError for one that cannot be
        read."""
        if text == "-":
            return self._of_file("-", None)
        file, colon, number = text.rpartition(":")
        if colon and number.isdecimal() and len(number) < 19:
            return self._of_file(file, int(number))
        if not _PREFIX.fullmatch(text):
            raise UsageError(f"'{text}' is no event: write FILE:RECORD, the id of an event or of a finding, or -")
        if self.here is None:
            raise UsageError(
                "events and findings are kept in a workspace: name it with --workspace, or give FILE:RECORD"
            )
        finding = self._finding(self.here, text)
        stored = None
        if finding is not None:
            stored = self._stored(self.here, finding.sample.event_id, finding.sample.time)
        elif _EVENT.fullmatch(text):
            stored = self._stored(self.here, text, None)
        if stored is not None:
            return stored
        if finding is None:
            raise UsageError(
                f"nothing is kept under the id {text}: an event's id is given whole, and a finding's first 4"
            )
        sample = finding.sample
        if Path(sample.file.partition("!")[0]).is_file():
            batch, row = self._of_file(sample.file, sample.record)
            if batch.event_id(row) == sample.event_id:
                return batch, row
        raise UsageError(
            f"the sample event of the finding is not stored, and {sample.file}:{sample.record} is it no longer"
        )

    def _finding(self, here: "Workspace", prefix: str) -> "Finding | None":
        from kyber import kept

        if not (here.state / kept.FILE).is_file():
            return None
        with kept.open(here.state) as store:
            try:
                return store.get(prefix).finding
            except kept.KeptError:
                if _EVENT.fullmatch(prefix):
                    return None
                raise

    def _stored(self, here: "Workspace", identity: str, time: datetime | None) -> "tuple[EventBatch, int] | None":
        from contextlib import closing

        from kyber.logs.store import ALL, Period
        from kyber.logs.store.parquet import ParquetStore

        if not ParquetStore.exists(here.state):
            return None
        moment = None if time is None else round(time.timestamp() * 1_000_000)
        period = ALL if moment is None else Period(moment - 1, moment + 2)
        with closing(ParquetStore(here.state)) as store:
            return store.event(identity.lower(), period)

    def _of_file(self, name: str, record: int | None) -> "tuple[EventBatch, int]":
        """The event of a record in a file or an archive's member; None: the first event."""
        from kyber.logs.parse import Tally, batches
        from kyber.logs.schema import table
        from kyber.logs.sigma.match import Matcher
        from kyber.logs.sigma.plan import plan
        from kyber.logs.stream import ReadingError, Stream

        job, given = self._input(name)
        what, tally = name if record is None else f"{name}:{record}", Tally()
        try:
            stream = Stream(given)
        except ReadingError as error:
            raise NothingReadError(f"{name} cannot be read ({error.code})") from None
        try:
            form = job.form(stream.sample)
            wanted = Matcher(plan([self.rule])).wanted(table(form.table))
            for batch in batches(stream, form, job, tally, wanted, ordered=True):
                if record is None:
                    if batch.rows:
                        return batch, 0
                    continue
                held = batch.read.held or [1] * batch.rows
                for row, (first, many) in enumerate(zip(batch.records, held, strict=True)):
                    if first <= record < first + many:
                        return batch, row
        except ReadingError as error:
            raise NothingReadError(f"{name} cannot be read ({error.code})") from None
        finally:
            stream.close()
        rejected = f", or cannot be read as {form.name} ({', '.join(tally.rejected)})" if tally.rejected else ""
        raise NothingReadError(f"{what}: there is no such event: the record is not there, or is blank{rejected}")

    def _input(self, name: str) -> "tuple[Job, Input]":
        path = name if name == "-" or Path(name).exists() else name.partition("!")[0]
        if path != "-" and not Path(path).is_file():
            raise UsageError(f"there is no file {path}")
        jobs, problems = path_jobs(
            self.here, [path], self.timezone, self.format, logsource_of(self.logsource), self.now
        )
        found = [one for one in jobs[0].inputs if name in ("-", one.name)] or list(jobs[0].inputs)
        if len(found) > 1:
            listed = ", ".join(one.name for one in found[:CANDIDATES_SHOWN])
            raise UsageError(f"{path} holds several files; name one of them: {listed}")
        if not found:
            raise NothingReadError(f"{path} cannot be read" + "".join(f" ({one.code})" for one in problems[:1]))
        return jobs[0], found[0]
