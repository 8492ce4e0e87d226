"""`kyber rules tune`: findings marked as false positives in, a draft of a filter that hides them and no others out."""

import re
import unicodedata
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from kyber.cli.console import Where, plain, root_of, say, tell_problems
from kyber.cli.files import write_below, write_out
from kyber.cli.identity import who
from kyber.cli.rules_files import rule_paths, watch_lists
from kyber.errors import UsageError

if TYPE_CHECKING:
    from kyber.finding import Finding, Judgement
    from kyber.logs.batch import EventBatch
    from kyber.logs.sigma.rule import Rule, RuleSet
    from kyber.text import Words
    from kyber.tune import Draft, Effect
    from kyber.workspace import Workspace

DAYS: Final = 180
"""How long a filter holds where nobody says otherwise."""
FOLDER: Final = "filters"
_SLUG: Final = 40


def tune(
    rule: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="A rule's id or name, or the id of one of its findings; the first characters of that will do.",
            show_default=False,
        ),
    ],
    expires: Annotated[
        str | None,
        typer.Option(
            metavar="DAY",
            help=f"The last day on which the filter holds, as 2026-12-31, or 90d from today; else {DAYS}d.",
            show_default=False,
        ),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            metavar="PERSON",
            help="Who answers for the filter: an id or e-mail address of people.yaml; else git's user.email.",
            show_default=False,
        ),
    ] = None,
    write: Annotated[bool, typer.Option("--write", help="Write the filter below the workspace's rules.")] = False,
    workspace: Where = None,
) -> None:
    """Draft a filter from the findings of a rule that were marked as false positives.

    It asks for the least that they have in common and that no other finding of the rule has. The draft is shown with
    what it would hide of what is stored; only --write writes it. Ends with 2 when no filter can tell them apart.
    """
    from kyber.finding import Status
    from kyber.people import FILE, People
    from kyber.register import read_all
    from kyber.text import words_for
    from kyber.tune import tuned
    from kyber.workspace import at

    here, now = at(root_of(workspace or Path())), datetime.now(UTC)
    words = words_for(here.settings.language)
    today = now.astimezone(here.settings.zone).date()
    until = _day(expires, today)
    rules = _rules(here, today)
    chosen, found, judged = _findings(here, rule, rules, words, today)
    false = {id_: one for id_, one in found.items() if judged[id_].status is Status.FALSE_POSITIVE}
    if not false:
        raise UsageError(
            f"no finding of '{chosen.ref.title}' is marked as a false positive: "
            "`kyber findings false-positive ID --why TEXT` marks one"
        )
    people, _ = read_all(here.root, FILE, People)
    draft, effect, unstored = tuned(
        chosen,
        false,
        {id_: one for id_, one in found.items() if id_ not in false},
        _stored(here),
        rules.filters,
        why=[judged[id_].why for id_ in false],
        owner=who(here.root, people[0] if people else People(), by),
        today=today,
        expires=until,
    )
    file = Path(here.rules.name, FOLDER, _name(chosen, draft))
    if write and (here.root / file).exists() and (here.root / file).read_bytes() != draft.text.encode():
        raise UsageError(f"{file} is there already, and says something else: remove it, or change it by hand")
    write_out(None, draft.text)
    _tell(chosen, draft, effect, len(found) - len(false), unstored, words)
    if write:
        write_below(here.root, {str(file): draft.text.encode()})
        say(words("tune.written", file=plain(file)), error=True)
    else:
        say(words("tune.not-written", file=plain(file)), error=True)


def _day(text: str | None, today: date) -> date:
    from kyber.duration import Duration

    if text is None:
        return today + timedelta(days=DAYS)
    try:
        day = date.fromisoformat(text)
    except ValueError:
        try:
            day = Duration.parse(text).after(today)
        except ValueError:
            raise UsageError(f"--expires {text}: write a day as 2026-12-31, or a time from today as 90d") from None
    if day < today:
        raise UsageError(f"--expires {day} is over already")
    return day


def _rules(here: "Workspace", today: date) -> "RuleSet":
    from kyber.logs.sigma.rule import read_rules

    lists, _ = watch_lists(here)
    return read_rules(rule_paths(here), lists, today)


def _findings(
    here: "Workspace", given: str, rules: "RuleSet", words: "Words", today: date
) -> "tuple[Rule, dict[str, Finding], dict[str, Judgement]]":
    """The rule that is meant, and its kept findings with where they stand. Raises UsageError."""
    from kyber import kept, triage

    if not (here.state / kept.FILE).exists():
        raise UsageError("no findings are kept here yet: `kyber scan` without paths keeps what it finds")
    records, problems = triage.load_triage(here.root)
    tell_problems(problems, words)
    with kept.open(here.state) as store:
        chosen = _rule(given, rules) or _of_rule(store.get(given).finding, rules)
        found = [one for one in store.all() if one.finding.rule.id == chosen.ref.id]
    judged = triage.judged(found, triage.by_finding(records), today)
    return chosen, {one.finding.id: one.finding for one in found}, dict(judged)


def _rule(given: str, rules: "RuleSet") -> "Rule | None":
    for correlation in rules.correlations:
        if given in (correlation.ref.id, correlation.ref.name):
            raise UsageError(f"'{correlation.ref.title}' is a correlation: tune the rules that it counts")
    return next((one for one in rules.rules if given in (one.ref.id, one.ref.name)), None)


def _of_rule(finding: "Finding", rules: "RuleSet") -> "Rule":
    found = _rule(finding.rule.id, rules)
    if found is None:
        raise UsageError(f"the rule of this finding, '{finding.rule.title}', is not among the rules any more")
    return found


def _stored(here: "Workspace") -> "Callable[[], Iterable[EventBatch]]":
    """Every stored event, read anew with each call; none where nothing is stored."""
    from contextlib import closing

    from kyber.cli.scan import enrichment
    from kyber.logs.enrich import enriched
    from kyber.logs.store.parquet import ParquetStore

    known = enrichment(here)

    def batches() -> "Iterable[EventBatch]":
        if ParquetStore.exists(here.state):
            with closing(ParquetStore(here.state)) as store:
                for batch in store.events():
                    yield enriched(batch, known)

    return batches


def _name(rule: "Rule", draft: "Draft") -> str:
    """The name of the filter's file, as the specification advises: `mf_`, small letters, digits and `_`."""
    from kyber.privacy import mask

    letters = unicodedata.normalize("NFKD", mask(rule.ref.name or rule.ref.title)).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "_", letters.lower())[:_SLUG].strip("_") or "rule"
    return f"mf_{slug}_{draft.filter.ref.id[:8]}.yml"


def _tell(rule: "Rule", draft: "Draft", effect: "Effect", true: int, unstored: int, words: "Words") -> None:
    """What the draft would hide, and what guards it, on standard error: standard output holds the draft alone."""
    hidden = {id_: count for id_, count in effect.hidden.items() if id_}
    say(words.many("tune.hides", sum(effect.hidden.values()), findings=words.number(len(hidden))), error=True)
    if others := effect.hidden.get("", 0):
        say(words.many("tune.hides-others", others), error=True)
    say(words.many("tune.leaves", sum(effect.left.values())), error=True)
    say(words.many("tune.guarded", true) if true else words("tune.unguarded"), error=True)
    if unstored:
        say(words.many("tune.unstored", unstored), error=True)
