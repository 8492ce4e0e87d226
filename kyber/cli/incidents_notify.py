"""`kyber incident notify` and `archive`: drafts of notifications, what was sent, and the evidence as one archive."""

import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from kyber.cli.console import Where, plain, say
from kyber.cli.desk import DryRun, write
from kyber.cli.files import check_output, write_out, write_whole
from kyber.cli.incidents_files import At, Id, IncidentDesk, desk, line, notification
from kyber.cli.stores import Stores
from kyber.errors import KyberError, UsageError

if TYPE_CHECKING:
    from kyber.incident import Incident
    from kyber.kept import KeptFinding

ARCHIVES: Final = (".zip", ".tar")


class Stage(StrEnum):
    """The notifications to an authority."""

    FIRST = "first"
    FOLLOW_UP = "follow-up"
    FINAL = "final"


class Regime(StrEnum):
    """What asks for a notification."""

    CYBERSECURITY_ACT = "cybersecurity-act"
    GDPR = "gdpr"


class Language(StrEnum):
    """The languages of a draft."""

    FI = "fi"
    SV = "sv"
    EN = "en"


def notify(
    incident: Id,
    stage: Annotated[
        Stage | None, typer.Option(help="Which notification; gdpr has one alone.", show_default=False)
    ] = None,
    regime: Annotated[Regime, typer.Option(help="What asks for it.")] = Regime.CYBERSECURITY_ACT,
    draft: Annotated[bool, typer.Option("--draft", help="Write the draft; so it is without --done as well.")] = False,
    language: Annotated[
        Language | None, typer.Option(help="The language of the draft; else the workspace's.", show_default=False)
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the draft to a file.")
    ] = None,
    done: Annotated[bool, typer.Option("--done", help="Write down that the notification was sent.")] = False,
    at_: At = "",
    ref: Annotated[
        str, typer.Option(metavar="TEXT", help="The number that the authority gave it.", show_default=False)
    ] = "",
    dry_run: DryRun = False,
    workspace: Where = None,
) -> None:
    """Draft a notification to an authority, in Markdown, from what the incident says; or write down that it was sent.

    kyber sends nothing. A draft has to be checked and completed by a person.
    """
    from kyber.incident import duty_for, notified

    at = desk(workspace)
    one, duty = at.incident(incident), duty_for(regime.value, stage.value if stage else None)
    if not done and (at_ or ref):
        raise UsageError("--at and --ref are about a notification that was sent: give --done as well")
    edits = [notified(one, duty, at.moment(at_, "--at"), line(ref))] if done else []
    if draft or not done:
        check_output(output, at.here)
        write_out(output, _draft(at, one, duty, language.value if language else at.here.settings.language))
    if done:
        say(plain(at.words("incidents.did.notified", id=one.id, what=notification(at, duty))))
        write(at, edits, dry_run=dry_run)


def archive(
    incident: Id,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FILE", help="The archive: FILE.zip or FILE.tar.", show_default=False),
    ],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Take the place of a file that is there.")] = False,
    workspace: Where = None,
) -> None:
    """Write the evidence of an incident as one archive: its file, findings, their records, drafts, and SHA-256 of all.

    The same evidence makes the same bytes. Findings and records hold what was in the logs, unmasked: keep it safe.
    """
    from kyber.casefile import tarred, with_manifest, zipped

    at = desk(workspace)
    one = at.incident(incident)
    if output.suffix.lower() not in ARCHIVES:
        raise UsageError(f"{output}: an archive is named FILE.zip or FILE.tar")
    check_output(output, at.here)
    if output.exists() and not overwrite and not _may_replace(at, output):
        raise UsageError(f"{output} is there already: name another file, or give --overwrite")
    contents, missing, unread = _evidence(at, one)
    make = zipped if output.suffix.lower() == ".zip" else tarred
    write_whole(output, make(with_manifest(contents)))
    say(plain(at.words.many("incidents.did.archived", len(contents), id=one.id, file=output)))
    if missing:
        say(at.words("incidents.findings-gone", ids=tuple(missing)), error=True)
    if unread:
        say(at.words("incidents.records-gone", ids=tuple(unread)), error=True)


def _evidence(at: IncidentDesk, one: "Incident") -> tuple[dict[str, bytes], list[str], list[str]]:
    """What goes into the archive by name; the findings that are kept no more, and those whose record is not."""
    from kyber import kept
    from kyber.incident import DUTIES, applies

    contents = {f"incident/{Path(one.at.file).name}": Path(one.at.file).read_bytes()}
    found: Sequence[KeptFinding] = ()
    if one.findings and (at.here.state / kept.FILE).exists():
        with kept.open(at.here.state) as store:
            found = store.of(one.findings)
    for each in found:
        contents[f"findings/{each.finding.id}.json"] = kept.to_json(each.finding) + b"\n"
    records = _records(at, found)
    contents |= {f"records/{id_}.raw": raw for id_, raw in records.items()}
    for duty in DUTIES:
        if applies(one, duty):
            for language in Language:
                name = f"drafts/{duty.regime}-{duty.stage}.{language}.md"
                contents[name] = _draft(at, one, duty, language.value).encode()
    there = {each.finding.id for each in found}
    missing = [id_ for id_ in one.findings if id_ not in there]
    return contents, missing, [each.finding.id for each in found if each.finding.id not in records]


def _records(at: IncidentDesk, found: "Sequence[KeptFinding]") -> dict[str, bytes]:
    """By the finding's id, the record of its sample as it was read, where it is still stored."""
    records: dict[str, bytes] = {}
    wanted = {one.finding.id: one.finding.sample.event_id for one in found if one.finding.sample.event_id}
    if not wanted:
        return records
    try:
        with Stores(None, None, None, allow_plaintext=False, insecure=False).opened(at.here) as store, store.reading():
            for id_, event in wanted.items():
                if (there := store.event(event)) is not None:
                    batch, row = there
                    records[id_] = batch.raw[row]
    except KyberError:  # nothing is stored, or the store does not answer: what is missing is told
        return records
    return records


def _draft(at: IncidentDesk, one: "Incident", duty: Any, language: str) -> str:
    from kyber.notice import Sender, draft
    from kyber.text import words_for

    settings = at.here.settings
    sender = Sender(organisation=settings.organisation, people=at.people, services=at.services)
    return draft(one, duty, sender, words_for(language), settings.zone)


def _may_replace(at: IncidentDesk, output: Path) -> bool:
    return sys.stdin.isatty() and typer.confirm(plain(at.words("incidents.replace", file=output)), default=False)
