"""A workspace in, all that its report is made from out: registers, findings, what rules can see, the last report."""

import re
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from functools import cache
from itertools import count
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING, Final

from kyber.cli.console import say
from kyber.errors import KyberError, UsageError

if TYPE_CHECKING:
    from kyber.document import Document
    from kyber.finding import Touched
    from kyber.join import Snapshot
    from kyber.logs.standing import Entry, Looked
    from kyber.problem import Problem
    from kyber.report.given import Before, Given, Scope, Seen
    from kyber.report.period import Period
    from kyber.risks.quantify import Portfolio
    from kyber.risks.register import RiskRegister
    from kyber.text import Words
    from kyber.workspace import Workspace

FOLDER: Final = "reports"
OPEN: Final = "open"
_AGAIN: Final = re.compile(r"-(?:fi|sv|en)(?:-[a-z]+)?-(\d+)$")
"""How the name of a report ends that is not the first of its day."""
DAYS: Final = 7
"""How many of the last days of what is stored show whether rules can see."""
YEARS, FEWER_YEARS, MANY = 100_000, 20_000, 50
"""How many years are simulated; fewer where more than so many risks have numbers."""
LETTERS: Final = 12
"""Of the id of a commit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked for."""

    period: "Period"
    today: date
    words: "Words"
    since: str = ""
    label: str = ""
    scope: "Scope" = "open"


def given(here: "Workspace", asked: Asked) -> "Given":
    """All of it, at one moment. Raises UsageError."""
    from kyber.join import read_workspace

    _tell(asked.words("report.progress.registers"))
    whole, unread = read_workspace(here.root, asked.today)
    if asked.scope != "confidential":
        check_readable(here, whole, unread, all_=False)
    return given_of(here, asked, whole, unread)


def given_of(here: "Workspace", asked: Asked, whole: "Snapshot", unread: "tuple[Problem, ...]") -> "Given":
    """The same where the registers are read already, what could not be read of them, and `check_readable` was asked."""
    from kyber.confidential import hidden as hidden_ids
    from kyber.confidential import public, telling, without_secrets
    from kyber.join import check_snapshot, dues
    from kyber.problem import Severity
    from kyber.report.given import Given

    words, today = asked.words, asked.today
    shown = {"open": without_secrets, "public": public}.get(asked.scope)
    snapshot = shown(whole) if shown else whole
    hidden = hidden_ids(whole, snapshot)
    _tell(words("report.progress.checks"))
    sifted = check_snapshot(whole, unread)
    tells = telling(whole, snapshot)
    files = {one.at.file for one in whole.records if getattr(one, "id", None) in hidden}
    left = tuple(one for one in sifted.left if one.place.file not in files and not any(map(tells, one.facts.values())))
    described = {one.id for one in snapshot.continuity.services}
    known = frozenset(described) if shown and whole.continuity.services else None
    seen = _seen(here, whole, hidden, known, asked)
    found = Given(
        snapshot=snapshot,
        problems=left,
        waived=len(sifted.waived),
        unread=sum(one.severity is Severity.ERROR for one in unread),
        dues=dues(snapshot, date(today.year + 1, 12, 31)),
        seen=seen,
        before=_before(here, asked, hidden),
        period=asked.period,
        label=asked.label or words(f"report.label.{asked.scope}"),
        commit=_commit(here, words),
        withheld=len(hidden),
        withheld_risks=sum(one.is_open and one.id in hidden for one in whole.risks.risks),
        scope=asked.scope,
        words=words,
    )
    _tell(words("report.progress.numbers"))
    return replace(found, portfolios=_portfolios(snapshot.risks))


def check_readable(here: "Workspace", whole: "Snapshot", unread: "tuple[Problem, ...]", *, all_: bool) -> None:
    """Raises UsageError where it is not known whether a risk or a service is secret: where its file could not be read
    and says something of that, or, with `all_`, could not be read at all."""
    from kyber import confidential

    found = {*confidential.unclear(whole, unread), *(confidential.unread(whole) if all_ else ())}
    if found:
        names = ", ".join(sorted(str(one.relative_to(here.root)) for one in found))
        raise UsageError(
            f"{names}: cannot be read as it stands, so that it may be secret and nobody knows; mend it (kyber check "
            "says how), or ask for all that is secret with --confidential"
        )


def _tell(text: str) -> None:
    if sys.stderr.isatty():
        say(f"… {text}", error=True)


def _seen(
    here: "Workspace", snapshot: "Snapshot", hidden: frozenset[str], known: frozenset[str] | None, asked: Asked
) -> "Seen":
    from kyber import kept, triage
    from kyber.finding import Status
    from kyber.report.given import Seen

    _tell(asked.words("report.progress.findings"))
    every: tuple[kept.KeptFinding, ...] = ()
    if (here.state / kept.FILE).exists():
        with kept.open(here.state) as store:
            every = store.outlines()
    end = asked.today
    zone = here.settings.zone
    every = tuple(one for one in every if (when := one.finding.first) is None or when.astimezone(zone).date() <= end)
    decisions = triage.by_finding(snapshot.triage)
    judged = triage.judged([one for one in every if one.finding.id in decisions], decisions, asked.today)
    false = {id_ for id_, one in judged.items() if one.status is Status.FALSE_POSITIVE}
    done = {id_ for id_, one in judged.items() if one.status in (Status.CLOSED, Status.ACKNOWLEDGED)} | false
    findings = tuple(one.finding for one in every if one.finding.id not in false)
    _tell(asked.words("report.progress.rules"))
    days, heard = _stored(here)
    entries, looked = _entries(here, asked)
    days += [one.first.date() for one in findings if one.first is not None]
    return Seen(
        findings=findings,
        open=frozenset(one.id for one in findings) - done,
        false=len(false),
        touched=_without(snapshot.web.thread(findings), hidden, known),
        entries=entries,
        looked=looked,
        heard=heard,
        since=min(days, default=asked.today),
    )


def _without(
    touched: "Mapping[str, Touched]", hidden: frozenset[str], known: frozenset[str] | None
) -> "Mapping[str, Touched]":
    """The same without these plans and risks, and with these services alone, all of them where it is None: worked out
    on the whole, so that names are known as ids. A name that nobody described may be one that a secret service had."""
    if known is None and not hidden:
        return touched

    def left(ids: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(one for one in ids if one not in hidden)

    @cache
    def shown(one: "Touched") -> "Touched":
        return replace(
            one,
            services=tuple(each for each in one.services if known is None or each in known),
            resting=tuple(each for each in one.resting if known is None or each in known),
            plans=left(one.plans),
            risks=left(one.risks),
        )

    return {id_: shown(one) for id_, one in touched.items()}


def _stored(here: "Workspace") -> "tuple[list[date], Mapping[str, datetime | None] | None]":
    """The days of which events are stored, and the last event of each source; None where nothing is stored."""
    from kyber.logs.store.parquet import ParquetStore

    if not ParquetStore.exists(here.state):
        return [], None
    with closing(ParquetStore(here.state)) as store:
        days = [date.fromisoformat(day) for day in store.index.days(0) if day[:1].isdigit()]
        return days, {source: last for source, (_, last) in store.index.times().items()}


def _entries(here: "Workspace", asked: Asked) -> "tuple[tuple[Entry, ...] | None, Looked | None]":
    from kyber.cli.rules_files import rule_paths
    from kyber.cli.rules_standing import gathered

    night = datetime.combine(asked.today + timedelta(days=1), time(), here.settings.zone)
    try:
        found = gathered(here, rule_paths(here), DAYS, night)
    except KyberError as error:
        say(f"kyber: {error}", error=True)
        return None, None
    return tuple(found.entries), found.known.seen


def _portfolios(register: "RiskRegister") -> "tuple[Portfolio, ...]":
    from kyber.risks.checks import unusable
    from kyber.risks.register import open_risks

    numbers = {
        one.id: one.quant for one in open_risks(register) if one.quant is not None and not any(unusable(one.quant))
    }
    if not numbers:
        return ()
    from kyber.risks.quantify import SEED, quantify

    return tuple(quantify(numbers, YEARS if len(numbers) <= MANY else FEWER_YEARS, SEED))


def _commit(here: "Workspace", words: "Words") -> str:
    """The commit that is checked out, and whether registers differ from it; empty without git."""
    from kyber.git import changed, head
    from kyber.join import MODELS

    found = head(here.root)
    if found is None:
        return ""
    short = found[:LETTERS]
    globs = dict.fromkeys(one.glob for one in MODELS.values())
    return words("report.commit", commit=short) if changed(here.root, *globs) else short


# --- reports that were saved -----------------------------------------------------------------------------------------


def read_report(file: Path) -> "Document":
    """A saved report. Raises UsageError."""
    from kyber.render.document_json import LARGEST, loads

    try:
        if not S_ISREG(file.stat().st_mode):
            raise UsageError(f"{file} cannot be read: it is no file of its own")
        with file.open("rb") as opened:
            text = opened.read(LARGEST + 1)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    return loads(text, str(file))


def saved_name(found: "Document", folder: Path, content: bytes) -> str:
    """What a report is called in the folder of reports: a name that is free, or of the same report."""
    values = dict(found.values)
    parts = [f"{found.as_of}", values.get("period.name", ""), found.language]
    if (scope := values.get("report.scope", OPEN)) != OPEN:
        parts.append(scope)
    name = whole = "-".join(parts)
    again = count(2)
    while (file := folder / f"{name}.json").exists() and not _holds(file, content):
        name = f"{whole}-{next(again)}"
    return name


def _holds(file: Path, content: bytes) -> bool:
    try:
        return file.read_bytes() == content
    except OSError:
        return False


def _before(here: "Workspace", asked: Asked, hidden: frozenset[str]) -> "Before | None":
    """The report that movement is told from: one that is named, or the last one that was saved before this day."""
    from kyber.report.given import Before

    # What everybody may see is a part of the open report, and is compared with that.
    scope = OPEN if asked.scope == "public" else asked.scope
    if asked.since and asked.since != "last":
        found = read_report(Path(asked.since))
        _check_since(found, asked, scope)
    else:
        last = _last(here, asked, scope)
        if last is None:
            if asked.since:
                raise UsageError(f"--since last: no such report from before {asked.today} is in {here.root / FOLDER}")
            return None
        found = last
    values = {key: value for key, value in found.values if key.partition(".")[2] not in hidden}
    return Before(found.as_of, values.get("period.name", "–"), values)


def _check_since(found: "Document", asked: Asked, scope: str) -> None:
    """Raises UsageError for a report that this one does not follow, or that says more or less than it."""
    if found.as_of > asked.today:
        raise UsageError(f"--since {asked.since}: that report is as of {found.as_of}, later than {asked.today}")
    if (theirs := _scope(found)) != scope:
        raise UsageError(
            f"--since {asked.since}: that report is {theirs}, this one {scope}: one has secret entries, and one not"
        )


def _scope(found: "Document") -> str:
    return dict(found.values).get("report.scope", OPEN)


def _last(here: "Workspace", asked: Asked, scope: str) -> "Document | None":
    for file in sorted((here.root / FOLDER).glob("????-??-??-*.json"), key=_age, reverse=True):
        try:
            if file.name[:10] < asked.today.isoformat() and _scope(found := read_report(file)) == scope:
                return found
        except UsageError as error:
            say(f"kyber: {error}", error=True)
    return None


def _age(file: Path) -> tuple[str, int, str]:
    """By day, and of reports of one day by which was saved last."""
    again = _AGAIN.search(file.stem)
    return file.name[:10], int(again[1]) if again else 1, file.name
